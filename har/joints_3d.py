"""3D joints and their camera (joints_3d.txt, camera.json), so that training can show people from other sides."""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from pose.annotations import AnnotationError, relative_name, write_annotations
from pose.runtime.errors import DataError
from pose.runtime.files import open_text, write_atomically

MIN_LABELS = 10  # the camera has six parameters, and some labels will be outliers
OUTLIER = 4.0  # standard deviations


@dataclass(frozen=True)
class Camera:
    """Projects points in metres (x to the image's right, y up, z away from the camera) to pixels.

        u = fx · s · x/z + cx,   v = cy − fy · s · y/z,   s = 1 + k1·r² + k2·r⁴,   r² = (x/z)² + (y/z)²

    fx, fy: focal lengths, px; fx is negative if the image is mirrored relative to the points.
    cx, cy: the optical axis, px (an integer is a pixel's centre). k1, k2: radial distortion (Brown 1966).
    width, height: of the image, px.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    k1: float = 0.0
    k2: float = 0.0

    def project(self, points):
        """Points (..., 3) metres as (..., 2), x then y, px; NaN where the point is not in front of the camera."""
        x, y, z = np.moveaxis(np.asarray(points, np.float64), -1, 0)
        z = np.where(z > 0, z, np.nan)
        x, y = x / z, y / z
        r2 = x * x + y * y
        s = 1 + self.k1 * r2 + self.k2 * r2 * r2
        return np.stack([self.fx * s * x + self.cx, self.cy - self.fy * s * y], axis=-1)

    def save(self, camera_json):
        """Writes the named parameters as JSON."""
        write_atomically(camera_json, json.dumps(asdict(self), indent=2) + "\n")


def load_camera(camera_json):
    """The `Camera` of a file from `Camera.save`. Raises DataError if the file is something else."""
    with open_text(camera_json, "camera file") as file:
        text = file.read()
    try:
        parameters = json.loads(text)
        if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in parameters.values()):
            raise DataError("not all values are numbers")
        return Camera(**parameters)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{camera_json}: is not a camera ({error}); it needs {', '.join(Camera.__annotations__)}"
        ) from None


class CameraFit(NamedTuple):
    """The result of `fit_camera`.

    camera: the `Camera`. residuals: (M, K) px from each label to its projected point, NaN where not labelled.
    used: (M, K) bool, the labels that were not rejected as outliers.
    """

    camera: Camera
    residuals: np.ndarray
    used: np.ndarray

    def table(self, skeleton):
        """A line per joint, as text: labels used, labels rejected, median and largest residual of the used ones, px."""
        lines = [f"{'joint':18}{'used':>6}{'rejected':>10}{'median px':>11}{'largest px':>12}"]
        labelled = np.isfinite(self.residuals)
        for k, name in enumerate([*skeleton.names, "all"]):
            joint = slice(None) if name == "all" else k
            used, rejected = self.used[:, joint], labelled[:, joint] & ~self.used[:, joint]
            kept = self.residuals[:, joint][used]
            middle, largest = (np.median(kept), kept.max()) if kept.size else (np.nan, np.nan)
            lines.append(f"{name:18}{used.sum():6}{rejected.sum():10}{middle:11.2f}{largest:12.2f}")
        return "\n".join(lines)


def fit_camera(points, pixels, start):
    """Fits the camera that projects 3D points onto their labelled pixels, by least squares.

    points: (M, K, 3) metres; pixels: (M, K, 2) px, NaN where not labelled; start: the initial `Camera`.
    First a robust fit (soft L1), from `start` and from its mirror image; then labels beyond four standard deviations
    are rejected and the rest fitted again, until the selection is stable. The standard deviation is that of a normal
    distribution with the same median, so that outliers do not inflate it.
    Returns `CameraFit`. Raises DataError for fewer than ten labels.
    """
    points, pixels = np.asarray(points, np.float64), np.asarray(pixels, np.float64)
    labelled = np.isfinite(points).all(axis=-1) & np.isfinite(pixels).all(axis=-1) & (points[..., 2] > 0)
    if labelled.sum() < MIN_LABELS:
        raise DataError(f"a camera needs at least {MIN_LABELS} labelled joints, got {labelled.sum()}; label more")
    starts = (start, replace(start, fx=-start.fx))
    camera = min((_least_squares(points, pixels, labelled, s, "soft_l1") for s in starts), key=lambda fit: fit[1])[0]
    used = np.zeros_like(labelled)
    for _ in range(20):
        residuals = np.linalg.norm(camera.project(points) - pixels, axis=-1)
        spread = (
            np.median(residuals[used if used.any() else labelled]) / 1.1774
        )  # the median distance of a normal distribution in the plane
        kept = labelled & (residuals <= OUTLIER * max(spread, 0.1))
        if (kept == used).all():
            break
        used = kept
        camera, _ = _least_squares(points, pixels, used, camera, "linear")
    residuals = np.linalg.norm(camera.project(points) - pixels, axis=-1)
    return CameraFit(camera, np.where(labelled, residuals, np.nan), used)


def _least_squares(points, pixels, used, start, loss):
    """The best camera for the used labels, and its cost."""
    names = ("fx", "fy", "cx", "cy", "k1", "k2")

    def residuals(values):
        camera = replace(start, **dict(zip(names, values.tolist(), strict=True)))
        return (camera.project(points[used]) - pixels[used]).ravel()

    first = [getattr(start, name) for name in names]
    sizes = [abs(start.fx), abs(start.fy), start.width, start.height, 0.1, 0.1]  # so that steps have comparable sizes
    fit = least_squares(residuals, first, x_scale=sizes, loss=loss, f_scale=3.0)
    return replace(start, **dict(zip(names, fit.x.tolist(), strict=True))), fit.cost


class Joints3D(NamedTuple):
    """points: (M, K, 3) metres in the camera's frame, one row per row of the annotations; camera: `Camera`."""

    points: np.ndarray
    camera: Camera


def read_joints_3d(joints_txt, annotations, image_dir=None):
    """The 3D joints of a data set, or None if it has none.

    joints_txt: the data set's joints file; joints_3d.txt and camera.json are next to it.
    annotations: determine the rows; image_dir: as in `read_clips`.
    As in a joints file, blank lines and lines that start with # are skipped; `nan nan nan` and `0 0 0` are missing.
    Raises AnnotationError if the file lacks an image or has another number of joints; DataError for a damaged
    camera.json.
    """
    path, camera_json = (Path(joints_txt).with_name(name) for name in ("joints_3d.txt", "camera.json"))
    if not (path.exists() and camera_json.exists()):
        return None
    count = 3 * annotations.landmarks.shape[1]
    points_of, faults = {}, []
    with open_text(path, "file of joints in space") as lines:
        for number, line in enumerate(lines, start=1):
            line = line.strip()
            if line and not line.startswith("#"):
                name, *fields = line.rsplit(maxsplit=count)
                try:
                    points_of[name] = np.array(fields, np.float64).reshape(count // 3, 3)
                except ValueError:
                    faults.append(
                        f"{path}, line {number}: expected an image name and {count} numbers (x y z of each joint)"
                    )
    names = [relative_name(path, image_dir) for path in annotations.paths] if image_dir else annotations.paths
    missing = [name for name in names if name not in points_of]
    if missing:
        faults.append(
            f"{path}: lacks {len(missing)} images of {joints_txt}, such as {missing[0]}; prepare the set again"
        )
    if faults:
        raise AnnotationError(faults)
    points = np.stack([points_of[name] for name in names])
    untracked = ~np.isfinite(points).all(axis=-1) | (points == 0).all(axis=-1)
    return Joints3D(np.where(untracked[..., None], np.nan, points), load_camera(camera_json))


def write_joints_3d(folder, points_of, camera):
    """Writes {image name: joints (K, 3) in metres} as joints.txt, joints_3d.txt and camera.json into a folder.

    joints.txt holds the joints as projected by the camera. Raises ExistsError, before anything is written, if it
    already exists, and DataError for names that a joints file cannot hold.
    """
    folder = Path(folder)
    write_annotations(folder / "joints.txt", {name: camera.project(points) for name, points in points_of.items()})
    lines = [f"{name} {' '.join(f'{value:.4f}' for value in points.ravel())}\n" for name, points in points_of.items()]
    write_atomically(folder / "joints_3d.txt", "".join(lines))
    camera.save(folder / "camera.json")
