"""The one coordinate convention: boxes, the crop's matrix, its mirror and its inverse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pose.geometry import (
    BOX_MARGIN,
    center_and_scale,
    compose,
    crop_matrix,
    heatmap_to_image,
    invert,
    mirror_landmarks,
    mirror_matrix,
    transform_landmarks,
    whole_image_box,
)
from pose.skeleton import Skeleton

NAN = np.nan


@pytest.mark.parametrize(
    ("rot", "expected"),
    [
        (0, [[0.5, 0, -25.5], [0, 0.5, -0.5]]),
        (90, [[0, -0.5, 49.5], [0.5, 0, -25.5]]),
        (180, [[-0.5, 0, 74.5], [0, -0.5, 49.5]]),
    ],
)
def test_crop_matrix_is_the_one_worked_out_by_hand(rot, expected):
    # A square of 100 px around (100, 50) as 50 × 50 px: u + 0.5 = 25 + 0.5 · R(rot) · ((x, y) − (100, 50)).
    np.testing.assert_allclose(crop_matrix((100, 50), 0.5, rot, 50), expected, atol=1e-12)


def test_the_corners_of_the_square_are_the_corners_of_the_crop():
    corners = np.array([[50, 0], [150, 0], [150, 100], [50, 100]])
    crop = transform_landmarks(corners, crop_matrix((100, 50), 0.5, 0, 256))
    np.testing.assert_allclose(crop, [[-0.5, -0.5], [255.5, -0.5], [255.5, 255.5], [-0.5, 255.5]])


def test_the_square_visibly_rotates_counter_clockwise():
    # Turned so, the square's upper edge lies to the image's left: what was left is up in the crop.
    left_of_center = transform_landmarks([[60.0, 50.0]], crop_matrix((100, 50), 0.5, 90, 100))
    np.testing.assert_allclose(left_of_center, [[49.5, 9.5]])


@pytest.mark.parametrize("rot", [0, 17, -30])
def test_heatmap_and_input_coordinates_differ_by_a_factor_of_four_of_the_pixel_edges(rot):
    points = np.random.default_rng(0).uniform(0, 400, (20, 2))
    u256, u64 = (transform_landmarks(points, crop_matrix((210, 190), 1.7, rot, res)) for res in (256, 64))
    np.testing.assert_allclose(u64, (u256 + 0.5) / 4 - 0.5, atol=1e-10)


def test_matrices_of_a_batch_are_those_of_its_parts():
    center, scale, rot = np.array([[3, 4], [5, 6.5]]), np.array([0.3, 2]), np.array([10, -20])
    batch = crop_matrix(center, scale, rot, 64)
    assert batch.shape == (2, 2, 3)
    for i in range(2):
        np.testing.assert_array_equal(batch[i], crop_matrix(center[i], scale[i], rot[i], 64))


def test_a_mirrored_crop_is_the_crop_of_the_mirrored_image():
    width, points = 320, np.random.default_rng(0).uniform(0, 300, (5, 2))
    u = transform_landmarks(points, crop_matrix((130, 70), 0.9, 12, 256))
    mirrored = transform_landmarks(points, mirror_matrix(width))
    u_mirrored = transform_landmarks(mirrored, crop_matrix((width - 1 - 130, 70), 0.9, -12, 256))
    np.testing.assert_allclose(u_mirrored, np.stack([255 - u[:, 0], u[:, 1]], axis=1), atol=1e-10)


def test_mirrored_landmarks_change_sides_and_names():
    skeleton = Skeleton(("head", "left_hand", "right_hand"), limbs=())
    mirrored = mirror_landmarks([[10, 1], [0, 2], [NAN, NAN]], 100, skeleton)
    np.testing.assert_array_equal(mirrored, [[89, 1], [NAN, NAN], [99, 2]])


def test_compose_applies_the_first_then_the_second():
    double, move = np.array([[2.0, 0, 0], [0, 2, 0]]), np.array([[1.0, 0, 10], [0, 1, 20]])
    np.testing.assert_array_equal(compose(move, double), [[2, 0, 10], [0, 2, 20]])
    np.testing.assert_array_equal(compose(double, move), [[2, 0, 20], [0, 2, 40]])


def test_invert_undoes_a_matrix():
    matrix = crop_matrix([[13, 50], [7, 8]], [0.7, 3], [33, -5], 64)
    np.testing.assert_allclose(compose(invert(matrix), matrix), [np.eye(2, 3)] * 2, atol=1e-12)


coordinate = st.floats(-5000, 5000)


@settings(deadline=None, max_examples=200)
@given(
    point=st.tuples(coordinate, coordinate),
    center=st.tuples(coordinate, coordinate),
    scale=st.floats(0.02, 50),
    rot=st.floats(-360, 360),
    res=st.sampled_from([16, 64, 256]),
)
def test_landmarks_to_the_heatmap_and_back_are_unchanged(point, center, scale, rot, res):
    there = transform_landmarks([point], crop_matrix(center, scale, rot, res))
    np.testing.assert_allclose(heatmap_to_image(there, center, scale, rot, res), [point], atol=1e-6)


def test_a_batch_of_heatmap_landmarks_goes_back_each_with_its_own_crop():
    landmarks = np.random.default_rng(0).uniform(0, 63, (2, 5, 2))
    center, scale, rot = np.array([[3, 4], [5, 6.5]]), np.array([0.3, 2]), np.array([10, -20])
    back = heatmap_to_image(landmarks, center, scale, rot, 64)
    for i in range(2):
        np.testing.assert_allclose(back[i], heatmap_to_image(landmarks[i], center[i], scale[i], rot[i], 64))


@pytest.mark.parametrize(
    ("landmarks", "center", "scale"),
    [
        ([[10, 20], [50, 30], [NAN, NAN]], [30, 25], BOX_MARGIN * 40 / 200),
        ([[10, 20], [20, 120]], [15, 70], BOX_MARGIN * 100 / 200),
        ([[7, 8], [NAN, NAN]], [7, 8], 1),
        ([[7, 8], [7, 8]], [7, 8], 1),
        ([[NAN, NAN], [NAN, NAN]], [NAN, NAN], NAN),
    ],
    ids=["wide", "high", "a single joint", "all in one place", "none"],
)
def test_the_box_is_that_of_the_labelled_joints(landmarks, center, scale):
    found = center_and_scale(landmarks)
    np.testing.assert_allclose(found[0], center)
    np.testing.assert_allclose(found[1], scale)


def test_boxes_of_a_batch_with_its_own_margin():
    center, scale = center_and_scale([[[0, 0], [10, 40]], [[NAN, NAN], [NAN, NAN]]], margin=2)
    np.testing.assert_allclose(center, [[5, 20], [NAN, NAN]])
    np.testing.assert_allclose(scale, [0.4, NAN])


def test_the_box_of_the_whole_image_covers_its_longer_side():
    center, scale = whole_image_box(640, 480)
    edges = transform_landmarks([[-0.5, 239.5], [639.5, 239.5]], crop_matrix(center, scale, 0, 64))
    np.testing.assert_allclose(edges, [[-0.5, 31.5], [63.5, 31.5]])
