"""The labels behind the labeller: what is written, where, and that nothing is lost when two people label at once."""

from pathlib import Path

import numpy as np
import pytest

from pose import AnnotationError, Skeleton
from pose.labels.label_store import DONE, TO_DO, UNSURE, Labels, LabelStore
from pose.labels.status import CONFIRMED, HIDDEN, PREDICTED
from pose.runtime.errors import DataError, FileError, MissingError

ARM = Skeleton(("left_hand", "right_hand"), limbs=(), torso=("left_hand", "right_hand"))
LINES = "# joints: left_hand right_hand\n# by Ada\nb.png 1 2 3 4\na.png 5 6 nan nan\n"


@pytest.fixture
def store(tmp_path, write_image):
    """A function that opens the folder with a.png to d.png and the joints file of LINES."""
    for name in "abcd":
        write_image(f"images/{name}.png", np.zeros((8, 9, 3), np.uint8))
    (tmp_path / "joints.txt").write_text(LINES)
    return lambda **options: LabelStore(tmp_path / "joints.txt", tmp_path / "images", ARM, **options)


def confirmed(*landmarks):
    return Labels(np.array(landmarks, float), np.full(2, CONFIRMED, np.uint8), np.full(2, np.nan, np.float32))


def predicted(landmarks, confidence):
    return Labels(np.array(landmarks, float), np.full(2, PREDICTED, np.uint8), np.array(confidence, np.float32))


def test_a_saved_label_replaces_its_line_and_no_other(store, tmp_path):
    one = store()
    one.save("b.png", confirmed((1.25, 2), (3, 4)), one.labels("b.png"))
    assert (tmp_path / "joints.txt").read_text() == LINES.replace("b.png 1 2 3 4", "b.png 1.250 2.000 3.000 4.000")
    assert not (tmp_path / "joints.status.csv").exists()
    one.save("b.png", confirmed((1.25, 2), (3, 4)), one.labels("b.png"))
    assert store().labels("b.png").landmarks.tolist() == [[1.25, 2], [3, 4]]


def test_new_lines_come_in_the_order_of_the_folder(tmp_path, write_image):
    for name in ("2.png", "10.png", "9.png"):
        write_image(f"images/{name}", np.zeros((8, 9, 3), np.uint8))
    one = LabelStore(tmp_path / "new" / "joints.txt", tmp_path / "images", ARM)
    assert one.keys == ["2.png", "9.png", "10.png"]
    second = one.add_person("9.png")
    for key in ("10.png", second, "2.png", "9.png"):
        one.save(key, confirmed((1, 2), (3, 4)), one.labels(key))
    lines = (tmp_path / "new" / "joints.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["#", "2.png", "9.png", "9.png#2", "10.png"]
    assert lines[0] == "# joints: left_hand right_hand"


def test_the_least_sure_come_first_then_what_is_to_do(store):
    one = store()
    one.save("d.png", predicted([(1, 2), (3, 4)], [0.9, 0.8]), one.labels("d.png"))
    one.save("b.png", predicted([(1, 2), (3, 4)], [0.9, 0.1]), one.labels("b.png"))
    again = store()
    assert again.keys == ["b.png", "d.png", "c.png", "a.png"]
    assert [again.state(key) for key in again.keys] == [UNSURE, UNSURE, TO_DO, DONE]
    chosen = [again.path("c.png"), again.path("a.png")]
    assert store(images=chosen).keys == ["c.png", "a.png"]


def test_a_half_labelled_picture_is_not_trained_on(store):
    one, base = store(), Labels.none(2)
    half = Labels(np.array([(1, 2), (np.nan, np.nan)]), np.uint8([CONFIRMED, PREDICTED]), base.confidence)
    one.save("c.png", half, base)
    assert store().state("c.png") == UNSURE
    one.save("c.png", Labels(half.landmarks, np.uint8([CONFIRMED, HIDDEN]), base.confidence), half)
    assert store().state("c.png") == DONE


def test_a_picture_emptied_again_has_no_line(store, tmp_path):
    one = store()
    one.save("b.png", Labels.none(2), one.labels("b.png"))
    assert "b.png" not in (tmp_path / "joints.txt").read_text()
    assert store().state("b.png") == TO_DO


def test_of_two_who_label_at_once_nothing_is_lost(store, tmp_path):
    one, other = store(), store()
    base = one.labels("b.png")
    other.save("b.png", confirmed((7, 7), (8, 8)), base)
    other.save("d.png", confirmed((9, 9), (9, 9)), other.labels("d.png"))
    aside = one.save("b.png", confirmed((1, 1), (2, 2)), base)
    assert aside == tmp_path / "joints.theirs-1.txt"
    assert aside.read_text() == "# joints: left_hand right_hand\nb.png 7.000 7.000 8.000 8.000\n"
    both = store()
    assert both.labels("b.png").landmarks.tolist() == [[1, 1], [2, 2]]
    assert both.labels("d.png").landmarks.tolist() == [[9, 9], [9, 9]]


def test_what_another_program_writes_is_noticed(store, tmp_path):
    one = store()
    with (tmp_path / "joints.txt").open("a") as file:
        file.write("d.png#2 1 1 2 2\n")
    one.read()
    assert one.keys == ["c.png", "d.png", "d.png#2", "a.png", "b.png"]
    (tmp_path / "joints.txt").write_text("b.png 1\n")
    with pytest.raises(AnnotationError, match="has 1 numbers"):
        one.save("c.png", confirmed((1, 1), (2, 2)), Labels.none(2))
    assert (tmp_path / "joints.txt").read_text() == "b.png 1\n"


def test_the_pose_of_the_previous_image_is_found(store):
    one = store()
    assert one.previous("b.png").landmarks[0].tolist() == [5, 6]
    assert one.previous("a.png") is None
    assert one.previous("d.png") is None


def test_a_disk_that_is_full_is_said_and_tried_again(store, monkeypatch, tmp_path):
    one = store()

    def full(*_):
        raise FileError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("pose.labels.label_store.write_atomically", full)
        with pytest.raises(FileError):
            one.save("c.png", confirmed((1, 1), (2, 2)), Labels.none(2))
    assert (tmp_path / "joints.txt").read_text() == LINES
    one.save("c.png", confirmed((1, 1), (2, 2)), Labels.none(2))
    assert store().state("c.png") == DONE


def test_names_that_could_not_be_read_back_are_refused(tmp_path, write_image):
    write_image("images/photo 7.png", np.zeros((8, 9, 3), np.uint8))
    Path(tmp_path / "images/photo 7.png").rename(tmp_path / "images/#photo.png")
    one = LabelStore(tmp_path / "joints.txt", tmp_path / "images", ARM)
    with pytest.raises(DataError, match="rename the image"):
        one.save("#photo.png", confirmed((1, 1), (2, 2)), Labels.none(2))


@pytest.mark.usefixtures("store")
def test_another_folder_is_refused(tmp_path, write_image):
    write_image("others/z.png", np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(MissingError, match="none of the images"):
        LabelStore(tmp_path / "joints.txt", tmp_path / "others", ARM)
