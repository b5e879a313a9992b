"""Filling, normalising and resampling a clip's landmarks."""

import numpy as np
import torch
from torch.testing import assert_close

from har.features import bones, fill_missing, normalise, resample, velocities
from pose import KINECT20, Skeleton

NAN = float("nan")


def test_a_missing_joint_keeps_its_last_position():
    x = torch.tensor([NAN, 1.0, NAN, NAN, 4.0, NAN])
    landmarks = torch.stack([x, x + 10], dim=-1)[None, :, None]  # (1, 6, 1, 2)
    filled, seen = fill_missing(landmarks, torch.tensor([6]))
    assert filled[0, :, 0, 0].tolist() == [1, 1, 1, 1, 4, 4]
    assert filled[0, :, 0, 1].tolist() == [11, 11, 11, 11, 14, 14]
    assert seen.tolist() == [[True]]


def test_frames_beyond_the_clip_are_ignored():
    landmarks = torch.tensor([1.0, NAN, 7.0])[None, :, None, None].expand(1, 3, 2, 2).clone()
    landmarks[0, :2, 1] = NAN
    filled, seen = fill_missing(landmarks, torch.tensor([2]))
    assert filled[0, :, 0, 0].tolist() == [1, 1, 1]
    assert filled[0, :, 1].abs().max() == 0
    assert seen.tolist() == [[True, False]]


def body(seed=0, frames=5):
    return torch.from_numpy(np.random.default_rng(seed).uniform(0, 200, (1, frames, 20, 2)).astype(np.float32))


def normalised(landmarks):
    lengths = torch.tensor([landmarks.shape[1]])
    filled, seen = fill_missing(landmarks, lengths)
    return normalise(filled, lengths, seen, KINECT20)


def test_position_and_size_do_not_matter():
    places, way = normalised(body())
    moved, moved_way = normalised(body() * 3.5 + torch.tensor([1000.0, -400.0]))
    assert_close(moved, places, atol=1e-4, rtol=0)
    assert_close(moved_way, way, atol=1e-4, rtol=0)


def test_the_hips_are_the_origin_and_the_torso_the_unit():
    landmarks = body(frames=3)
    places, way = normalised(landmarks)
    hips = [i for i, name in enumerate(KINECT20.names) if "hip" in name]
    assert_close(places[0, :, hips].mean(dim=1), torch.zeros(3, 2), atol=1e-5, rtol=0)
    a, b = KINECT20.index("left_shoulder"), KINECT20.index("right_hip")
    torsos = (landmarks[0, :, a] - landmarks[0, :, b]).norm(dim=-1)
    assert_close((places[0, :, a] - places[0, :, b]).norm(dim=-1), torsos / torsos.median())
    assert_close(way.mean(dim=1), torch.zeros(1, 1, 2), atol=1e-5, rtol=0)


def test_a_torso_that_is_nearly_a_point_does_not_blow_up_the_features():
    landmarks = body(frames=6)
    usual = normalised(landmarks)[0].abs().max()
    landmarks[:, :, [KINECT20.index("left_shoulder"), KINECT20.index("right_hip")]] = -1.0
    assert normalised(landmarks)[0].abs().max() < 5 * usual


def test_a_frozen_torso_or_absent_hips_give_finite_features():
    one_place = torch.full((1, 4, 20, 2), 30.0)
    without_hips = body()
    without_hips[:, :, [i for i, name in enumerate(KINECT20.names) if "hip" in name]] = NAN
    for landmarks in (one_place, without_hips, torch.full((1, 4, 20, 2), NAN)):
        places, way = normalised(landmarks)
        assert places.isfinite().all()
        assert way.isfinite().all()
    assert 0.1 < normalised(without_hips)[0].std() < 10


def test_resampling_is_linear_and_ends_where_the_clip_ends():
    sequence = torch.tensor([[0.0, 10, 20, 999], [0, 1, 4, 9]])[..., None]
    resampled = resample(sequence, torch.tensor([3, 4]), 5)
    assert_close(resampled[..., 0], torch.tensor([[0.0, 5, 10, 15, 20], [0, 0.75, 2.5, 5.25, 9]]))
    assert resample(sequence, torch.tensor([1, 1]), 3)[..., 0].tolist() == [[0, 0, 0], [0, 0, 0]]


def test_bones_point_from_the_inner_joint_to_the_outer_one():
    arm = Skeleton(("shoulder", "elbow", "hand"), (("shoulder", "elbow"), ("elbow", "hand")), ("shoulder", "hand"))
    places = torch.tensor([[1.0, 1], [3, 2], [3, 9]])[None, None]  # (1, 1, 3, 2)
    vectors, seen = bones(places, torch.tensor([[True, True, True]]), arm)
    assert vectors[0, 0].tolist() == [[2, 1], [0, 7]]
    assert seen.tolist() == [[True, True]]
    vectors, seen = bones(places, torch.tensor([[True, True, False]]), arm)
    assert vectors[0, 0].tolist() == [[2, 1], [0, 0]]
    assert seen.tolist() == [[True, False]]


def test_velocities_begin_with_zero():
    assert velocities(torch.tensor([[1.0, 3, 2]]))[0].tolist() == [0, 2, -1]
