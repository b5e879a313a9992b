"""Lighting computed by hand, and the reach of augmented crops."""

import numpy as np
import pytest

from pose.augmentation import Augmentation
from pose.geometry import crop_matrix, invert, transform_landmarks


class Fixed:
    """A random generator with chosen numbers: brightness, contrast and saturation."""

    def __init__(self, *factors):
        self.factors = factors

    def uniform(self, low, high, count):
        return self.factors


IMAGE = np.array([[[100, 50, 0], [200, 100, 60]]], np.uint8)  # grey values 59.25 and 125.34, on average 92.295


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ((1, 1, 1), [[100, 50, 0], [200, 100, 60]]),
        ((0.5, 1, 1), [[50, 25, 0], [100, 50, 30]]),
        ((1.5, 1, 1), [[150, 75, 0], [255, 150, 90]]),  # values above white are clipped
        ((1, 0.5, 1), [[96, 71, 46], [146, 96, 76]]),  # halfway to the mean grey
        ((1, 1, 0), [[59, 59, 59], [125, 125, 125]]),
        ((0.5, 1, 0), [[30, 30, 30], [63, 63, 63]]),
    ],
)
def test_lighting_changes_as_computed_by_hand(factors, expected):
    changed = Augmentation().change_light(IMAGE, Fixed(*factors))
    assert changed.dtype == np.uint8
    np.testing.assert_allclose(changed[0].astype(int), expected, atol=1)


def test_the_frames_of_a_clip_stay_as_different_as_they_were():
    frames = np.stack([IMAGE, IMAGE // 2])
    light, dark = Augmentation().change_light(frames, Fixed(1, 0.5, 1)).astype(int)
    np.testing.assert_allclose(light - dark, IMAGE.astype(int) / 4, atol=1)


@pytest.mark.parametrize("rot", [0, 20, 45, 180])
def test_no_augmented_crop_exceeds_its_reach_and_some_come_close(rot):
    augmentation = Augmentation(rot=rot, rot_share=1, scale=0.3, shift=0.1)
    rng, furthest = np.random.default_rng(0), 0
    for _ in range(3000):
        moved = augmentation.move_box(np.array([40.0, 60.0]), 0.5, rng)
        corners = transform_landmarks([[-0.5, -0.5], [9.5, -0.5], [-0.5, 9.5], [9.5, 9.5]],
                                      invert(crop_matrix(*moved, 10)))  # fmt: skip
        furthest = max(furthest, 2 * np.abs(corners - [40, 60]).max() / 100)
    assert 0.9 * augmentation.reach < furthest <= augmentation.reach
