"""Landmarks to heatmaps and back: exact without noise, unbiased with it, NaN for empty maps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pose.geometry import crop_matrix, heatmap_to_image, transform_landmarks
from pose.heatmaps import heatmaps_to_landmarks, landmarks_to_heatmaps


def uniform(low, high, *shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(low, high, shape)).float()


def test_a_joint_on_a_pixel_gives_the_gaussian_worked_out_by_hand():
    (heatmap,) = landmarks_to_heatmaps(torch.tensor([[1.0, 2.0]]), 5, sigma=1.0)
    near, far = np.exp(-0.5), np.exp(-2)
    column = torch.tensor([far, near, 1, near, far])
    row = torch.tensor([near, 1, near, far, np.exp(-4.5)])
    torch.testing.assert_close(heatmap, (column[:, None] * row[None]).float())


def test_the_height_belongs_to_the_joint_not_to_the_nearest_pixel():
    (heatmap,) = landmarks_to_heatmaps(torch.tensor([[2.5, 2.0]]), 6, sigma=2.0)
    assert heatmap.argmax() % 6 in (2, 3)
    np.testing.assert_allclose(heatmap[2, 2:4], np.exp(-(0.5**2) / 8), rtol=1e-6)


@pytest.mark.parametrize("place", [(np.nan, np.nan), (-0.6, 3), (3, 15.6), (1e6, 1), (np.inf, 1)])
def test_a_joint_without_label_or_outside_has_a_zero_heatmap(place):
    assert not landmarks_to_heatmaps(torch.tensor([place]), 16).any()


def test_a_joint_on_the_outermost_edge_is_still_drawn():
    assert landmarks_to_heatmaps(torch.tensor([[-0.5, 15.5]]), 16).max() > 0.7


def test_heatmaps_keep_the_batch_shape_and_are_float32():
    heatmaps = landmarks_to_heatmaps(np.ones((2, 3, 20, 2)), 64)
    assert heatmaps.shape == (2, 3, 20, 64, 64)
    assert heatmaps.dtype == torch.float32


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0])
@pytest.mark.parametrize(
    ("low", "high"),
    [(-0.5, 63.5), (-0.5, 0.5), (62.5, 63.5)],
    ids=["anywhere", "left and top", "right and bottom"],
)
def test_decoding_finds_the_encoded_position_to_a_thousandth_of_a_pixel(sigma, low, high):
    landmarks = uniform(low, high, 10, 20, 2)
    found, confidence = heatmaps_to_landmarks(landmarks_to_heatmaps(landmarks, 64, sigma))
    error = found - landmarks
    assert error.norm(dim=-1).mean() <= 0.001
    assert error.mean(dim=(0, 1)).abs().max() <= 0.0005
    np.testing.assert_allclose(confidence, 1, atol=0.01)


@settings(deadline=None, max_examples=50)
@given(st.floats(-0.5, 31.5, width=32), st.floats(-0.5, 31.5, width=32))
def test_every_position_in_the_map_is_recovered(x, y):
    (found,), _ = heatmaps_to_landmarks(landmarks_to_heatmaps(torch.tensor([[x, y]]), 32))
    np.testing.assert_allclose(found, [x, y], atol=0.01)


@pytest.mark.parametrize("side", [256, 512, 900])
def test_from_the_image_to_the_heatmap_and_back_is_exact_and_unbiased(side):
    rng = np.random.default_rng(side)
    center, rot, scale = rng.uniform(0, 1000, (16, 2)), rng.uniform(-180, 180, 16), np.full(16, side / 200)
    radius, angle = rng.uniform(0, side / 2, (2, 16, 20))  # within the square at any rotation
    landmarks = center[:, None] + radius[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    tpts = transform_landmarks(landmarks, crop_matrix(center, scale, rot, 64))
    places, _ = heatmaps_to_landmarks(landmarks_to_heatmaps(tpts, 64))
    error = heatmap_to_image(places.numpy(), center, scale, rot, 64) - landmarks
    assert np.linalg.norm(error, axis=-1).mean() <= 0.02
    assert np.abs(error.mean(axis=(0, 1))).max() <= 0.002


def test_noise_of_a_twentieth_of_the_peak_costs_less_than_a_third_of_an_input_pixel():
    landmarks = uniform(4, 59, 20, 20, 2)
    heatmaps = landmarks_to_heatmaps(landmarks, 64, sigma=1.5)
    noise = torch.randn(heatmaps.shape, generator=torch.Generator().manual_seed(0))
    found, _ = heatmaps_to_landmarks(heatmaps + 0.05 * noise)
    error = 4 * (found - landmarks)  # input px
    assert error.norm(dim=-1).mean() <= 0.3
    assert error.mean(dim=(0, 1)).abs().max() <= 0.03


@pytest.mark.parametrize("height", [1e-3, 0.3, 1.0])
def test_the_confidence_is_the_height_of_the_peak_and_does_not_affect_the_position(height):
    landmarks = uniform(0, 63, 1, 20, 2)
    found, confidence = heatmaps_to_landmarks(height * landmarks_to_heatmaps(landmarks, 64))
    np.testing.assert_allclose(found, landmarks, atol=0.01)
    np.testing.assert_allclose(confidence, height, rtol=0.01)


def test_the_confidence_stays_within_0_and_1():
    heatmaps = torch.stack([torch.eye(16) * 7, -1 - torch.eye(16)])
    np.testing.assert_array_equal(heatmaps_to_landmarks(heatmaps)[1], [1, 0])


@pytest.mark.parametrize("value", [0.0, 0.4, -3.0, np.nan])
def test_a_constant_heatmap_has_no_landmark_and_no_confidence(value):
    heatmaps = landmarks_to_heatmaps(torch.tensor([[3.0, 4.0], [np.nan, np.nan]]), 16)
    heatmaps[1] = value
    landmarks, confidence = heatmaps_to_landmarks(heatmaps)
    np.testing.assert_allclose(landmarks, [[3, 4], [np.nan, np.nan]], atol=1e-3)
    np.testing.assert_allclose(confidence, [1, 0], atol=1e-3)


def test_the_highest_of_two_peaks_is_found_and_the_other_does_not_pull_it():
    two = landmarks_to_heatmaps(torch.tensor([[20.3, 30.6], [40.0, 30.0]]), 64)
    (found,), _ = heatmaps_to_landmarks((two[0] + 0.8 * two[1])[None])
    np.testing.assert_allclose(found, [20.3, 30.6], atol=0.001)


def test_maps_that_are_not_square_keep_x_and_y_apart():
    heatmap = torch.zeros(1, 20, 60)
    heatmap[0, 3:6, 50:53] = torch.tensor([[0.3, 0.5, 0.3], [0.5, 1, 0.5], [0.3, 0.5, 0.3]])
    (found,), _ = heatmaps_to_landmarks(heatmap)
    np.testing.assert_allclose(found, [51, 4], atol=1e-4)


def test_each_map_of_a_batch_is_decoded_as_if_alone():
    heatmaps = torch.rand(3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    landmarks, confidence = heatmaps_to_landmarks(heatmaps)
    assert landmarks.shape == (3, 4, 2)
    assert confidence.shape == (3, 4)
    for n in range(3):
        for k in range(4):
            alone, sure = heatmaps_to_landmarks(heatmaps[n, k][None])
            np.testing.assert_allclose(alone[0], landmarks[n, k], atol=1e-3)
            np.testing.assert_allclose(sure[0], confidence[n, k], atol=1e-3)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_heatmap_with_infinite_values_or_nan_has_no_landmark(value):
    heatmaps = landmarks_to_heatmaps(torch.tensor([[3.3, 4.2]]), 16)
    heatmaps[0, 9, 9] = value
    landmarks, confidence = heatmaps_to_landmarks(heatmaps)
    assert landmarks.isnan().all()
    assert confidence == 0
