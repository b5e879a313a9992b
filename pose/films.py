"""Frames from a video file or a camera, one after the other."""

import os
import time

import cv2
import numpy as np

from pose.images import ImageError, read_image
from pose.prediction import listed
from pose.runtime.errors import DataError, MissingError

RETRY = 0.05  # s between two attempts to read from a camera
ESTIMATED = 0.95  # in some kinds of file the number of frames is an estimate; from this share of it on all have come
_TO_RGB = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}  # by the number of channels


def read_frames(source, patience=5.0):
    """Yields the frames of a video as (H, W, 3) uint8 RGB; their size may change from one to the next.

    source: the path of a video file, of a folder of images (in the order of their numbers), or the index of a camera
        (0 is the first), which goes on until it is unplugged.
    patience: how long a camera may give no frame, s, while it is tried again and again. One try may take longer: on
        Linux OpenCV waits up to 10 s for a camera that hangs.
    Raises MissingError for a missing file, DataError for a negative index and a folder without images, ImageError for
    a file or a camera that gives no frame or none any more, and for a video that breaks off before the number of frames
    that it says it has; all frames up to there come first.
    """
    if isinstance(source, int):
        yield from _of_camera(source, patience)
    elif os.path.isdir(source):
        yield from map(read_image, listed(source))
    elif os.path.isfile(source):
        yield from _of_file(source)
    else:
        raise MissingError(f"{source}: there is no such video; check the path")


def _of_camera(index, patience):
    if index < 0:
        raise DataError(f"a camera's index is 0 or more, not {index}")
    capture = cv2.VideoCapture(index)
    try:
        if not capture.isOpened():
            raise ImageError(f"camera {index}: cannot be opened; is it plugged in, and free, and may you use it?")
        while True:
            yield _rgb(_awaited(capture, index, patience), f"camera {index}")
    finally:
        capture.release()


def _awaited(capture, index, patience):
    """The next frame of a camera."""
    started = time.monotonic()  # not the last frame's time: what is done with a frame may take long
    while (frame := _next(capture)) is None:
        waited = time.monotonic() - started
        if waited >= patience:
            raise ImageError(
                f"camera {index}: has given no frame for {waited:.1f} s; see that it is plugged in and that no other "
                "program uses it, and start again, or wait longer with read_frames(..., patience=)"
            )
        time.sleep(RETRY)
    return frame


def _of_file(path):
    capture = cv2.VideoCapture(os.fsencode(path))  # as text, a name that is not UTF-8 would crash the process
    try:
        count, reached = 0, 0.0
        while (frame := _next(capture)) is not None:
            count += 1
            # Where the number of frames is estimated from the length, and the rate varies, only the time tells.
            reached = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 * capture.get(cv2.CAP_PROP_FPS)
            yield _rgb(frame, path)
        if not count:
            raise ImageError(f"{path}: gives no frame; is it a video of a known kind, and complete?")
        promised = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if count < promised and (max(count, reached) < ESTIMATED * promised or _is_cut(path)):
            raise ImageError(
                f"{path}: breaks off after {count} of {promised:.0f} frames; is the file damaged, or shortened by a "
                "program that did not write it anew?"
            )
    finally:
        capture.release()


def _is_cut(path):
    """Whether an AVI file is shorter than it says; its number of frames is then no estimate."""
    with open(path, "rb") as file:
        head = file.read(8)
    return head[:4] == b"RIFF" and os.path.getsize(path) < 8 + int.from_bytes(head[4:], "little")


def _next(capture):
    """The next frame as OpenCV gives it, None where there is none."""
    try:
        there, frame = capture.read()
    except cv2.error:  # no memory for a frame of an absurd size, say
        return None
    return frame if there and frame is not None and frame.size else None


def _rgb(frame, source):
    """A frame of OpenCV, grey, BGR or BGRA, as RGB."""
    channels = frame.shape[2] if frame.ndim == 3 else 1
    if frame.dtype != np.uint8 or channels not in _TO_RGB:
        raise ImageError(
            f"{source}: gives frames {frame.shape} {frame.dtype} instead of 8-bit grey or colour; choose another "
            "format in its settings, or write the video anew"
        )
    return cv2.cvtColor(frame, _TO_RGB[channels])
