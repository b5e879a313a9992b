"""The clips behind the labeller of clips: what is written, and what is refused."""

import pytest

from har.clip_store import ClipStore
from pose.clips import ClipError
from pose.runtime.errors import DataError

HEADER = "clip,subject,action,first_image,last_image"
NAMES = [f"{film}/{frame}.jpg" for film in ("one", "two") for frame in range(9)] + ["two/7.jpg#2", "two/8.jpg#2"]


@pytest.fixture
def clips_csv(tmp_path):
    return tmp_path / "clips.csv"


def test_clips_are_written_at_once_with_names_of_their_own(clips_csv):
    store = ClipStore(clips_csv, NAMES)
    assert list(store.recordings) == ["one", "two", "two person 2"]
    store.add("one", " Ada ", "wave", 0, 3)
    store.add("one", "Ada", "wave", 5, 8)
    assert clips_csv.read_text().splitlines() == [
        HEADER,
        "one_1,Ada,wave,one/0.jpg,one/3.jpg",
        "one_2,Ada,wave,one/5.jpg,one/8.jpg",
    ]
    second = {"clip": "one_2", "subject": "Ada", "action": "wave", "first": 5, "last": 8}
    assert ClipStore(clips_csv, NAMES).clips("one")[1] == second
    assert store.clips("two") == []


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (("one", "Ada", "sit", 3, 5), "frames 4 to 4 belong to 'one_1' already"),
        (("one", "Ada", "sit", 6, 6), "two frames or more"),
        (("one", "Ada", "sit", 8, 6), "two frames or more"),
        (("one", " ", "sit", 5, 6), "needs a subject"),
    ],
)
def test_what_cannot_be_a_clip_is_refused(clips_csv, clip, message):
    store = ClipStore(clips_csv, NAMES)
    store.add("one", "Ada", "wave", 0, 3)
    with pytest.raises(DataError, match=message):
        store.add(*clip)
    assert len(store.read()) == 1


def test_changes_are_undone_and_made_again(clips_csv):
    store = ClipStore(clips_csv, NAMES)
    store.add("one", "Ada", "wave", 0, 3)
    store.relabel("one_1", "throw")
    store.remove("one_1")
    assert not clips_csv.exists()
    assert store.undo()
    assert store.clips("one")[0]["action"] == "throw"
    assert store.undo()
    assert store.clips("one")[0]["action"] == "wave"
    assert store.redo()
    assert store.clips("one")[0]["action"] == "throw"
    assert [store.undo(), store.undo(), store.undo()] == [True, True, False]


def test_clips_of_others_and_their_columns_stay(clips_csv):
    store = ClipStore(clips_csv, NAMES)
    clips_csv.write_text(f"{HEADER},fps\nx,Bob,sit,one/6.jpg,one/8.jpg,30\n")
    store.add("one", "Ada", "wave", 0, 3)
    assert clips_csv.read_text().splitlines()[1:] == [
        "x,Bob,sit,one/6.jpg,one/8.jpg,30",
        "one_1,Ada,wave,one/0.jpg,one/3.jpg,",
    ]


def test_a_faulty_file_is_refused(clips_csv):
    clips_csv.write_text(f"{HEADER}\nx,Bob,sit,one/6.jpg,one/99.jpg\n")
    with pytest.raises(ClipError, match=r"99\.jpg"):
        ClipStore(clips_csv, NAMES)
