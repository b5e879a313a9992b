"""labelme's JSON: a file per image; a joint is a point, whose label is its name.

Format: labelme's own, github.com/wkentaro/labelme. Coordinates count from the image's corner: a pixel's centre is at ½.
"""

import posixpath
from pathlib import Path

from pose.labels.formats.people import LabelFile, add_points, to_annotations
from pose.labels.formats.source import in_order, malformed, read_json, with_slashes
from pose.runtime.errors import MissingError
from pose.skeleton import KINECT20

CORNER = 0.5


def read_labelme(path, image_dir=None, skeleton=KINECT20, mapping=None):
    """The points of labelme files; points with the same group are a person, those of an image without one are another.

    path: a JSON file, or a folder, which is searched for them with all its folders. An image is named relative to that
        folder; of one that lies elsewhere (`../images/a.jpg`) only the last part of the name remains.
    The other arguments, result and errors are those of `read_coco`. Shapes other than points are counted.
    """
    labels, path = LabelFile(path), Path(path)
    files = in_order(path.rglob("*.json")) if path.is_dir() else [path]
    if not files:
        raise MissingError(f"{path}: contains no JSON file; pass the folder with labelme's files")
    for file in files:
        content = read_json(file, "labelme file")
        with malformed(file, "its shapes", "labelme"):
            folder = file.parent.relative_to(path).as_posix() if path.is_dir() else ""
            points = [shape for shape in content["shapes"] if shape["shape_type"] == "point"]
            labels.left_out["shapes that are no points"] += len(content["shapes"]) - len(points)
            add_points(labels, _image(content["imagePath"], folder), map(_point, points), f"file {file.name}")
    return to_annotations(labels, image_dir, skeleton, mapping)


def _image(name, folder):
    name = posixpath.normpath(posixpath.join(folder, with_slashes(name)))
    return posixpath.basename(name) if name.startswith("..") else name


def _point(shape):
    ((x, y),) = shape["points"]
    return shape.get("group_id"), shape["label"], (x - CORNER, y - CORNER)
