"""Augmentation of a training sample: the crop's position, size and rotation, mirroring, and lighting."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from pose.runtime.data_loader import EPOCH
from pose.runtime.settings import check

GREY = np.array([0.299, 0.587, 0.114])  # luma weights of red, green and blue (ITU-R BT.601)


class AugmentedDataset(Dataset):
    """A data set whose samples change with the epoch: that of the training, else the one given to `set_epoch`."""

    def __init__(self):
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def epoch(self):
        """With the seed and the index, determines a sample's augmentation."""
        return int(self._epoch) if EPOCH.number is None else EPOCH.number

    def set_epoch(self, epoch):
        """Switches to the augmentations of another epoch, also in loading processes that are already running."""
        self._epoch.share_memory_().fill_(epoch)


@dataclass(frozen=True)
class Augmentation:
    """The ranges of a training crop's random changes.

    scale: the crop's side changes by a factor of 1 ± scale.
    rot: it is rotated by up to ± rot degrees, in `rot_share` of the samples.
    shift: its center moves by up to ± shift of its side, along x and along y.
    mirror: the share of samples mirrored left to right.
    light: brightness, contrast and saturation change by a factor of 1 ± light.
    """

    scale: float = 0.25
    rot: float = 30.0
    rot_share: float = 0.6
    shift: float = 0.05
    mirror: float = 0.5
    light: float = 0.3

    def __post_init__(self):
        check(self, not_negative=("rot", "shift"), shares=("rot_share", "mirror"), below_one=("scale", "light"))

    def move_box(self, center, scale, rng):
        """A randomly moved crop: center (..., 2) px, scale (...), rot in degrees; several crops move together."""
        side = 200 * np.asarray(scale)[..., None]
        center = center + rng.uniform(-self.shift, self.shift, 2) * side
        scale = scale * (1 + rng.uniform(-self.scale, self.scale))
        rot = rng.uniform(-self.rot, self.rot) if rng.random() < self.rot_share else 0.0
        return center, scale, rot

    def change_light(self, image, rng):
        """The image (..., W, 3) uint8 RGB with other lighting: brightness, contrast about its mean, then saturation.

        All three are affine in the colour, so one 3 × 4 matrix applies them together.
        """
        brightness, contrast, saturation = rng.uniform(1 - self.light, 1 + self.light, 3)
        rows = image.reshape(-1, *image.shape[-2:])
        saturate = saturation * np.eye(3) + (1 - saturation) * GREY
        middle = (1 - contrast) * np.dot(GREY, cv2.mean(rows)[:3])
        matrix = brightness * np.column_stack([contrast * saturate, np.full(3, middle)])
        return cv2.transform(rows, matrix).reshape(image.shape)

    @property
    def reach(self):
        """The side of the square around the labelled crop's center that holds every augmented crop, in crop sides."""
        turn = np.radians(min(self.rot, 45))
        return (1 + self.scale) * (np.cos(turn) + np.sin(turn)) + 2 * self.shift
