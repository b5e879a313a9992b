"""Body measurements shared by the checks: its size, its up direction, and which side is its left."""

from functools import cached_property

import numpy as np

OUTLINE = ("shoulder", "hip")


class Body:
    """Measurements of landmarks (M, K, 2), image px; whatever cannot be measured is NaN."""

    def __init__(self, landmarks, skeleton):
        self.landmarks, self.skeleton = landmarks, skeleton

    @cached_property
    def lengths(self):
        """(M, L) px: the length of each limb."""
        inner, outer = self.skeleton.limb_ends
        return np.linalg.norm(self.landmarks[:, inner] - self.landmarks[:, outer], axis=-1)

    @cached_property
    def extent(self):
        """(M,) px: the longer side of the landmarks' box."""
        return (np.nanmax(self.landmarks, axis=1) - np.nanmin(self.landmarks, axis=1)).max(axis=-1)

    @cached_property
    def usual(self):
        """(L,): the usual length of each limb as a share of the body's size."""
        return np.nanmedian(self.lengths / self.extent[:, None], axis=0)

    @cached_property
    def size(self):
        """(M,) px: roughly the body's extent, but estimated from its longer limbs, so that one wrong joint matters
        little.
        """
        return upper_quarter(self.lengths / self.usual) if self.skeleton.limbs else self.extent

    @cached_property
    def torso(self):
        """(M,) px: the usual length of the torso in a body of this size; the unit of most distances here."""
        share = np.nanmedian(np.linalg.norm(self.up, axis=1) / self.size)
        return self.size * (share if share > 0 else 0.25)  # a skeleton may lack shoulders or hips

    def pair(self, what):
        """The left and the right joint of that name, (M, 2) each."""
        names = [f"{side}_{what}" for side in ("left", "right")]
        if not set(names) <= set(self.skeleton.names):
            return np.full((2, len(self.landmarks), 2), np.nan)
        return self.landmarks[:, [self.skeleton.index(name) for name in names]].transpose(1, 0, 2)

    @cached_property
    def up(self):
        """(M, 2) px: from between the hips to between the shoulders."""
        return self.pair("shoulder").mean(axis=0) - self.pair("hip").mean(axis=0)

    @cached_property
    def turn(self):
        """(M, 2): the sine, in torsos, between up and the line from left to right, of the shoulders and of the hips.

        Negative where the person's left is on the right of the picture, as for someone facing the camera.
        """
        across = np.stack([right - left for left, right in map(self.pair, OUTLINE)], axis=1)
        cross = self.up[:, None, 0] * across[..., 1] - self.up[:, None, 1] * across[..., 0]
        return cross / (np.linalg.norm(self.up, axis=1) * self.torso)[:, None]


def upper_quarter(values):
    """(M,): the upper quartile of each row of (M, L), ignoring NaN."""
    ordered = np.sort(values, axis=1)  # NaN comes last
    count = np.isfinite(ordered).sum(axis=1)
    return np.take_along_axis(ordered, np.maximum(0, np.ceil(0.75 * count).astype(int) - 1)[:, None], axis=1)[:, 0]


def share_towards(up, direction, degrees=45):
    """The share of the vectors (M, 2) within `degrees` of a direction (2,); NaN if there are none."""
    cosine = up @ np.asarray(direction, float) / np.linalg.norm(up, axis=1)
    cosine = cosine[np.isfinite(cosine)]
    return (cosine > np.cos(np.radians(degrees))).mean() if len(cosine) else np.nan


def beyond(landmarks, sizes):
    """(M, K) px: how far each landmark lies outside its image, 0 inside; sizes (M, 2) px."""
    over = np.maximum(-0.5 - landmarks, landmarks - (sizes[:, None] - 0.5))
    return np.maximum(over, 0).max(axis=-1)
