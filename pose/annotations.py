"""joints.txt: which image shows which landmarks.

One image a line, `image_name x1 y1 x2 y2 … x20 y20`, pixels in that image, separated by white space. The
numbers are the last fields, so a name may hold spaces. Blank lines and lines that begin with # are skipped.
`nan nan` and `0 0` (what the Kinect writes for an untracked joint) mean that the joint is not labelled.
"""

import math
import os
import posixpath
import zlib
from array import array
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np

from pose.decimals import read_decimals
from pose.files import write_whole
from pose.skeleton import KINECT20

MAX_FAULTS_SHOWN = 20
LINES_AT_ONCE = 500


class AnnotationError(ValueError):
    """A joints file with faults. `faults` has one message for each: file, line, what is wrong, what to do."""

    what = "joints file"

    def __init__(self, faults):
        self.faults = faults
        shown = faults[:MAX_FAULTS_SHOWN]
        more = [f"… and {len(faults) - len(shown)} more"] if len(faults) > len(shown) else []
        super().__init__("\n".join([f"{len(faults)} fault(s) in the {self.what}:", *shown, *more]))


class Annotations(Mapping):
    """The dictionary {image_path: [(x, y), …]}, read-only, kept in one array so that a million images fit.

    paths: list of M str, in the order of the file.
    landmarks: (M, K, 2) float64, x then y, image px, NaN where not labelled; (0, 0) is not labelled either.
    """

    def __init__(self, paths, landmarks):
        self.paths = list(paths)
        landmarks = np.array(landmarks, np.float64)
        unlabelled = np.isnan(landmarks).any(axis=-1) | (landmarks == 0).all(axis=-1)
        landmarks[unlabelled] = np.nan
        self.landmarks = landmarks
        self._row = {path: i for i, path in enumerate(self.paths)}

    def __getitem__(self, path):
        return [(x, y) for x, y in self.landmarks[self._row[path]].tolist()]

    def __iter__(self):
        return iter(self.paths)

    def __len__(self):
        return len(self.paths)

    def __repr__(self):
        return f"Annotations({len(self)} images, {self.landmarks.shape[1]} joints)"

    def select(self, rows):
        """The annotations of these rows (integers or a boolean mask), in that order."""
        rows = np.arange(len(self))[rows]
        return Annotations([self.paths[i] for i in rows], self.landmarks[rows])


def as_annotations(annotations):
    """Any {image_path: [(x, y), …]} as `Annotations`. Raises ValueError where an image has another joint count."""
    if isinstance(annotations, Annotations):
        return annotations
    counts = {len(landmarks) for landmarks in annotations.values()}
    if len(counts) > 1:
        raise ValueError(f"every image needs the same number of joints, found {sorted(counts)}")
    return Annotations(annotations.keys(), list(annotations.values()))


def fingerprint(annotations):
    """A number that tells images and labels from others."""
    names = "\n".join(annotations.paths).encode("utf-8", "surrogateescape")
    return zlib.crc32(annotations.landmarks.tobytes(), zlib.crc32(names))


def read_annotations(joints_txt, image_dir=None, skeleton=KINECT20):
    """The labels of a joints file.

    joints_txt: path of the text file (UTF-8; format at the top of this module).
    image_dir: the folder that the image names are relative to. Without it no image is looked for and the names
        stand for the paths: landmarks alone are enough to recognise activity.
    skeleton: whose joints the file holds, in its order.
    Returns `Annotations`: {image_path: [(x, y), …]}, one pair of pixels a joint, (nan, nan) where not labelled.
    Raises AnnotationError with *all* faults of the file, FileNotFoundError where the file or folder is missing.
    """
    joints_txt = Path(joints_txt)
    num_joints = len(skeleton)
    if not joints_txt.is_file():
        raise FileNotFoundError(f"{joints_txt}: there is no such joints file; check the path")
    if image_dir is not None and not Path(image_dir).is_dir():
        raise FileNotFoundError(f"{image_dir}: there is no such image folder; check the path")

    paths, landmarks, faults, first_line = [], array("d"), [], {}
    with open(joints_txt, encoding="utf-8-sig", errors="surrogateescape") as file:
        numbered = ((number, line.strip()) for number, line in enumerate(file, start=1))
        lines = ((number, line) for number, line in numbered if line and not line.startswith("#"))
        while block := list(islice(lines, LINES_AT_ONCE)):
            for (number, line), plain in zip(block, _parse_plain([line for _, line in block], num_joints), strict=True):
                try:
                    name, numbers = plain or _parse_line(line, num_joints)
                    same = posixpath.normpath(name)  # a.png and ./a.png are one image
                    if same in first_line:
                        raise _Fault(f"{name!r} stands on line {first_line[same]} already; keep one of the two lines")
                    first_line[same] = number
                    paths.append(_image_path(image_dir, name))
                    landmarks.frombytes(memoryview(numbers).cast("B"))
                except _Fault as fault:
                    faults.append(f"{joints_txt}, line {number}: {fault}")
    if not paths and not faults:
        faults.append(f"{joints_txt}: holds no image; expected lines of an image name and {2 * num_joints} numbers")
    if faults:
        raise AnnotationError(faults)
    return Annotations(paths, np.frombuffer(landmarks).reshape(-1, num_joints, 2))


class _Fault(Exception):
    """What is wrong with one line and what to do."""


def _parse_plain(lines, num_joints):
    """What `_parse_line` makes of each line where all hold a name without spaces and plain decimals, else Nones."""
    parts = [line.split(None, 1) for line in lines]
    if all(len(part) == 2 for part in parts):
        names, texts = zip(*parts, strict=True)
        numbers = read_decimals(texts, 2 * num_joints)
        if numbers is not None:
            return list(zip(names, numbers, strict=True))
    return [None] * len(lines)


def _parse_line(line, num_joints):
    """Name and 2·num_joints numbers (float64) of one line."""
    count = 2 * num_joints
    fields = line.rsplit(maxsplit=count)
    found = len(fields) - 1
    if found < count:
        raise _Fault(f"expected an image name and {count} numbers (x y of {num_joints} joints), found {found} fields "
                     "after the name; add the missing ones, with 'nan nan' for a joint without label")  # fmt: skip
    name, fields = fields[0], fields[1:]
    try:
        numbers = array("d", map(float, fields))
    except ValueError:
        wrong = next(field for field in fields if not _is_number(field))
        raise _Fault(
            f"{wrong!r} is not a number, or a number is missing; write pixels with a decimal point, "
            "nan where there is no label"
        ) from None
    if not math.isfinite(sum(numbers)):
        _check_missing(numbers)
    *front, last = name.split()
    if front and _is_number(last):
        raise _Fault(f"expected {count} numbers (x y of {num_joints} joints) after the image name, found more: is "
                     "this another skeleton, or another column in front?")  # fmt: skip
    return name, numbers


def _check_missing(numbers):
    """Raises _Fault for an infinite coordinate, and where only one of a joint's two is NaN."""
    if any(math.isinf(number) for number in numbers):
        raise _Fault("a coordinate is infinite; write pixels, or 'nan nan' for a joint without label")
    if any(math.isnan(x) != math.isnan(y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)):
        raise _Fault("a joint has only one of x and y; write both, or 'nan nan'")


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _image_path(image_dir, name):
    """The path of image `name`, which must lie inside `image_dir` and exist; the name itself without a folder."""
    if _leaves_folder(name):
        raise _Fault(
            f"{name!r} leaves the image folder; write names relative to {image_dir or 'it'}, with / and without .."
        )
    if image_dir is None:
        return name
    path = os.path.join(image_dir, name)
    if not os.path.isfile(path):
        raise _Fault(f"there is no image {path}; correct the name, add the image or remove the line")
    return path


def _leaves_folder(name):
    return "\\" in name or name.startswith("/") or name[1:2] == ":" or ".." in name.split("/")  # C: is a drive


def write_annotations(joints_txt, annotations, image_dir=None, overwrite=False):
    """Writes {image_path: landmarks (K, 2) in image px} as a joints file that `read_annotations` reads back.

    image_dir: paths are written relative to this folder; without it they must be so already.
    NaN landmarks are written as `nan nan`. Three decimals.
    Raises FileExistsError where the file is there and `overwrite` is false, ValueError for a name that could not be
    read back or lies outside `image_dir`.
    """
    joints_txt = Path(joints_txt)
    if joints_txt.exists() and not overwrite:
        raise FileExistsError(f"{joints_txt} is there already; choose another name or pass overwrite=True")
    lines = []
    for path, landmarks in annotations.items():
        name = relative_name(path, image_dir) if image_dir else str(path)
        if name != name.strip() or name.startswith("#") or "\n" in name or "\r" in name:
            raise ValueError(f"{name!r} cannot stand in a joints file; rename the image")
        if _leaves_folder(name):
            raise ValueError(f"{name!r} would leave the image folder; pass image_dir, the folder that it lies in")
        numbers = " ".join(f"{value:.3f}" for xy in landmarks for value in xy)
        lines.append(f"{name} {numbers}\n")
    write_whole(joints_txt, "".join(lines))


def relative_name(path, folder):
    """The name of a file below `folder`, with / between its parts. Raises ValueError where it lies elsewhere."""
    name = os.path.relpath(os.path.abspath(path), os.path.abspath(folder))
    if name.split(os.sep)[0] == "..":
        raise ValueError(f"{path} does not lie in {folder}; give the folder that holds all images")
    return Path(name).as_posix()
