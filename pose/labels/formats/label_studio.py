"""Label Studio's JSON export: a list of tasks, one image each, with percent of the image's size as coordinates.

Format: "Export annotations", labelstud.io. 0 % is the image's left or upper edge, so a pixel's centre is at ½.
"""

import re
from urllib.parse import parse_qs, unquote, urlsplit

from pose.labels.formats.people import LabelFile, add_points, to_annotations
from pose.labels.formats.source import malformed, read_json, with_slashes
from pose.runtime.errors import DataError
from pose.skeleton import KINECT20

CORNER = 0.5
_UPLOADED = re.compile(r"[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file


def read_label_studio(path, image_dir=None, skeleton=KINECT20, mapping=None):
    """The keypoints of a Label Studio export of kind JSON (not JSON-MIN, which has no relations).

    Points that relations connect, directly or through a rectangle or another point, are a person; those of an image
    that none connects are another. An image is named by the last part of its address, without the eight digits that an
    upload adds, or by its path below the folder of local files. Of several annotations of a task the first that was not
    cancelled counts; the others are counted.
    The arguments, result and errors are those of `read_coco`.
    """
    content, labels, addresses = read_json(path, "Label Studio file"), LabelFile(path), {}
    with malformed(path, "its top level", "Label Studio"):
        tasks = list(enumerate(content, start=1))
    for number, task in tasks:
        place = f"task {number}"
        with malformed(path, place, "Label Studio"):
            submitted = [one for one in task["annotations"] if not one.get("was_cancelled")]
            labels.left_out["further annotations of a task"] += max(0, len(submitted) - 1)
            regions = submitted[0]["result"] if submitted else []
            points = [region for region in regions if region["type"] == "keypointlabels"]
            if points:
                address = task["data"][_data_key(task, points[0])]
                if addresses.setdefault(_image(address), address) != address:
                    raise DataError(f"{path}, {place}: two images are called {_image(address)}; rename one")
                persons = _persons(regions)
                named = [(persons.get(region["id"]), *_point(region, path, place)) for region in points]
                add_points(labels, _image(address), named, place)
    return to_annotations(labels, image_dir, skeleton, mapping)


def _data_key(task, point):
    """Under which key the task has its image: that of the labelled object, or the only one."""
    return point["to_name"] if point["to_name"] in task["data"] else list(task["data"])[0]  # noqa: RUF015 (an IndexError if there is none)


def _image(address):
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d")
    if local:
        return with_slashes(local[0])
    name = with_slashes(unquote(parts.path)).rsplit("/", 1)[-1]
    return _UPLOADED.sub("", name, count=1) if _UPLOADED.match(name) else name


def _persons(regions):
    """{id of a region: one id for all that relations connect with it}."""
    root = {}

    def find(region):
        while (linked := root.setdefault(region, region)) is not region:  # an id of NaN would not equal itself
            region = linked
        return region

    for relation in regions:
        if relation["type"] == "relation":
            root[find(relation["from_id"])] = find(relation["to_id"])
    return {region: find(region) for region in list(root)}


def _point(region, path, place):
    """The joint of a region, and its place in px."""
    if region.get("image_rotation"):
        raise DataError(f"{path}, {place}: the image was rotated in Label Studio; rotate it back and export again")
    value = region["value"]
    (joint,) = value["keypointlabels"]
    width, height = region["original_width"], region["original_height"]
    return joint, (value["x"] / 100 * width - CORNER, value["y"] / 100 * height - CORNER)
