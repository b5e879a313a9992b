"""Reads frames from a video file, an image folder or a camera, one by one."""

import os
import time

import cv2
import numpy as np

from pose.images import ImageError, list_images, read_image
from pose.runtime.errors import DataError, MissingError

RETRY = 0.05  # s between two attempts to read from a camera
ESTIMATED = 0.95  # some formats only estimate the number of frames; from this share of it on, all have been read
_TO_RGB = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}  # by the number of channels


def read_frames(source, patience=5.0):
    """Yields the frames of a video as (H, W, 3) uint8 RGB; their size may change from one to the next.

    source: the path of a video file, of a folder of images (in the order of their numbers), or the index of a camera
        (0 is the first), which continues until it is unplugged.
    patience: how long to keep trying a camera that gives no frame, s. A single attempt may take longer: on Linux OpenCV
        waits up to 10 s for a camera that hangs.
    Raises MissingError for a missing file, DataError for a negative index and a folder without images, ImageError for a
    file or a camera that gives no frame or stops giving any, and for a video that ends before the number of frames it
    declares; all frames up to that point are yielded first.
    """
    if isinstance(source, int):
        yield from _camera_frames(source, patience)
    elif os.path.isdir(source):
        yield from map(read_image, list_images(source))
    else:
        yield from (frame for _, frame in timed_frames(source))


def _camera_frames(index, patience):
    if index < 0:
        raise DataError(f"a camera's index is 0 or more, not {index}")
    capture = cv2.VideoCapture(index)
    try:
        if not capture.isOpened():
            raise ImageError(
                f"camera {index}: cannot be opened; is it plugged in, not in use, and are you allowed to use it?"
            )
        while True:
            yield _rgb(_wait_for_frame(capture, index, patience), f"camera {index}")
    finally:
        capture.release()


def _wait_for_frame(capture, index, patience):
    """The next frame of a camera, waiting up to `patience` s for it."""
    started = time.monotonic()  # not the last frame's time: processing a frame may take long
    while (frame := _next(capture)) is None:
        waited = time.monotonic() - started
        if waited >= patience:
            raise ImageError(
                f"camera {index}: has given no frame for {waited:.1f} s; check that it is plugged in and that no other "
                "program uses it, and start again, or wait longer with read_frames(..., patience=)"
            )
        time.sleep(RETRY)
    return frame


def timed_frames(path):
    """Yields the frames of a video file as (time in s, (H, W, 3) uint8 RGB). Raises what `read_frames` raises."""
    if not os.path.isfile(path):
        raise MissingError(f"{path}: there is no such video; check the path")
    capture = cv2.VideoCapture(os.fsencode(path))  # as str, a name that is not UTF-8 would crash the process
    try:
        count, reached = 0, 0.0
        while (frame := _next(capture)) is not None:
            count += 1
            # If the number of frames is estimated from the duration, and the rate varies, only the time is reliable.
            seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            reached = seconds * capture.get(cv2.CAP_PROP_FPS)
            yield seconds, _rgb(frame, path)
        if not count:
            raise ImageError(f"{path}: gives no frame; is it a video in a known format, and complete?")
        promised = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if count < promised and (max(count, reached) < ESTIMATED * promised or _is_cut(path)):
            raise ImageError(
                f"{path}: ends after {count} of {promised:.0f} frames; is the file damaged, or was it cut without "
                "being rewritten?"
            )
    finally:
        capture.release()


def _is_cut(path):
    """Whether an AVI file is shorter than its header says; its number of frames is then exact."""
    with open(path, "rb") as file:
        head = file.read(8)
    return head[:4] == b"RIFF" and os.path.getsize(path) < 8 + int.from_bytes(head[4:], "little")


def _next(capture):
    """The next frame as OpenCV gives it, or None."""
    try:
        success, frame = capture.read()
    except cv2.error:  # such as no memory for a frame of absurd size
        return None
    return frame if success and frame is not None and frame.size else None


def _rgb(frame, source):
    """A frame of OpenCV, grey, BGR or BGRA, as RGB."""
    channels = frame.shape[2] if frame.ndim == 3 else 1
    if frame.dtype != np.uint8 or channels not in _TO_RGB:
        raise ImageError(
            f"{source}: gives frames {frame.shape} {frame.dtype} instead of 8-bit grey or colour; choose another "
            "format in its settings, or re-encode the video"
        )
    return cv2.cvtColor(frame, _TO_RGB[channels])
