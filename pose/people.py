"""Several people in one picture: `photo.jpg#2` names the second person of `photo.jpg`."""

import os
import re

_PERSON = re.compile(r"(?P<file>.+)#(?P<number>[2-9]|[1-9]\d{1,5})", re.DOTALL)


def image_file(path):
    """The image file of a key of the annotations: itself, or without the number of the person.

    A file that is really called `photo.jpg#2` is that file.
    """
    named = _PERSON.fullmatch(path)
    return path if not named or os.path.isfile(path) else named["file"]


def person_number(path):
    """Which person of the picture a key of the annotations means: 1 without a number, 2 for `photo.jpg#2`."""
    named = _PERSON.fullmatch(path)
    return 1 if not named or os.path.isfile(path) else int(named["number"])


def person_key(file, number):
    """The key of the person with this number (1 for the first) in an image file."""
    return file if number == 1 else f"{file}#{number}"
