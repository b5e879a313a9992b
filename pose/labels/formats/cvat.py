"""CVAT's XML, "CVAT for images 1.1" and "CVAT for video 1.1".

Format: "CVAT XML format", docs.cvat.ai. Coordinates count from the image's corner: a pixel's centre is at ½.
"""

from pathlib import Path
from xml.etree import ElementTree

from pose.labels.formats.people import LabelFile, add_points, to_annotations
from pose.labels.formats.source import FRAME_NAME, frame_path, malformed, video_name, with_slashes
from pose.runtime.errors import DataError
from pose.runtime.files import read_bytes
from pose.skeleton import KINECT20

CORNER = 0.5
_NO_POINTS = ("box", "polygon", "polyline", "cuboid", "ellipse", "mask", "tag")


def read_cvat(path, image_dir=None, skeleton=KINECT20, mapping=None, frame_name=FRAME_NAME):
    """The skeletons and points of a CVAT export; a joint with outside="1" is absent, an occluded one is not.

    A skeleton is a person, as are several points of one shape, whose joints are called `label 1`, `label 2`, …; single
    points are joints called as their label: those of one group are a person, and those without a group another.
    frame_name: how images of a video are named: a template of `video`, its name without folder and extension, and
        `frame`, its number in the video, from 0. Tracks number the people of a video.
    The other arguments, result and errors are those of `read_coco`. Boxes and other shapes are counted.
    """
    root, labels = _read(path), LabelFile(path)
    with malformed(path, "its labels", "CVAT"):
        for label in root.iter("label"):
            _add_skeleton(labels, label)
    for image in root.iter("image"):
        place = f"image {image.get('name')}"
        with malformed(path, place, "CVAT"):
            _add_shapes(labels, with_slashes(image.attrib["name"]), list(image), place)
    video = video_name(root.findtext("meta/source") or root.findtext("meta/task/name") or Path(path).name)
    for number, person in enumerate(_tracked(root, labels).values(), start=1):
        for frame, joints in person.items():
            labels.add(frame_path(frame_name, video, frame), joints, number)
    return to_annotations(labels, image_dir, skeleton, mapping)


def _read(path):
    content = read_bytes(path, "CVAT file")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise DataError(f"{path}: defines entities, which CVAT does not write; export it again")
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the last: an unknown encoding
        raise DataError(f"{path}: is not complete XML ({error}); export it again") from None


def _add_skeleton(labels, label):
    """The joints of a skeleton, in its order, and its edges, as drawn in an SVG of circles and lines."""
    drawing = ElementTree.fromstring(f"<svg>{label.findtext('svg', '')}</svg>")
    names = {circle.get("data-node-id"): circle.get("data-label-name") for circle in drawing.iter("circle")}
    labels.add_joints(names.values())
    for line in drawing.iter("line"):
        labels.limbs.append((names[line.get("data-node-from")], names[line.get("data-node-to")]))


def _add_shapes(labels, image, shapes, place):
    singles = []
    for shape in shapes:
        joints = _joints(shape, shape.get("label"))
        if joints is None:
            labels.left_out["shapes that are no points"] += shape.tag in _NO_POINTS
        elif _is_single(shape, joints):
            singles.append((shape.get("group_id"), *next(iter(joints.items()))))
        else:
            labels.add(image, joints)
    add_points(labels, image, singles, place)


def _tracked(root, labels):
    """The people of a video, each {frame: {name: (x, y)}}. Tracks of single points are joints of one person."""
    people = {}
    for track in root.iter("track"):
        place = f"track {track.get('id')}"
        with malformed(labels.path, place, "CVAT"):
            for shape in track:
                joints = _joints(shape, track.get("label"))
                if joints is None:
                    labels.left_out["shapes that are no points"] += shape.tag in _NO_POINTS
                elif shape.get("outside") != "1":
                    key = ("group", track.get("group_id")) if _is_single(shape, joints) else ("track", track.get("id"))
                    person = people.setdefault(key, {}).setdefault(int(shape.attrib["frame"]), {})
                    if not person.keys().isdisjoint(joints):
                        raise DataError(f"{labels.path}, {place}: has a joint twice in one frame; group each person")
                    person.update(joints)
    return people


def _is_single(shape, joints):
    return shape.tag == "points" and len(joints) == 1


def _joints(shape, label):
    """The joints of a shape that are there, {name: (x, y)}; None if it is no skeleton and has no points."""
    if shape.tag == "skeleton":
        points = [point for point in shape if point.tag == "points" and point.get("outside") != "1"]
        return {point.attrib["label"]: _pairs(point)[0] for point in points}
    if shape.tag != "points":
        return None
    pairs = _pairs(shape)
    return {f"{label} {k}": xy for k, xy in enumerate(pairs, start=1)} if len(pairs) > 1 else {label: pairs[0]}


def _pairs(shape):
    pairs = [pair.split(",") for pair in shape.attrib["points"].split(";")]
    return [(float(x) - CORNER, float(y) - CORNER) for x, y in pairs]
