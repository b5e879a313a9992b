"""What the labellers need to live in a notebook's cell: a widget that answers, and pictures for it."""

import base64
from functools import lru_cache
from pathlib import Path

import cv2

from pose.images import read_image
from pose.plotting import side_color
from pose.runtime.errors import PoseError, optional_package

QUALITY = 88  # of JPEG
SCRIPT, STYLE = (Path(__file__).with_name(f"widget.{kind}") for kind in ("js", "css"))
# Where joints are on a person who faces us, in 0 … 1, x to the right, y down: the middle ones, and those of the left
# side, which is on the right. Joints by other names are not in the figure.
MIDDLE = {
    "head": 0.05, "head_top": 0.0, "nose": 0.07, "upper_neck": 0.14, "neck": 0.16, "thorax": 0.22,
    "shoulder_center": 0.2, "spine": 0.4, "pelvis": 0.5, "hip_center": 0.5,
}  # fmt: skip
SIDE = {
    "eye": (0.53, 0.04), "ear": (0.57, 0.06), "shoulder": (0.66, 0.21), "elbow": (0.77, 0.36), "wrist": (0.85, 0.5),
    "hand": (0.88, 0.56), "hip": (0.58, 0.52), "knee": (0.61, 0.74), "ankle": (0.63, 0.93), "foot": (0.71, 1.0),
}  # fmt: skip


def answering_widget(name, script, answer):
    """A widget, made of the shared script and style and the script at the path `script`; it has no synced state.

    The browser asks with a message {"ask": kind, "id": number, …}; answer(kind, message) gives the reply, a dictionary,
    or raises a `PoseError`, which the browser shows. Raises PackageError without anywidget.
    """
    anywidget = optional_package("anywidget", "a labeller", "anywidget")
    source = SCRIPT.read_text(encoding="utf-8") + Path(script).read_text(encoding="utf-8")
    style = STYLE.read_text(encoding="utf-8")
    widget = type(name, (anywidget.AnyWidget,), {"_esm": source, "_css": style})()

    def receive(_, message, _buffers):
        try:
            reply = answer(message["ask"], message)
        except PoseError as error:
            reply = {"error": str(error)}
        widget.send({"id": message["id"], **reply})

    widget.on_msg(receive)
    return widget


def skeleton_message(skeleton):
    """What the browser needs to know of a skeleton to draw it."""
    return {
        "names": list(skeleton.names),
        "limbs": skeleton.limb_indices,
        "mirrored": skeleton.mirrored if skeleton.is_two_sided else None,
        "colors": [side_color(name) for name in skeleton.names],
        "figure": [figure_place(name) for name in skeleton.names],
    }


def figure_place(name):
    """Where the joint is in the figure, (x, y) in 0 … 1; None for an unknown name."""
    side, _, joint = name.partition("_")
    if side in ("left", "right") and joint in SIDE:
        x, y = SIDE[joint]
        return (x, y) if side == "left" else (1 - x, y)
    return (0.5, MIDDLE[name]) if name in MIDDLE else None


@lru_cache(maxsize=4)
def _image(path):
    return read_image(path)


def picture(path, width, height):
    """An image as large as it is shown: at most width × height px, and never larger than it is.

    Returns {"width", "height": of the image, px; "left", "top", "right", "bottom": the pixels that the picture covers,
    right and bottom excluded; "data": JPEG as base64}. Raises ImageError.
    """
    full = _image(str(path))
    return part_of_picture(path, 0, 0, full.shape[1], full.shape[0], width, height)


def part_of_picture(path, left, top, right, bottom, width, height):
    """As `picture`, of the pixels left … right and top … bottom, the last ones excluded."""
    full = _image(str(path))
    part = full[top:bottom, left:right]
    shrink = min(1, width / part.shape[1], height / part.shape[0])
    if shrink < 1:
        size = [max(1, round(side * shrink)) for side in part.shape[1::-1]]
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(part, cv2.COLOR_RGB2BGR), quality)
    return {
        "width": full.shape[1], "height": full.shape[0],
        "left": left, "top": top, "right": right, "bottom": bottom,
        "data": base64.b64encode(encoded).decode(),
    }  # fmt: skip
