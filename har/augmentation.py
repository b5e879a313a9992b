"""Augmentation of a clip's landmarks: its beginning, end and speed, the viewpoint, and the landmarks' precision."""

import math
from dataclasses import dataclass

import numpy as np

from pose.runtime.settings import check

MIN_FRAMES = 4  # that remain in a cropped clip


@dataclass(frozen=True)
class MotionAugmentation:
    """The ranges of a training clip's random changes.

    crop: up to this share of the frames is cut off, at the beginning, the end or both.
    speed: the movement slows down and speeds up along the way by a factor of up to 1 ± speed.
    turn: the person is turned by up to ± turn degrees about the vertical. This and the next three need 3D joints.
    turn_share: the share of clips projected from 3D joints; the others keep their landmarks.
    tilt: the camera looks down or up by up to ± tilt degrees more.
    build: limbs are longer or shorter by a factor of 1 ± build, left and right alike.
    scale: the landmarks are stretched by a factor of 1 ± scale, along x and along y.
    noise: the standard deviation of each landmark's displacement, in torsos, independent in each frame.
    drop: the share of joints that are missing throughout the clip.
    mirror: the share of clips mirrored, with left and right swapped. Not for actions that differ by side.
    """

    crop: float = 0.2
    speed: float = 0.3
    turn: float = 45.0
    turn_share: float = 1.0
    tilt: float = 15.0
    build: float = 0.15
    scale: float = 0.1
    noise: float = 0.04
    drop: float = 0.05
    mirror: float = 0.0

    def __post_init__(self):
        check(
            self,
            not_negative=("turn", "tilt", "noise"),
            shares=("turn_share", "drop", "mirror", "speed"),
            below_one=("crop", "build", "scale"),
        )

    def move(self, joints, rng):
        """A clip (T, K, 2) px or (T, K, 3) metres with other timing: (T', K, …), at least `MIN_FRAMES` long unless
        shorter before.
        """
        frames = len(joints)
        kept = max(min(frames, MIN_FRAMES), round(frames * (1 - rng.uniform(0, self.crop))))
        first = rng.integers(frames - kept + 1)
        if not self.speed:
            return joints[first : first + kept]
        # The derivative of time is 1 ± speed: slower in one half of the clip and faster in the other.
        even = np.linspace(0, 1, kept)
        bend = rng.uniform(-self.speed, self.speed)
        positions = first + (kept - 1) * (even + bend * even * (1 - even))
        below = np.minimum(positions.astype(int), max(frames - 2, 0))
        share = (positions - below)[:, None, None]
        return joints[below] * (1 - share) + joints[np.minimum(below + 1, frames - 1)] * share

    def turn_in_space(self, joints, rng, skeleton):
        """The person (T, K, 3), metres, with another build and turned on the spot."""
        if not np.isfinite(joints).any():
            return joints
        if self.build:
            joints = self._rebuild(joints, rng, skeleton)
        yaw, pitch = np.radians([rng.uniform(-self.turn, self.turn), rng.uniform(-self.tilt, self.tilt)])
        about_vertical = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
        about_x = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
        middle = np.nanmean(joints, axis=(0, 1))
        return (joints - middle) @ (about_x @ about_vertical).T + middle

    def _rebuild(self, joints, rng, skeleton):
        """The joints (T, K, 3) with limbs of other lengths, each moved along with the one that it is attached to."""
        factors = 1 + rng.uniform(-self.build, self.build, len(skeleton))
        factors = (factors + factors[skeleton.mirrored]) / 2
        inner, outer = skeleton.limb_ends
        longer = np.nan_to_num(joints[:, outer] - joints[:, inner])  # a missing limb moves nothing
        longer *= (factors[outer] - 1)[:, None]
        shift = np.zeros_like(joints)
        for limb, (a, b) in enumerate(skeleton.limb_indices):
            shift[:, b] = shift[:, a] + longer[:, limb]
        return joints + shift

    def blur(self, landmarks, rng, skeleton):
        """Landmarks (T, K, 2), px, stretched, displaced, mirrored, and some of them dropped."""
        landmarks = landmarks * (1 + rng.uniform(-self.scale, self.scale, 2))
        a, b = skeleton.torso_indices
        torsos = np.linalg.norm(landmarks[:, a] - landmarks[:, b], axis=-1)
        torso = np.median(torsos[np.isfinite(torsos)]) if np.isfinite(torsos).any() else 0.0
        landmarks = landmarks + rng.normal(0, self.noise * torso, landmarks.shape)
        landmarks[:, rng.random(landmarks.shape[1]) < self.drop] = np.nan
        if rng.random() < self.mirror:
            landmarks = landmarks[:, skeleton.mirrored] * [-1, 1]
        return landmarks
