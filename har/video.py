"""Frames from a video file or a camera, one after the other."""

from pathlib import Path

import cv2

from pose.images import ImageError


def read_frames(source):
    """Yields the frames of a video as (H, W, 3) uint8 RGB.

    source: the path of a video file, or the index of a camera (0 is the first), which goes on until it is unplugged.
    Raises FileNotFoundError for a missing file, ImageError for a file or a camera that gives no frame.
    """
    if not isinstance(source, int) and not Path(source).is_file():
        raise FileNotFoundError(f"{source}: there is no such video; check the path")
    capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
    try:
        there, frame = capture.read()
        if not there:
            raise ImageError(f"{source}: gives no frame; is it a video of a known kind, or a camera that is free?")
        while there:
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            there, frame = capture.read()
    finally:
        capture.release()
