"""20 joints in another order are refused wherever a model, data or predictions meet."""

import cv2
import numpy as np
import pytest
import torch

import har
import pose
from pose import KINECT20, Annotations, Generic, Prediction, Predictor, Skeleton, StackedHourglass
from pose.check.__main__ import main as check
from pose.training.__main__ import main as train

OTHER = Skeleton(KINECT20.names[::-1], KINECT20.limbs)
REFUSED = r"the joints hip_center, .*; .* have right_foot"


@pytest.fixture
def hourglass():
    return StackedHourglass(1, channels=16, skeleton=OTHER, inp_res=64)


@pytest.fixture
def reordered(tiny_annotations):
    """The labels of `tiny_annotations`, in the other order and said to be."""
    return Annotations(tiny_annotations.paths, tiny_annotations.landmarks[:, ::-1], skeleton=OTHER)


def head(skeleton=KINECT20):
    return har.ActivityHead(2, hidden=4, skeleton=skeleton, actions=["sit", "wave"], window=4)


def test_a_recogniser_takes_no_landmarks_of_another_hourglass(hourglass):
    with pytest.raises(ValueError, match=REFUSED):
        har.SlidingWindow(head(), pose=Predictor(hourglass))
    with pytest.raises(ValueError, match=REFUSED):
        har.HourglassLSTM(hourglass, head())
    har.SlidingWindow(head(OTHER), pose=hourglass)


def test_a_recogniser_takes_no_clips_of_other_joints(reordered):
    clips = [pose.clips.Clip("a", "ann", "sit", "a", 0, 1), pose.clips.Clip("b", "bob", "wave", "b", 2, 3)]
    data = har.SequenceDataset(reordered, clips)
    for refused in (lambda: har.evaluate(head(), data), lambda: har.fit(head(), data, None, har.HarConfig(epochs=1))):
        with pytest.raises(ValueError, match=REFUSED):
            refused()


def test_predicted_landmarks_say_whose_they_are(hourglass, tiny_annotations):
    predictor = Predictor(hourglass, device="cpu")
    found = har.predict_annotations(predictor, tiny_annotations.paths)
    assert found.skeleton == OTHER
    with pytest.raises(ValueError, match="the model has the joints hip_center"):
        pose.evaluate(StackedHourglass(1, channels=16), Generic(found, is_train=False, inp_res=64))


def test_written_predictions_say_whose_they_are(hourglass, tiny_annotations, tmp_path):
    torch.manual_seed(0)
    predictions = Predictor(hourglass, device="cpu").predict(tiny_annotations.paths)
    pose.write_predictions(tmp_path / "found.txt", predictions, tmp_path / "images")
    assert pose.read_annotations(tmp_path / "found.txt", skeleton=OTHER).skeleton == OTHER
    with pytest.raises(ValueError, match=r"found\.txt: .*skeleton="):
        pose.read_annotations(tmp_path / "found.txt")


def test_predictions_of_two_models_do_not_go_into_one_file(tmp_path):
    points = np.ones((20, 2)), np.ones(20), np.ones(2), 1.0
    mixed = [Prediction(*points, "a.png"), Prediction(*points, "b.png", skeleton=OTHER)]
    with pytest.raises(ValueError, match=REFUSED):
        pose.write_predictions(tmp_path / "found.txt", mixed, ".")
    assert not (tmp_path / "found.txt").exists()


def test_landmarks_are_drawn_with_their_own_limbs(reordered, tiny_annotations):
    lines = []
    for annotations in (tiny_annotations, reordered):
        figure = pose.plot_annotations(annotations, [0])
        bars = figure.axes[0].collections[0].get_paths()
        lines.append([bar.vertices.round(6).tolist() for bar in bars])
    assert len(lines[0]) == len(KINECT20.limbs)
    assert lines[0] == lines[1]


def test_both_command_lines_take_another_skeleton(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    rng, lines = np.random.default_rng(0), []
    for name in "abcd":
        cv2.imwrite(str(tmp_path / f"images/{name}.png"), rng.integers(0, 255, (80, 80, 3), np.uint8))
        lines.append(" ".join([f"{name}.png", *map(str, rng.uniform(10, 70, 34).round(1))]))
    (tmp_path / "joints.txt").write_text("\n".join(lines))
    data = ["--joints", str(tmp_path / "joints.txt"), "--images", str(tmp_path / "images")]
    assert check(data) == 1  # 34 numbers instead of 40
    check([*data, "--skeleton", "COCO17"])
    assert "joints.txt: 4 images; 0 errors" in capsys.readouterr().out
    small = ["--inp-res", "64", "--channels", "16", "--epochs", "1", "--batch-size", "2", "--no-bf16"]
    train([*data, "--skeleton", "COCO17", "--out", str(tmp_path / "run"), *small])
    assert pose.load_model(tmp_path / "run/best.safetensors").skeleton == pose.COCO17
