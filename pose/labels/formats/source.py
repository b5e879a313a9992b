"""Files of other tools: JSON, and errors that say where a file is not as its tool writes it."""

import csv
import json
import re
from contextlib import contextmanager
from pathlib import PurePosixPath
from xml.etree.ElementTree import ParseError

from pose.runtime.errors import DataError, PoseError
from pose.runtime.files import read_bytes

_OF_CONTENT = (LookupError, TypeError, ValueError, AttributeError, OverflowError, csv.Error, ParseError)
FRAME_NAME = "{video}/frame_{frame:06d}.jpg"


@contextmanager
def malformed(path, place, tool):
    """Turns errors of code that takes a file's content apart into a DataError that names the place."""
    try:
        yield
    except PoseError:
        raise
    except _OF_CONTENT as error:
        raise DataError(
            f"{path}, {place}: is not as {tool} writes it ({type(error).__name__}: {error!s:.100}); export the labels "
            "again, or correct this place"
        ) from None


def read_json(path, what):
    """The content of a JSON file. Raises MissingError, FileError and DataError; what: the file's name in messages."""
    content = read_bytes(path, what)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not complete JSON ({error!s:.100}); export it again") from None


def with_slashes(name):
    """A file's name as written on any system, with / between its parts and without a leading `./`."""
    return str(PurePosixPath(name.replace("\\", "/")))


def video_name(path):
    """A video's name without folders and extension."""
    return PurePosixPath(with_slashes(path)).stem


def frame_path(frame_name, video, frame):
    """The image of a video's frame: the template `frame_name` with the video's name and the frame's number, from 0."""
    try:
        return frame_name.format(video=video, frame=frame)
    except (KeyError, IndexError, ValueError, AttributeError):
        raise DataError(
            f"frame_name={frame_name!r} is not a template of {{video}} and {{frame}}, such as {FRAME_NAME!r}"
        ) from None


def in_order(paths):
    """Paths sorted by name, with 9 before 10."""
    return sorted(paths, key=lambda path: [int(s) if s.isdecimal() else s for s in re.split(r"(\d+)", str(path))])
