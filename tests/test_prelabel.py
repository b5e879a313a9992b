"""Labels that a model predicts: what is written, what is left alone, and what to label next."""

import os

import cv2
import numpy as np
import pytest

import pose
from pose.labels.blazepose import Person, ReadyMade
from pose.labels.next_to_label import in_box, most_useful
from pose.labels.prelabel import prelabel
from pose.labels.status import CONFIRMED, PREDICTED, read_status, status_file, write_status

LINE = " ".join(f"{k} {2 * k}" for k in range(1, 21))


class Still:
    """A predictor that finds everybody at the same place, and nobody in dark images."""

    skeleton = pose.KINECT20

    def __init__(self):
        self.boxes = {}

    def predict(self, images, boxes=None):
        self.boxes |= {os.path.basename(path): boxes for path in images}
        bright = [path for path in images if pose.read_image(path).mean() > 10]
        landmarks = np.arange(40.0).reshape(20, 2) + 1
        return [
            pose.Prediction(landmarks, np.full(20, 0.5, np.float32), np.zeros(2), 1.0, str(path)) for path in bright
        ]


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Three images, of which c.png is dark."""
    monkeypatch.setattr("pose.labels.prelabel.Predictor", Still)
    folder = tmp_path / "images"
    folder.mkdir()
    for name, grey in (("a.png", 100), ("b.png", 200), ("c.png", 0)):
        cv2.imwrite(str(folder / name), np.full((100, 100, 3), grey, np.uint8))
    return folder


def test_what_is_predicted_is_written_and_not_yet_trained_on(images, capsys):
    joints_txt = images.with_name("joints.txt")
    assert len(prelabel(images, joints_txt, Still())) == 2
    assert (
        "2 images predicted, 1 in which nobody was found, 0 left alone because somebody has labelled them"
        in capsys.readouterr().out
    )
    annotations = pose.read_annotations(joints_txt, images, predicted=True)
    assert [os.path.basename(path) for path in annotations] == ["a.png", "b.png"]
    status, confidence = read_status(joints_txt, ["a.png", "b.png"], pose.KINECT20)
    assert (status == PREDICTED).all()
    assert (confidence == 0.5).all()
    with pytest.raises(pose.PoseError, match="not one of its 2 images is confirmed"):
        pose.read_annotations(joints_txt, images)


def test_what_somebody_labelled_is_left_as_it_is(images):
    joints_txt = images.with_name("joints.txt")
    joints_txt.write_text(f"# mine\nb.png {LINE}")
    prelabel(images, joints_txt, Still())
    lines = joints_txt.read_text().splitlines()
    assert (lines[0], lines[2]) == ("# mine", f"b.png {LINE}")
    assert lines[1].startswith("a.png 1.000 2.000")  # clips need the order of the folder
    status, _ = read_status(joints_txt, ["a.png", "b.png"], pose.KINECT20)
    assert (status.min(axis=1).tolist(), status.max(axis=1).tolist()) == ([PREDICTED, CONFIRMED],) * 2


def test_an_image_that_somebody_has_begun_is_left_alone(images):
    joints_txt = images.with_name("joints.txt")
    joints_txt.write_text(f"a.png {LINE}\n")
    status = np.full((1, 20), PREDICTED)
    status[0, 7] = CONFIRMED
    write_status(joints_txt, ["a.png"], pose.KINECT20, status, np.full((1, 20), 0.1))
    prelabel(images, joints_txt, Still())
    assert joints_txt.read_text().splitlines()[0] == f"a.png {LINE}"
    assert read_status(joints_txt, ["a.png"], pose.KINECT20)[0].tolist() == status.tolist()


def test_a_folder_may_be_written_in_different_ways(images, monkeypatch):
    monkeypatch.chdir(images.parent)
    (images.parent / "joints.txt").write_text(f"a.png {LINE}\n")
    prelabel("./images/", "joints.txt", Still(), images=[images / "a.png", "images/b.png"])
    assert pose.read_annotations("joints.txt", "images", predicted=True).paths == ["images/a.png", "images/b.png"]
    assert pose.next_to_label(Still(), images.parent / "images/../images", "joints.txt")[0].endswith("b.png")


def test_a_second_model_replaces_what_was_only_predicted(images):
    joints_txt = images.with_name("joints.txt")
    joints_txt.write_text(f"a.png {LINE}\nb.png {LINE}\na.png#2 {LINE}\n")
    status = np.full((3, 20), PREDICTED)
    status[1] = CONFIRMED
    write_status(joints_txt, ["a.png", "b.png", "a.png#2"], pose.KINECT20, status, np.full((3, 20), 0.1))
    predictor = Still()
    prelabel(images, joints_txt, predictor)
    annotations = pose.read_annotations(joints_txt, predicted=True)
    assert annotations.paths == ["a.png", "b.png", "a.png#2"]
    assert predictor.boxes["c.png"] is None
    np.testing.assert_array_equal(predictor.boxes["a.png"], 2 * [[1, 2, 20, 40]])  # where the first one found people
    assert annotations["a.png"][0] == (1, 2)
    assert "0.100" not in status_file(joints_txt).read_text()


def test_what_goes_wrong_is_said(images):
    joints_txt = images.with_name("joints.txt")
    (images / "a.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match=r"1 images could not be read: \S+a.png"):
        prelabel(images, joints_txt, Still())
    with pytest.raises(pose.PoseError, match=r"nobody was found in 1 images"):
        prelabel(images, joints_txt.with_name("other.txt"), Still(), images=[images / "c.png"])
    with pytest.raises(pose.PoseError, match="people is 1, or more with the model 'mediapipe'"):
        prelabel(images, joints_txt, Still(), people=2)
    joints_txt.write_text("b.png 1 2 3\n")
    with pytest.raises(pose.AnnotationError, match="3 numbers"):
        prelabel(images, joints_txt, Still())


def test_next_are_unsure_images_with_new_poses():
    low, high = np.zeros((2, 2)), np.array([[0.0, 0.0], [1.0, 0.0]])
    poses = np.array([low, high, low, high])
    unsure = np.array([0.5, 0.9, 0.6, 0.8])
    assert most_useful(unsure, poses, poses[:0], 2) == [1, 2]  # the least sure, then the other pose
    assert most_useful(unsure, poses, high[None], 1) == [2]  # that pose is labelled
    assert sorted(most_useful(unsure, poses, poses, 9)) == [0, 1, 2, 3]


def test_a_pose_does_not_depend_on_where_and_how_large_the_person_is():
    pose_px = np.array([[0.0, 0.0], [4.0, 8.0], [np.nan, np.nan]])
    both = in_box(np.array([pose_px, 3 * pose_px + 100]))
    np.testing.assert_allclose(both[0], [[-0.25, -0.5], [0.25, 0.5], [np.nan, np.nan]])
    np.testing.assert_allclose(both[1], both[0])


def test_confirmed_images_are_not_proposed_again(images):
    joints_txt = images.with_name("joints.txt")
    joints_txt.write_text(f"a.png {LINE}\n")
    (images / "c.png").unlink()
    assert pose.next_to_label(Still(), images, joints_txt) == [str(images / "b.png")]


def test_what_somebody_confirms_while_the_model_runs_is_kept(images):
    joints_txt = images.with_name("joints.txt")

    class Slow(Still):
        def predict(self, files, boxes=None):
            joints_txt.write_text(f"a.png {LINE}\n")
            return super().predict(files, boxes)

    assert [os.path.basename(path) for path in prelabel(images, joints_txt, Slow())] == ["b.png"]
    assert joints_txt.read_text().startswith(f"a.png {LINE}\n")


def test_joints_of_another_skeleton_are_found_by_name(images, capsys):
    joints_txt = images.with_name("joints.txt")
    annotations = prelabel(images, joints_txt, Still(), skeleton=pose.COCO17)
    assert "does not know nose, left_eye, right_eye, left_ear, right_ear: place them" in capsys.readouterr().out
    elbow = pose.COCO17.index("left_elbow"), pose.KINECT20.index("left_elbow")
    assert annotations.landmarks[0, elbow[0]].tolist() == [2 * elbow[1] + 1, 2 * elbow[1] + 2]
    assert np.isnan(annotations.landmarks[0, 0]).all()
    with pytest.raises(pose.PoseError, match="there is no image to label"):
        prelabel(images, joints_txt, Still(), images=[], skeleton=pose.COCO17)


def test_an_image_of_nobody_does_not_make_all_others_equal():
    poses = np.array([[[0.0, 0.0]], [[1.0, 0.0]], [[3.0, 0.0]]])
    known = np.array([[[np.nan, np.nan]], [[0.0, 0.0]]])
    assert most_useful(np.array([0.9, 0.5, 0.5]), poses, known, 2) == [2, 1]


def test_the_ready_made_model_may_have_files_of_its_own(images):
    class Own(ReadyMade):
        """As if made with ReadyMade(folder): finds the same two people everywhere."""

        def __init__(self):
            pass

        def predict(self, image, boxes=None):
            return [Person(np.full((20, 2), x, np.float32), np.full(20, 0.9, np.float32)) for x in (10, 60)]

    annotations = prelabel(images, images.with_name("joints.txt"), Own(), people=2)
    assert [os.path.basename(path) for path in annotations] == [
        name for letter in "abc" for name in (f"{letter}.png", f"{letter}.png#2")
    ]
