"""`Predictor`: landmarks in the pixels of any image, and writing them."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pose.annotations import read_annotations
from pose.checkpoints import save_model
from pose.hourglass import StackedHourglass
from pose.images import ImageError, read_image
from pose.prediction import Prediction, Predictor, _evenly, draw_predictions, write_predictions
from pose.skeleton import KINECT20, Skeleton

SIDE_OF = [1 if name.startswith("left_") else 2 if name.startswith("right_") else 0 for name in KINECT20.names]


class DotFinder(nn.Module):
    """Correct by construction: the middle joints are the red dot, left ones the green, right ones the blue."""

    num_joints = 20

    def forward(self, images):
        return [F.avg_pool2d(images, 4)[:, SIDE_OF]]


DOTS = np.array([[[61.3, 50.8], [110.2, 70.6], [80.5, 120.4]], [[30.1, 40.4], [70.7, 99.9], [50.0, 20.2]],
                 [[99.2, 130.5], [140.6, 60.1], [60.3, 77.7]]])  # fmt: skip
SIZES = [(160, 200), (130, 100), (190, 170)]


def picture(dots, size):
    """An image (H, W, 3) uint8 with a soft dot in each channel."""
    y, x = np.indices(size)
    channels = [255 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 3.5**2)) for u, v in dots]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


PICTURES = [picture(dots, size) for dots, size in zip(DOTS, SIZES, strict=True)]


@pytest.fixture
def files(write_image):
    names = ["images/a.png", "images/my photo 2.png", "images/deep/Ö.png"]
    return [write_image(name, image) for name, image in zip(names, PICTURES, strict=True)]


@pytest.fixture
def predictor():
    return Predictor(DotFinder(), inp_res=128, device="cpu")


def assert_found(predictions, dots=DOTS):
    assert len(predictions) == len(dots)
    for prediction, places in zip(predictions, dots, strict=True):
        np.testing.assert_allclose(prediction.landmarks, places[SIDE_OF], atol=0.1)
        assert prediction.confidence.shape == (20,)
        assert (prediction.confidence > 0.8).all()


def test_landmarks_are_found_in_the_pixels_of_each_image(predictor):
    assert_found(predictor.predict(PICTURES))


def test_with_boxes_the_network_sees_them_with_a_margin(predictor):
    boxes = [(*dots.min(axis=0) - 15, *dots.max(axis=0) + 10) for dots in DOTS]
    predictions = predictor.predict(PICTURES, boxes)
    assert_found(predictions)
    for prediction, (left, top, right, bottom) in zip(predictions, boxes, strict=True):
        np.testing.assert_allclose(prediction.center, [(left + right) / 2, (top + bottom) / 2])
        np.testing.assert_allclose(prediction.scale, 1.25 * max(right - left, bottom - top) / 200)


def test_without_boxes_the_second_pass_crops_to_the_landmarks_of_the_first(predictor):
    (prediction,) = predictor.predict(PICTURES[0])
    low, high = DOTS[0].min(axis=0), DOTS[0].max(axis=0)
    np.testing.assert_allclose(prediction.center, (low + high) / 2, atol=0.5)
    np.testing.assert_allclose(prediction.scale, 1.25 * (high - low).max() / 200, rtol=0.02)


def test_a_file_an_array_a_list_a_folder_and_a_batch_give_the_same(predictor, files, tmp_path):
    assert_found(predictor.predict(files[0]), DOTS[:1])
    assert_found(predictor.predict(PICTURES[0]), DOTS[:1])
    assert_found(predictor.predict([files[0], PICTURES[1]]), DOTS[:2])
    assert_found(predictor.predict(np.stack([PICTURES[0]] * 2)), DOTS[[0, 0]])
    folder = predictor.predict(tmp_path / "images")
    assert [prediction.path for prediction in folder] == [files[0], files[2], files[1]]
    assert_found(folder, DOTS[[0, 2, 1]])
    assert predictor.predict([]) == []


def test_predictions_know_their_file(predictor, files):
    assert [p.path for p in predictor.predict([files[1], PICTURES[0]])] == [files[1], None]


@pytest.mark.parametrize("boxes", [None, [(10, 10, 150, 150), (5, 5, 90, 120), (20, 20, 160, 180)]])
def test_the_batch_size_changes_nothing(boxes):
    one, three = (Predictor(DotFinder(), 128, size, device="cpu").predict(PICTURES, boxes) for size in (1, 3))
    for a, b in zip(one, three, strict=True):
        np.testing.assert_allclose(a.landmarks, b.landmarks, atol=1e-3)
        np.testing.assert_allclose(a.confidence, b.confidence, atol=1e-4)


@pytest.fixture
def hourglass():
    torch.manual_seed(0)
    model = StackedHourglass(1, channels=16).eval()
    with torch.no_grad():
        model.score[0].weight *= 20  # so that an untrained network's maps have clear peaks
    return model


def test_flip_test_makes_the_prediction_of_a_mirrored_image_the_mirrored_one(hourglass):
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), (0, 0), 3) * 2
    box = [(5.9, 5.9, 57.1, 57.1)]  # with its margin just the whole image, pixel by pixel

    def difference(flip_test):
        predictor = Predictor(hourglass, 64, flip_test=flip_test, device="cpu")
        (straight,), (mirrored,) = (predictor.predict(i, box) for i in (image, image[:, ::-1].copy()))
        expected = straight.landmarks[KINECT20.mirrored] * [-1, 1] + [63, 0]
        return np.abs(mirrored.landmarks - expected).max()

    assert difference(flip_test=True) < 1e-3
    assert difference(flip_test=False) > 1


def test_the_skeleton_is_the_models_own():
    model = StackedHourglass(1, 2, channels=16)
    assert Predictor(model).skeleton.names == ("joint_1", "joint_2")  # nobody has named them
    hands = Skeleton(("left_hand", "right_hand"), limbs=())
    assert Predictor(StackedHourglass(1, 2, channels=16, skeleton=hands), flip_test=True).skeleton == hands
    with pytest.raises(ValueError, match="expected the 2 joints of the skeleton, got 20"):
        StackedHourglass(1, 20, channels=16, skeleton=hands)


def test_a_checkpoint_brings_the_resolution_of_its_training(tmp_path, hourglass):
    hourglass.inp_res = 64
    save_model(tmp_path / "best.safetensors", hourglass)
    from_file = Predictor(tmp_path / "best.safetensors", device="cpu")
    assert from_file.inp_res == 64
    assert Predictor(tmp_path / "best.safetensors", inp_res=128, device="cpu").inp_res == 128
    expected = Predictor(hourglass, 64, device="cpu").predict(PICTURES[0])[0].landmarks
    np.testing.assert_allclose(from_file.predict(PICTURES[0])[0].landmarks, expected, atol=1e-3)


class Blind(nn.Module):
    num_joints = 20

    def forward(self, images):
        return [torch.zeros(len(images), 20, images.shape[2] // 4, images.shape[3] // 4)]


def test_a_network_that_finds_nothing_gives_no_landmarks_and_no_confidence():
    (prediction,) = Predictor(Blind(), inp_res=64, device="cpu").predict(PICTURES[0])
    assert np.isnan(prediction.landmarks).all()
    assert not prediction.confidence.any()
    assert (*prediction.center, prediction.scale) == (99.5, 79.5, 1.0)


@pytest.mark.parametrize(
    ("images", "boxes", "message"),
    [
        (PICTURES, [(0, 0, 9, 9)], r"3 images need boxes \(3, 4\), got \(1, 4\)"),
        (PICTURES[:1], [(9, 9, 9, 20)], "left < right and top < bottom"),
        (PICTURES[0][..., 0], None, r"\(H, W, 3\) uint8 RGB, got an array \(160, 200\) uint8"),
        (PICTURES[0] / 255, None, r"\(160, 200, 3\) float64"),
        ([PICTURES[0][..., :2]], None, r"\(160, 200, 2\) uint8"),
    ],
    ids=["too few boxes", "an empty box", "grey", "0 to 1", "two channels"],
)
def test_invalid_images_and_boxes_are_refused(predictor, images, boxes, message):
    with pytest.raises(ValueError, match=message):
        predictor.predict(images, boxes)


def test_a_file_that_is_no_image_and_an_empty_folder_are_named(predictor, tmp_path):
    with pytest.raises(ImageError, match=r"none\.png"):
        predictor.predict(tmp_path / "none.png")
    with pytest.raises(ValueError, match=r"contains no image; the suffixes .*\.jpg"):
        predictor.predict(tmp_path)


def test_written_predictions_are_a_joints_file(predictor, files, tmp_path):
    predictions = predictor.predict(files)
    write_predictions(tmp_path / "found.txt", predictions, tmp_path / "images")
    back = read_annotations(tmp_path / "found.txt", tmp_path / "images")
    assert list(back) == files
    np.testing.assert_allclose(back.landmarks, [p.landmarks for p in predictions], atol=1e-3)


def test_predictions_are_not_written_over_a_file(files, tmp_path):
    predictions = [Prediction(np.ones((20, 2)), np.ones(20), np.ones(2), 1.0, files[0])]
    (tmp_path / "joints.txt").write_text("precious")
    with pytest.raises(FileExistsError):
        write_predictions(tmp_path / "joints.txt", predictions, tmp_path / "images")
    assert (tmp_path / "joints.txt").read_text() == "precious"
    write_predictions(tmp_path / "joints.txt", predictions, tmp_path / "images", overwrite=True)
    assert (tmp_path / "joints.txt").read_text().startswith("a.png 1.000 1.000")


def test_joints_below_the_minimum_confidence_are_written_as_not_labelled(files, tmp_path):
    confidence = np.linspace(0, 0.95, 20)
    prediction = Prediction(np.ones((20, 2)), confidence, np.ones(2), 1.0, files[0])
    write_predictions(tmp_path / "found.txt", [prediction], tmp_path / "images", min_confidence=0.5)
    (landmarks,) = read_annotations(tmp_path / "found.txt", tmp_path / "images").landmarks
    np.testing.assert_array_equal(np.isnan(landmarks).any(axis=1), confidence < 0.5)


@pytest.mark.parametrize("paths", [[None], [0, 0]], ids=["an array", "two people in one file"])
def test_what_a_joints_file_cannot_hold_is_refused(files, tmp_path, paths):
    paths = [None if i is None else files[i] for i in paths]
    predictions = [Prediction(np.ones((20, 2)), np.ones(20), np.ones(2), 1.0, path) for path in paths]
    with pytest.raises(ValueError, match="one prediction per person"):
        write_predictions(tmp_path / "found.txt", predictions, tmp_path / "images")
    assert not (tmp_path / "found.txt").exists()


def test_drawings_are_the_images_with_a_skeleton_and_never_replace_a_file(predictor, files, tmp_path):
    predictions = predictor.predict(files)
    paths = draw_predictions(tmp_path / "drawn", predictions, tmp_path / "images")
    assert [path.relative_to(tmp_path / "drawn").as_posix() for path in paths] == [
        "a.png",
        "my photo 2.png",
        "deep/Ö.png",
    ]
    for path, image, dots in zip(paths, PICTURES, DOTS, strict=True):
        drawn = read_image(path)
        assert drawn.shape == image.shape
        x, y = dots[0].round().astype(int)  # the head and the other joints in the middle
        assert not np.array_equal(drawn[y, x], image[y, x])
        np.testing.assert_array_equal(drawn[:8, :8], image[:8, :8])

    paths[0].unlink()
    with pytest.raises(FileExistsError, match=r"my photo 2\.png already exists"):
        draw_predictions(tmp_path / "drawn", predictions, tmp_path / "images")
    assert not paths[0].exists()  # nothing is drawn unless all can be
    draw_predictions(tmp_path / "drawn", predictions, tmp_path / "images", overwrite=True)
    assert paths[0].exists()


def test_calibration_takes_images_from_all_of_a_folder():
    assert _evenly(list(range(7)), 3) == [0, 2, 4]
    assert _evenly([1, 2], 3) == [1, 2]
