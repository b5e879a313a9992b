"""Checks the image files: whether they exist and can be read, their sizes, and whether some are copies."""

import hashlib
import os
import re
import sys
import warnings
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from pose.check.names import difference, same_name
from pose.images import KINDS, MAX_BYTES, MAX_PIXELS, ImageError, read_picture
from pose.joints_file import leaves_folder
from pose.people import image_file
from pose.runtime.errors import MissingError

_EXIF_ORIENTATION = 0x0112
_PLAIN = ("JPEG", "MPO", "PNG", "BMP", "WEBP", "PPM")  # what Pillow and OpenCV both read
_TOO_SMALL = 16  # px along the longer side
_MAX_NAMES = 5  # of images that are searched for in other folders


class FileCheck(NamedTuple):
    """The result for one image file. size: (width, height) as displayed, px, or None; problems: (level, kind, what,
    todo).
    """

    size: tuple | None
    problems: list


def check_images(tables, image_dir):
    """Fills in `paths` and `sizes` of tables whose names are relative to the folder; returns findings about the files.

    Raises MissingError if the folder does not exist.
    """
    if not Path(image_dir).is_dir():
        raise MissingError(f"{image_dir}: there is no such image folder; check the path")
    findings = []
    for table in tables:
        for row, name in enumerate(table.names):
            path = image_file(os.path.join(image_dir, name))
            table.paths[row] = path if not leaves_folder(name) and os.path.isfile(path) else ""
        findings += _missing(table, image_dir) + _linked(table, image_dir)
    paths = sorted({path for table in tables for path in table.paths if path})
    seen = dict(zip(paths, _check_files(paths), strict=True))
    for table in tables:
        for row, path in enumerate(table.paths):
            size, problems = seen.get(path, (None, []))
            table.sizes[row] = size or np.nan
            findings += [table.finding(*problem, row=row) for problem in problems]
    return findings


def _linked(table, image_dir):
    """Findings about names that lead out of the folder through a link; their images are not checked."""
    folder, rows = os.path.realpath(image_dir), []
    for row, path in enumerate(table.paths):
        if path and os.path.commonpath([folder, os.path.realpath(path)]) != folder:
            table.paths[row] = ""
            rows.append(row)
    what = "leads out of the image folder through a link"
    todo = "copy the image into it, or pass the folder of all images"
    return [table.finding("error", "name", what, todo, row) for row in rows]


def _missing(table, image_dir):
    """A finding for each line without its image; a single one if no line has its image."""
    rows = [row for row, path in enumerate(table.paths) if not path]
    if not rows:
        return []
    existing = _names_in(image_dir)
    if len(rows) == len(table):
        return [_wrong_folder(table, image_dir, existing)]
    alike, findings = {same_name(name): name for name in existing}, []
    for row in rows:
        name, other = table.names[row], alike.get(same_name(table.names[row]))
        if leaves_folder(name):
            continue  # already reported
        if other:
            what = f"there is no such image, but {other}, which differs in {difference(name, other)} alone"
            findings.append(table.finding("error", "missing", what, "write the name as the file has it", row))
        else:
            todo = "correct the name, add the image or remove the line"
            findings.append(table.finding("error", "missing", "there is no such image", todo, row))
    return findings


def _names_in(image_dir):
    """The names of all files below a folder, relative to it."""
    names = []
    for folder, _, files in os.walk(image_dir):
        inside = Path(os.path.relpath(folder, image_dir))
        names += [(inside / file).as_posix() for file in files]
    return names


def _wrong_folder(table, image_dir, existing):
    """The finding that no image of the file is in the folder; it says where the first one is, below it or above."""
    todo = "pass the folder that the names are relative to"
    alike = {same_name(name): name for name in existing}.get(same_name(table.names[0]))
    if alike:
        todo = f"{table.names[0]} differs in {difference(table.names[0], alike)} alone from {alike}, which exists"
    for name in table.names[:_MAX_NAMES]:
        deeper = [other for other in existing if other.endswith(f"/{name}")]
        above = Path(image_dir).parent / name
        if deeper:
            todo += f", perhaps {Path(image_dir) / deeper[0].removesuffix(name)}"
            break
        if not leaves_folder(name) and os.path.isfile(above):
            todo += f", perhaps {Path(image_dir).parent}"
            break
    what = f"none of its {len(table)} images is in {image_dir}"
    return table.finding("error", "folder", what, todo)


def _check_files(paths):
    """A `FileCheck` of each path, with a progress bar if it takes more than a second."""
    with warnings.catch_warnings(), ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")  # Pillow's, about large images and damaged EXIF data
        seen = pool.map(_check_file, paths)
        bar = sys.stderr if sys.stderr.isatty() else sys.stdout  # a notebook has no terminal, and shows stderr in red
        return list(tqdm(seen, "images", len(paths), leave=False, delay=1, mininterval=0.5, file=bar, unit=""))


def _check_file(path):
    """The `FileCheck` of one file. No image larger than MAX_PIXELS is decoded."""
    try:
        if os.path.getsize(path) == 0:
            return _bad("empty-file", "is an empty file (0 bytes)", "replace the image")
        if os.path.getsize(path) > MAX_BYTES:
            return _large(f"has {os.path.getsize(path):,} bytes")
        with Image.open(path, formats=KINDS) as image:  # no others: for PostScript Pillow would start an interpreter
            return _check_content(image, path)
    except Image.DecompressionBombError as error:
        pixels = int(re.search(r"\d+", str(error))[0])
        return _large(f"has {pixels:,} pixels")
    except Image.UnidentifiedImageError:
        return _by_opencv(path)
    except Exception as error:  # Pillow raises almost anything for a damaged file
        if isinstance(error, OSError) and error.strerror:
            return _bad("unreadable", f"cannot be read ({error.strerror})", "check the file and its permissions")
        what = "is cut off" if "truncated" in str(error).lower() else "is damaged"
        return _bad("truncated", f"{what} ({error})", "replace the image")


def _check_content(image, path):
    width, height = image.size
    if width * height > MAX_PIXELS:
        return _large(f"is {width} × {height} pixels")
    problems, orientation, plain = [], image.getexif().get(_EXIF_ORIENTATION, 1), image.format in _PLAIN
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # a phone's JPEG with a preview
    if frames > 1:
        what = f"contains {frames} frames, of which the first is used"
        problems.append(("warning", "frames", what, "save each frame as an image of its own"))
    image.draft("RGB", (width // 8, height // 8))  # a JPEG is decoded at reduced size, but to its end
    image.load()
    if orientation in range(2, 9):
        what = f"is rotated by its EXIF tag (orientation {orientation})"
        todo = "nothing, if its labels are for the image as displayed: it is rotated when it is read"
        problems.append(("note", "rotation", what, todo))
        width, height = (height, width) if orientation > 4 else (width, height)
    if not plain or (orientation in range(2, 9) and image.format != "JPEG"):
        read = _by_opencv(path)
        return FileCheck(read.size, problems + read.problems)
    return FileCheck((width, height), problems + _small(width, height))


def _large(what):
    return _bad("large", f"{what}, more than {MAX_PIXELS:,}", "make it smaller, and scale its labels with it")


def _small(width, height):
    if max(width, height) >= _TOO_SMALL:
        return []
    level = "error" if width * height == 1 else "warning"
    return [(level, "small", f"is {width} × {height} px", "replace it with the image that was labelled")]


def _by_opencv(path):
    """The `FileCheck` of a less common format: what training would read."""
    try:
        picture = read_picture(path)
    except ImageError:
        what = "is not an image that can be read"
        return _bad("unreadable", what, "replace it (JPEG and PNG are always read), or remove its line")
    return FileCheck((picture.width, picture.height), _small(picture.width, picture.height))


def _bad(kind, what, todo):
    return FileCheck(None, [("error", kind, what, todo)])


def copies(paths):
    """The groups of two or more of these paths whose files have the same content, each sorted."""
    by_size, by_content = defaultdict(list), defaultdict(list)
    for path in sorted(set(paths)):
        by_size[os.path.getsize(path)].append(path)
    for size, group in by_size.items():
        for path in group if size and len(group) > 1 else []:
            by_content[_digest(path)].append(path)
    return [group for group in by_content.values() if len(group) > 1]


def _digest(path):
    digest = hashlib.blake2b()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.digest()
