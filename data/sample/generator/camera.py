"""A pinhole camera, and its placement so that a whole clip is in view."""

from dataclasses import dataclass, replace

import numpy as np
from body import rotation


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    position: (3,) in the world, metres. axes: (3, 3) rows are the image's right, its down, and away from the
    camera. focal, center (x, y), size (width, height): pixels; a pixel's integer coordinate is its centre.
    """

    position: np.ndarray
    axes: np.ndarray
    focal: float
    center: tuple[float, float]
    size: tuple[int, int]

    def to_camera(self, points):
        """World points (..., 3) as (..., 3) right, down and away (depth), metres."""
        return (points - self.position) @ self.axes.T

    def project(self, points):
        """World points (..., 3) as (..., 2), x then y, pixels."""
        points = self.to_camera(points)
        return self.focal * points[..., :2] / points[..., 2:] + np.array(self.center)


def place_camera(rng, points, radii, size, focal=(0.95, 1.5), eye_height=(0.8, 2.0), roll=0.02, fill=(0.76, 0.88)):
    """A random camera that sees all spheres around `points` (T, N, 3) with `radii` (N,), plus some margin.

    Random are focal length (image widths), height (metres), side, roll (its deviation, radians) and how much of the
    image is filled; the rest follows. If that may exceed 0.92, some spheres may be outside the image.
    """
    focal = rng.uniform(*focal) * size[0]
    eye_height, side, roll = rng.uniform(*eye_height), rng.uniform(-0.25, 0.25), rng.normal(0, roll)
    fill, place = rng.uniform(*fill), rng.uniform(0.2, 0.8, 2)

    target = (points.min((0, 1)) + points.max((0, 1))) / 2
    distance = 4.0
    for _ in range(8):  # the person's size in the image is nearly proportional to 1 / distance
        camera = _look_at(target, distance, eye_height, side, roll, focal, size)
        low, high = _bounds(camera, points, radii)
        distance = np.clip(distance * ((high - low) / (fill * np.array(size))).max(), 1.5, 12)
    # The image is cropped from a larger one, which moves the optical axis and nothing else.
    margin = 0.04 * np.array(size)
    start = margin + place * (np.array(size) - 2 * margin - (high - low))
    return replace(camera, center=tuple((np.array(camera.center) + start - 0.5 - low).tolist()))


def _look_at(target, distance, eye_height, side, roll, focal, size):
    """A camera at `distance` from `target`, in front of it (world z), turned to look at it."""
    offset = np.array([np.sin(side), 0, np.cos(side)]) * distance
    position = np.array([target[0], eye_height, target[2]]) + offset
    away = (target - position) / np.linalg.norm(target - position)
    right = np.cross(away, [0, 1, 0])
    right /= np.linalg.norm(right)
    axes = rotation("z", roll) @ np.stack([right, np.cross(away, right), away])
    return Camera(position, axes, focal, ((size[0] - 1) / 2, (size[1] - 1) / 2), size)


def _bounds(camera, points, radii):
    """The box around the projected spheres: its minimum and maximum (x, y), pixels."""
    seen = camera.project(points)
    spread = (camera.focal * radii / camera.to_camera(points)[..., 2])[..., None]
    return (seen - spread).min((0, 1)), (seen + spread).max((0, 1))
