"""clips.csv: reading it, with every fault named with its line."""

import numpy as np
import pytest

from har import ClipError, actions_of, read_clips
from pose import Annotations

HEADER = "clip,subject,action,first_image,last_image\n"


@pytest.fixture
def annotations():
    """Ten images in two folders, five each."""
    names = [f"{folder}/{i}.png" for folder in ("a", "b") for i in range(5)]
    return Annotations(names, np.ones((10, 20, 2)))


@pytest.fixture
def read(tmp_path, annotations):
    def read(lines):
        (tmp_path / "clips.csv").write_text(HEADER + lines, encoding="utf-8")
        return read_clips(tmp_path / "clips.csv", annotations)

    return read


def test_rows_lengths_recordings_and_actions(read):
    clips = read("w,Ann,wave,a/0.png,a/2.png\nv , Bob , wave , b/1.png , b/4.png \n")
    assert [(clip.name, clip.subject, clip.action, clip.recording) for clip in clips] == [
        ("w", "Ann", "wave", "a"),
        ("v", "Bob", "wave", "b"),
    ]
    assert [(clip.first, clip.last, len(clip)) for clip in clips] == [(0, 2, 3), (6, 9, 4)]
    np.testing.assert_array_equal(np.arange(10)[clips[1].rows], [6, 7, 8, 9])
    assert actions_of(clips) == ["wave"]


def test_if_all_images_are_in_one_folder_each_clip_is_a_recording(tmp_path):
    annotations = Annotations([f"{i}.png" for i in range(4)], np.ones((4, 20, 2)))
    (tmp_path / "clips.csv").write_text(HEADER + "x,Ann,wave,0.png,1.png\ny,Bob,wave,2.png,3.png\n")
    assert [clip.recording for clip in read_clips(tmp_path / "clips.csv", annotations)] == ["x", "y"]


GOOD = "x,Ann,wave,b/0.png,b/1.png\ny,Bob,wave,b/2.png,b/3.png\n"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("z,Ann,wave,a/0.png,a/9.png\n", "last_image 'a/9.png' is not an image of the joints file"),
        ("z,Ann,wave,a/3.png,a/1.png\n", "last_image 'a/1.png' comes before first_image"),
        ("z,Ann,wave,a/0.png,b/4.png\n", "from the folder a to b"),
        ("z,Ann,wave,b/3.png,b/4.png\n", "shares 1 image.s. with 'y' of line 3"),
        ("z,Ann,,a/0.png,a/1.png\n", "action is empty"),
        ("z,,wave,a/0.png,a/1.png\n", "subject is empty"),
        ("z,Ann,wave,a/0.png\n", "last_image is empty"),
        ("z,Ann,wave,a/0.png,a/0.png\n", "single image"),
        ("x,Ann,wave,a/0.png,a/1.png\n", "'x' is already on line 2"),
        ("z,Ann,jump,a/0.png,a/1.png\n", "only the subject 'Ann' performs 'jump'"),
    ],
)
def test_each_fault_is_named_with_its_line(read, line, named):
    with pytest.raises(ClipError, match=rf"1 fault.*clips file:\n.*clips\.csv, line 4: .*{named}"):
        read(GOOD + line)


def test_all_faults_are_listed_together(read):
    with pytest.raises(ClipError) as error:
        read(GOOD + "z,,wave,a/0.png,a/9.png\nw,Ann,jump,a/1.png,a/1.png\n")
    assert [fault.split(", ", 1)[1][:7] for fault in error.value.faults] == ["line 4:"] * 2 + ["line 5:"] * 2


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('x,Ann,wave,b/0.png,b/1.png,"ok\ny,Bob,wave,b/2.png,b/3.png,ok"\n', "line 2: a quotation mark is not closed"),
        ('x,Ann,"wave,b/0.png,b/1.png\ny,Bob,wave,b/2.png,b/3.png\n', "line 2: a quotation mark is not closed"),
    ],
)
def test_a_quotation_mark_swallows_no_clips(read, text, named):
    with pytest.raises(ClipError, match=named):
        read(text)


def test_another_encoding_is_named(tmp_path, annotations):
    lines = "x,Ann,zur\u00fcck,b/0.png,b/1.png\ny,Bob,zur\u00fcck,b/2.png,b/3.png\n"
    (tmp_path / "clips.csv").write_text(HEADER + lines, encoding="latin-1")
    with pytest.raises(ClipError, match="line 2: contains characters that are not UTF-8"):
        read_clips(tmp_path / "clips.csv", annotations)


def test_a_file_of_one_subject_is_read(read):
    assert len(read("x,Ann,wave,a/0.png,a/1.png\ny,Ann,sit,b/0.png,b/1.png\n")) == 2


def test_a_file_without_clips_or_columns_is_refused(tmp_path, annotations, read):
    with pytest.raises(ClipError, match="contains no clip"):
        read("")
    (tmp_path / "clips.csv").write_text("clip;subject;action;first_image;last_image\n")
    with pytest.raises(ClipError, match="line 1: lacks clip, subject"):
        read_clips(tmp_path / "clips.csv", annotations)
    with pytest.raises(FileNotFoundError, match="no such clips file"):
        read_clips(tmp_path / "none.csv", annotations)
