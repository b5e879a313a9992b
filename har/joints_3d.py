"""joints_3d.txt and camera.json: joints in space, from which training sees a person from other sides."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose.annotations import AnnotationError, relative_name, write_annotations
from pose.camera import Camera, load_camera
from pose.files import open_text, write_whole


class Joints3D(NamedTuple):
    """points: (M, K, 3) metres in the camera's frame, a row for each row of the annotations; camera: `Camera`."""

    points: np.ndarray
    camera: Camera


def read_joints_3d(joints_txt, annotations, image_dir=None):
    """The joints in space of a data set, or None where it has none.

    joints_txt: the data set's joints file, beside which joints_3d.txt and camera.json lie.
    annotations: whose rows the joints are wanted for; image_dir: as in `read_clips`.
    As in a joints file, blank lines and those that begin with # are skipped; `nan nan nan` and `0 0 0` are missing.
    Raises AnnotationError where the file lacks an image or has another number of joints; DataError for a damaged
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
            f"{path}: lacks {len(missing)} images of {joints_txt}, {missing[0]} for one; prepare the set again"
        )
    if faults:
        raise AnnotationError(faults)
    points = np.stack([points_of[name] for name in names])
    untracked = ~np.isfinite(points).all(axis=-1) | (points == 0).all(axis=-1)
    return Joints3D(np.where(untracked[..., None], np.nan, points), load_camera(camera_json))


def write_joints_3d(folder, points_of, camera):
    """Writes {image name: joints (K, 3) in metres} as joints.txt, joints_3d.txt and camera.json into a folder.

    joints.txt holds the pixels that the camera makes of the joints. Raises ExistsError where it is there already,
    before anything is written, and DataError for names that a joints file cannot hold.
    """
    folder = Path(folder)
    write_annotations(folder / "joints.txt", {name: camera.project(points) for name, points in points_of.items()})
    lines = [f"{name} {' '.join(f'{value:.4f}' for value in points.ravel())}\n" for name, points in points_of.items()]
    write_whole(folder / "joints_3d.txt", "".join(lines))
    camera.save(folder / "camera.json")
