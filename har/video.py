"""Frames from a video file or a camera, one after the other."""

from pathlib import Path

import cv2

from pose.images import ImageError, read_image
from pose.prediction import listed


def read_frames(source):
    """Yields the frames of a video as (H, W, 3) uint8 RGB.

    source: the path of a video file, of a folder of images (in the order of their numbers), or the index of a camera
        (0 is the first), which goes on until it is unplugged.
    Raises FileNotFoundError for a missing file, ValueError for a negative index, ImageError for a file or a camera that
    gives no frame, and for a video that breaks off before the number of frames that it says it has.
    """
    if isinstance(source, int) and source < 0:
        raise ValueError(f"a camera's index is 0 or more, not {source}")
    if not isinstance(source, int) and Path(source).is_dir():
        yield from map(read_image, listed(source))
        return
    if not isinstance(source, int) and not Path(source).is_file():
        raise FileNotFoundError(f"{source}: there is no such video; check the path")
    capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
    try:
        there, frame = capture.read()
        if not there:
            raise ImageError(f"{source}: gives no frame; is it a video of a known kind, or a camera that is free?")
        count = 0
        while there:
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            count += 1
            there, frame = capture.read()
        promised = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if not isinstance(source, int) and count < 0.95 * promised:  # in some files the number is an estimate
            raise ImageError(f"{source}: breaks off after {count} of {promised} frames; is the file damaged?")
    finally:
        capture.release()
