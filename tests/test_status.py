"""The status file beside a joints file."""

import numpy as np
import pytest

import har
import pose
from pose.labels.status import CONFIRMED, GUESSED, HIDDEN, PREDICTED, read_status, status_file, write_status

NAMES = ["a.png", "b.png", "c.png"]


@pytest.fixture
def joints_txt(tmp_path):
    lines = [f"{name} " + " ".join(f"{k + 1} {row + 1}" for k in range(20)) for row, name in enumerate(NAMES)]
    (tmp_path / "joints.txt").write_text("\n".join(lines))
    status, confidence = np.full((3, 20), CONFIRMED, np.uint8), np.full((3, 20), np.nan)
    status[0, 3], status[1, 4], status[1, 5] = PREDICTED, GUESSED, HIDDEN
    confidence[0, 3] = 0.25
    write_status(tmp_path / "joints.txt", NAMES, pose.KINECT20, status, confidence)
    return tmp_path / "joints.txt"


def test_what_is_written_is_read_back(joints_txt):
    assert status_file(joints_txt).read_text() == (
        "image,joint,status,confidence\na.png,head,predicted,0.250\n"
        "b.png,left_shoulder,guessed,\nb.png,right_shoulder,hidden,\n"
    )
    status, confidence = read_status(joints_txt, NAMES, pose.KINECT20)
    assert [status[0, 3], status[1, 4], status[1, 5], status[2].max()] == [PREDICTED, GUESSED, HIDDEN, CONFIRMED]
    assert confidence[0, 3] == 0.25
    assert np.isnan(confidence).sum() == 59


def test_predicted_images_are_left_out_and_said_so(joints_txt, capsys):
    annotations = pose.read_annotations(joints_txt)
    assert annotations.paths == ["b.png", "c.png"]
    assert annotations.lines.tolist() == [2, 3]
    assert "1 of 3 images are not confirmed yet, and left out" in capsys.readouterr().out
    assert len(pose.read_annotations(joints_txt, predicted=True)) == 3
    assert "predicted" in [one.kind for one in pose.check_annotations(joints_txt).findings]


def test_a_split_takes_confirmed_images_unless_asked(joints_txt, tmp_path):
    (tmp_path / "images").mkdir()
    for name in NAMES:
        (tmp_path / "images" / name).touch()
    parts = pose.split_dataset(joints_txt, tmp_path / "images", tmp_path / "split", valid_share=0.5)
    assert len(parts.train) + len(parts.valid) == 2
    parts = pose.split_dataset(joints_txt, tmp_path / "images", tmp_path / "split", valid_share=0.5, predicted=True)
    assert len(parts.train) + len(parts.valid) == 3
    loaded = pose.load_split(tmp_path / "split")
    assert (loaded.train.source, len(loaded.train)) == (joints_txt, len(parts.train))


def test_nothing_confirmed_is_an_error_that_says_what_to_do(joints_txt):
    write_status(joints_txt, NAMES, pose.KINECT20, np.full((3, 20), PREDICTED), np.full((3, 20), 0.5))
    with pytest.raises(pose.PoseError, match=r"not one of its 3 images is confirmed.*Labeller.*predicted=True"):
        pose.read_annotations(joints_txt)


def test_without_anything_to_say_there_is_no_file(joints_txt):
    write_status(joints_txt, NAMES, pose.KINECT20, np.full((3, 20), CONFIRMED), np.full((3, 20), np.nan))
    assert not status_file(joints_txt).exists()
    assert len(pose.read_annotations(joints_txt)) == 3


@pytest.mark.parametrize("line", ["a.png,nose,predicted,0.5", "a.png,head,maybe,0.5", "a.png,head,predicted,much"])
def test_a_wrong_line_is_named(joints_txt, line):
    status_file(joints_txt).write_text(f"image,joint,status,confidence\n{line}\n")
    with pytest.raises(pose.PoseError, match=r"joints.status.csv, line 2: expected a joint"):
        pose.read_annotations(joints_txt)
    status_file(joints_txt).write_text("image,joint\na.png,head\n")
    with pytest.raises(pose.PoseError, match="its first line must be image,joint,status,confidence"):
        pose.read_annotations(joints_txt)


def test_clips_of_unconfirmed_images_follow_their_subject(tmp_path):
    images, names = tmp_path / "images", [f"{person}{i}.png" for person in "abc" for i in range(4)]
    images.mkdir()
    for name in names:
        (images / name).touch()
    (tmp_path / "joints.txt").write_text("\n".join(f"{name} " + "1 2 3 4 " * 10 for name in names))
    status = np.full((12, 20), PREDICTED)
    status[::4] = CONFIRMED  # the first image of each person
    write_status(tmp_path / "joints.txt", names, pose.KINECT20, status, np.full((12, 20), 0.5))
    rows = [f"{person},{person},walk,{person}0.png,{person}3.png" for person in "abc"]
    (tmp_path / "clips.csv").write_text("\n".join(["clip,subject,action,first_image,last_image", *rows]))
    split = pose.split_dataset(tmp_path / "joints.txt", images, tmp_path / "split", valid_share=0.4)
    assert (len(split.train), len(split.valid)) == (1, 2)
    data = har.split_clips(split)
    assert (len(data.train), len(data.valid)) == (1, 2)
    assert {clip.subject + "0.png" for clip in data.valid} == {path[-6:] for path in split.valid.paths}
    assert all(len(clip) == 4 for clip in data.train + data.valid)


def test_the_check_reads_the_status_file_too(joints_txt):
    joints_txt.write_text(joints_txt.read_text().replace("b.png", "renamed.png"))
    (warning,) = [one for one in pose.check_annotations(joints_txt).findings if one.kind == "status"]
    assert (warning.level, "names 1 images that have no line, such as b.png" in warning.what) == ("warning", True)
    status_file(joints_txt).write_text("what is this\n")
    (error,) = [one for one in pose.check_annotations(joints_txt).findings if one.kind == "status"]
    assert (error.level, "its first line must be" in error.what) == ("error", True)


def test_labels_that_are_overwritten_take_their_status_with_them(joints_txt):
    with pytest.raises(FileExistsError):
        pose.write_annotations(joints_txt, pose.read_annotations(joints_txt))
    assert status_file(joints_txt).exists()
    pose.write_annotations(joints_txt, pose.read_annotations(joints_txt, predicted=True), overwrite=True)
    assert len(pose.read_annotations(joints_txt)) == 3
