"""The ready-made model: its files, its detections, its landmarks as the 20 joints; and labels added with it."""

import importlib.util
import os
import zipfile
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from pose.annotations import Annotations
from pose.geometry import transform_landmarks
from pose.images import read_image
from pose.labels import Person, ReadyMade
from pose.labels.blazepose import anchors, detections, refine, upright_matrix
from pose.labels.blazepose_joints import LANDMARK_NAMES, to_kinect20
from pose.labels.mediapipe_files import DETECTOR, LANDMARKS, default_folder, model_path, unpack_models
from pose.runtime.errors import DataError, MissingError
from pose.skeleton import KINECT20

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "photographs.py"


def joint(landmarks, name):
    return landmarks[KINECT20.index(name)]


# The files.


def test_a_package_with_another_model_is_refused_and_nothing_is_kept(tmp_path):
    with zipfile.ZipFile(tmp_path / "mediapipe.whl", "w") as wheel:
        wheel.writestr(f"mediapipe/modules/pose_detection/{DETECTOR}", b"another model")
    with pytest.raises(DataError, match=r"pose_detection\.tflite is not that of mediapipe==0\.10\.21.*fetch"):
        unpack_models(tmp_path / "mediapipe.whl", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_damaged_file_is_refused_and_a_missing_one_explained(tmp_path):
    (tmp_path / DETECTOR).write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"SHA-256 differs"):
        model_path(tmp_path, DETECTOR)
    with pytest.raises(MissingError, match=r"pose_landmark_full\.tflite: there is no.*fetch_models"):
        model_path(tmp_path, LANDMARKS)


# From the networks' outputs to joints.


def test_anchors_are_those_of_the_detector():
    places = anchors()
    assert len(places) == 2254 == 28 * 28 * 2 + 14 * 14 * 2 + 7 * 7 * 6
    expected = [[4, 4], [4, 4], [12, 4]]  # x first, two in each cell of 8 px
    np.testing.assert_allclose(224 * places[:3], expected)
    np.testing.assert_allclose(224 * places[-1], [208, 208])


def test_detections_of_one_person_are_averaged_and_the_surest_person_is_first():
    values, scores = np.zeros((2254, 12)), np.zeros(2254)
    values[:, 2:4] = 20  # the face's size; its center is at the anchor
    values[:, 6:8] = 0, -50  # the top of the circle is 50 px above the hips, which are at the anchor
    scores[[0, 2, 808]] = 0.6, 0.2, 0.9  # in the first row of cells of 8 px the first two; 28 · 2 anchors a row
    near = [[5.5, 3.5], [5.5, -46.5]]  # 4 · 0.75 + 12 · 0.25, from pixel edges to centers
    far = [[99.5, 115.5], [99.5, 65.5]]  # 808 = 14 · 56 + 12 · 2: row 14, column 12
    expected = [far, near]
    np.testing.assert_allclose(detections(values, scores, 0.2), expected)
    assert len(detections(values, scores, 0.7)) == 1
    assert detections(values, scores, 0.95).shape == (0, 2, 2)


def test_a_lying_body_is_turned_upright():
    matrix = upright_matrix(np.array([100.0, 50.0]), np.array([60.0, 50.0]))  # its head is on the left
    inside = transform_landmarks([[100, 50], [60, 50]], matrix)
    np.testing.assert_allclose(inside, [[127.5, 127.5], [127.5, 127.5 - 256 / 2.5]])


def test_landmarks_move_to_a_clear_peak_nearby_only():
    heatmaps = np.zeros((64, 64, 3))
    heatmaps[20, [10, 11], 0] = 0.9, 0.3
    heatmaps[20, 10, 1] = 0.4  # too low
    heatmaps[20, 10, 2] = 0.9  # too far
    landmarks = np.array([[44.0, 84.0], [44.0, 84.0], [60.0, 84.0]])
    np.testing.assert_allclose(refine(landmarks, heatmaps), [[41, 80], [44, 84], [60, 84]])


def test_joints_are_made_of_landmarks_by_name():
    places = {f"left_{name}": (10, y) for name, y in (("hip", 100), ("shoulder", 0), ("ear", -50))}
    places |= {f"right_{name}": (-10, y) for name, y in (("hip", 100), ("shoulder", 0), ("ear", -50))}
    places |= {"left_knee": (12, 150), "left_ankle": (14, 200), "left_foot_index": (24, 210)}
    places |= {"left_wrist": (40, 50), "left_index": (44, 60), "left_pinky": (40, 62)}
    landmarks = np.array([places.get(name, (np.pi, np.pi)) for name in LANDMARK_NAMES])
    visibility = np.where(np.array(LANDMARK_NAMES) == "left_pinky", 0.3, 0.9)
    joints, confidence = to_kinect20(landmarks, visibility)
    expected = {
        "hip_center": (0, 80), "spine": (0, 62.5), "shoulder_center": (0, -18.5), "head": (0, -50),
        "left_shoulder": (10, 0), "right_hip": (-10, 100), "left_knee": (12, 150), "left_wrist": (40, 50),
        "left_hand": (42, 61), "left_foot": (19, 205), "right_hand": (np.pi, np.pi),
    }  # fmt: skip
    for name, place in expected.items():
        np.testing.assert_allclose(joint(joints, name), place, atol=1e-5, err_msg=name)
    assert joints.shape == (20, 2)
    assert joint(confidence, "left_hand") == pytest.approx(0.3)
    assert joint(confidence, "right_hand") == joint(confidence, "spine") == pytest.approx(0.9)


# On a photograph.


@pytest.fixture(scope="module")
def ready_made():
    folder = Path(os.environ.get("POSE_MODELS", default_folder()))
    if not (folder / LANDMARKS).is_file():
        pytest.skip("needs MediaPipe's model: pose.labels.fetch_models(), or set POSE_MODELS to its folder")
    with get_context("spawn").Pool(1, _load, [folder]) as process:
        yield lambda *args: process.apply(_predict, args)


# In a process of its own: with OpenVINO in this one, a later test whose loading processes end early crashed.


def _load(folder):
    global MODEL
    MODEL = ReadyMade(folder)


def _predict(*args):
    return MODEL.predict(*args)


@pytest.fixture
def jump(pose_data):
    """A photograph of a jumping man, who turns left."""
    return read_image(pose_data / "lspet" / "images" / "im01527.jpg")


def test_the_joints_of_a_jumping_man_are_found(ready_made, jump):
    (person,) = ready_made(jump)
    (in_box,) = ready_made(jump, [(30, 25, 110, 165)])
    seen = {"left_wrist": (99, 69), "right_wrist": (39, 83), "left_knee": (107, 106), "right_knee": (49, 125),
            "left_ankle": (102, 117), "right_ankle": (34, 155), "right_hand": (34, 86), "right_foot": (25, 161),
            "shoulder_center": (71, 50)}  # fmt: skip
    for name, place in seen.items():
        assert np.linalg.norm(joint(person.landmarks, name) - place) < 5, name
        assert np.linalg.norm(joint(in_box.landmarks, name) - place) < 7, name
    assert person.confidence.min() > 0.8


def test_a_mirrored_photograph_has_mirrored_joints(ready_made, jump):
    (person,), (mirrored,) = ready_made(jump), ready_made(np.ascontiguousarray(jump[:, ::-1]))
    back = mirrored.landmarks[KINECT20.mirrored] * [-1, 1] + [jump.shape[1] - 1, 0]
    assert np.linalg.norm(back - person.landmarks, axis=1).max() < 6
    assert abs((back - person.landmarks).mean(axis=0)).max() < 1


def test_nobody_is_found_in_noise(ready_made):
    noise = np.random.default_rng(0).integers(0, 256, (80, 120, 3), np.uint8)
    assert ready_made(noise) == []
    (nobody,) = ready_made(noise, [(10, 10, 60, 70)])
    assert np.isnan(nobody.landmarks).all()
    assert not nobody.confidence.any()


# Labels added to photographs.


def test_hands_and_feet_are_added_where_wrists_and_ankles_agree(write_image, capsys):
    spec = importlib.util.spec_from_file_location("photographs", SCRIPT)
    photographs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(photographs)

    labels = np.full((20, 2), np.nan)
    for name, place in {"left_shoulder": (20, 10), "right_hip": (20, 50), "left_wrist": (30, 30),
                        "right_wrist": (5, 30), "left_ankle": (30, 70), "right_ankle": (10, 79)}.items():  # fmt: skip
        labels[KINECT20.index(name)] = place
    found = np.nan_to_num(labels, nan=0.0)
    for name, place in {"left_wrist": (39, 30), "left_hand": (39, 33), "right_wrist": (16, 30), "right_hand": (16, 33),
                        "left_foot": (33, 73), "right_foot": (10, 81)}.items():  # fmt: skip
        found[KINECT20.index(name)] = place

    class Model:
        def predict(self, image, boxes=None):
            return [Person(found, np.ones(20))]

        def person(self, image, hips, top):
            return None

    annotations = Annotations([write_image("a.png", np.zeros((80, 60, 3), np.uint8))], labels[None])
    photographs.add_hands_and_feet(annotations, Model())
    added = annotations.landmarks[0]
    np.testing.assert_array_equal(joint(added, "left_hand"), (39, 33))  # the wrist is 9 px away, the torso 40 px long
    assert np.isnan(joint(added, "right_hand")).all()  # 11 px away
    np.testing.assert_array_equal(joint(added, "left_foot"), (33, 73))
    assert np.isnan(joint(added, "right_foot")).all()  # outside the image
    np.testing.assert_array_equal(joint(added, "left_wrist"), (30, 30))
    assert "left_hand: added to 1 of the 1 images where left_wrist is labelled" in capsys.readouterr().out
