"""joints.txt: which image shows which landmarks.

One image a line, `image_name x1 y1 x2 y2 … x20 y20`, pixels in that image, separated by white space. The
numbers are the last fields, so a name may hold spaces. Blank lines and lines that begin with # are skipped.
`nan nan` and `0 0` (what the Kinect writes for an untracked joint) mean that the joint is not labelled.
"""

import math
import os
import posixpath
import stat
import zlib
from array import array
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np

from pose.decimals import read_decimals
from pose.runtime.errors import DataError, ExistsError, MissingError
from pose.runtime.files import open_text, write_whole
from pose.skeleton import KINECT20, skeleton_of

MAX_FAULTS_SHOWN = 20
LINES_AT_ONCE = 500
FARTHEST = 1e6  # px; no image is so large


class AnnotationError(DataError):
    """A joints file with faults. `faults` has one message for each: file, line, what is wrong, what to do."""

    what = "joints file"

    def __init__(self, faults):
        self.faults = faults
        shown = faults[:MAX_FAULTS_SHOWN]
        more = [f"… and {len(faults) - len(shown)} more"] if len(faults) > len(shown) else []
        hint = ["python -m pose.check looks at the rest of the data, too"] if len(faults) > 1 else []
        super().__init__("\n".join([f"{len(faults)} fault(s) in the {self.what}:", *shown, *more, *hint]))


class Annotations(Mapping):
    """The dictionary {image_path: [(x, y), …]}, read-only, kept in one array so that a million images fit.

    paths: list of M str, in the order of the file.
    landmarks: (M, K, 2) float64, x then y, image px, NaN where not labelled; (0, 0) is not labelled either.
    source, lines: the joints file and the line (M,) of each image in it, for messages; None where there is none.
    skeleton: whose joints these are, in their order; by default KINECT20 for 20 joints, and joints without names for
        any other number. Raises DataError where it has another number of joints than the landmarks.
    """

    def __init__(self, paths, landmarks, source=None, lines=None, skeleton=None):
        self.paths = list(paths)
        self.source, self.lines = source, lines
        landmarks = np.array(landmarks, np.float64)
        if landmarks.ndim != 3 or landmarks.shape[2] != 2 or len(landmarks) != len(self.paths):
            raise DataError(f"{len(self.paths)} images need landmarks ({len(self.paths)}, K, 2), got {landmarks.shape}")
        self.skeleton = skeleton_of(landmarks.shape[1], skeleton)
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
        lines = None if self.lines is None else self.lines[rows]
        return Annotations([self.paths[i] for i in rows], self.landmarks[rows], self.source, lines, self.skeleton)

    def name(self, row):
        """What to call the image of this row in a message."""
        return f"{self.paths[row]} ({self.place(row)})"

    def place(self, row):
        """Where a person finds this row, for messages."""
        if self.lines is None:
            return f"row {row} of the annotations"
        return f"{self.source}, line {self.lines[row]}"


def as_annotations(annotations):
    """Any {image_path: [(x, y), …]} as `Annotations`.

    Raises DataError where an image has another number of joints.
    """
    if isinstance(annotations, Annotations):
        return annotations
    if not isinstance(annotations, Mapping):
        raise DataError(f"expected {{image_path: landmarks}}, as read_annotations gives it, not {annotations!r:.80}")
    try:
        landmarks = [np.array(points, np.float64) for points in annotations.values()]
    except (TypeError, ValueError):
        raise DataError("landmarks are numbers, (x, y) px a joint, NaN where not labelled") from None
    shapes = {points.shape for points in landmarks}
    if len(shapes) > 1:
        raise DataError(f"every image needs landmarks (K, 2) of the same K joints, found {sorted(shapes)}")
    return Annotations(annotations.keys(), landmarks or np.zeros((0, len(KINECT20), 2)))


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
    Raises AnnotationError with *all* faults of the file, MissingError where the file or folder is missing.
    """
    joints_txt = Path(joints_txt)
    num_joints = len(skeleton)
    if image_dir is not None and not Path(image_dir).is_dir():
        raise MissingError(f"{image_dir}: there is no such image folder; check the path")

    paths, landmarks, lines_of_paths, faults, first_line = [], array("d"), array("q"), [], {}
    folder = _Folder(image_dir)
    with open_text(joints_txt, "joints file") as file:
        numbered = ((number, line.strip()) for number, line in enumerate(file, start=1))
        lines = ((number, line) for number, line in numbered if line and not line.startswith("#"))
        while block := list(islice(lines, LINES_AT_ONCE)):
            for (number, line), plain in zip(block, parse_plain([line for _, line in block], num_joints), strict=True):
                try:
                    name, numbers = plain or _parse_line(line, num_joints)
                    same = posixpath.normpath(name)  # a.png and ./a.png are one image
                    if same in first_line:
                        raise _Fault(f"{name!r} stands on line {first_line[same]} already; keep one of the two lines")
                    first_line[same] = number
                    paths.append(folder.path(name))
                    lines_of_paths.append(number)
                    landmarks.frombytes(memoryview(numbers).cast("B"))
                except _Fault as fault:
                    faults.append(f"{joints_txt}, line {number}: {fault}")
    if not paths and folder.missing == len(faults) > 1:
        faults = [f"{joints_txt}: none of its {len(faults)} images is in {image_dir}; is that the right folder?"]
    if not paths and not faults:
        faults.append(f"{joints_txt}: holds no image; expected lines of an image name and {2 * num_joints} numbers")
    if faults:
        raise AnnotationError(faults)
    lines_of_paths = np.frombuffer(lines_of_paths, np.int64)
    return Annotations(paths, np.frombuffer(landmarks).reshape(-1, num_joints, 2), joints_txt, lines_of_paths, skeleton)


class _Fault(Exception):
    """What is wrong with one line and what to do."""


def parse_plain(lines, num_joints):
    """What `_parse_line` makes of each line where all hold a name without spaces and plain decimals, else Nones."""
    parts = [line.split(None, 1) for line in lines]
    if all(len(part) == 2 for part in parts):
        names, texts = zip(*parts, strict=True)
        numbers = read_decimals(texts, 2 * num_joints)
        if numbers is not None and abs(numbers).max() <= FARTHEST:
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
        wrong = next(field for field in fields if not is_number(field))
        raise _Fault(
            f"{wrong!r} is not a number, or a number is missing; write pixels with a decimal point, "
            "nan where there is no label"
        ) from None
    if not math.isfinite(sum(numbers)):
        _check_missing(numbers)
    if any(abs(number) > FARTHEST for number in numbers):
        raise _Fault(f"a coordinate is beyond {FARTHEST:.0e} px; is a decimal point missing?")
    *front, last = name.split()
    if front and is_number(last):
        raise _Fault(f"expected {count} numbers (x y of {num_joints} joints) after the image name, found more: is "
                     "this another skeleton, or another column in front?")  # fmt: skip
    return name, numbers


def _check_missing(numbers):
    """Raises _Fault for an infinite coordinate, and where only one of a joint's two is NaN."""
    if any(math.isinf(number) for number in numbers):
        raise _Fault("a coordinate is infinite; write pixels, or 'nan nan' for a joint without label")
    if any(math.isnan(x) != math.isnan(y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)):
        raise _Fault("a joint has only one of x and y; write both, or 'nan nan'")


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


class _Folder:
    """The folder of the images, which no name may lead out of; or none, and then names are only looked at."""

    def __init__(self, image_dir):
        self.image_dir = image_dir
        self.real = None if image_dir is None else os.path.realpath(image_dir)
        self.missing = 0  # images that were asked for and are not there
        self._inside = {}  # of each sub-folder met, whether it lies here

    def path(self, name):
        """The path of the image `name`; the name itself without a folder. Raises _Fault."""
        if leaves_folder(name):
            raise _Fault(
                f"{name!r} leaves the image folder; write names relative to {self.image_dir or 'it'}, with / and "
                "without .."
            )
        if self.image_dir is None:
            return name
        path = os.path.join(self.image_dir, name)
        try:
            kind = os.lstat(path).st_mode
        except (OSError, ValueError):  # a NUL in the name
            kind = 0
        linked = stat.S_ISLNK(kind)
        if not (stat.S_ISREG(kind) or (linked and os.path.isfile(path))):
            self.missing += 1
            raise _Fault(f"there is no image {path}; correct the name, add the image or remove the line")
        folder = os.path.dirname(path)
        if folder not in self._inside:
            self._inside[folder] = self._holds(folder)
        if not self._inside[folder] or (linked and not self._holds(path)):
            raise _Fault(
                f"{path} leads out of the image folder by a link; copy the image there, or give the folder that holds "
                "them all"
            )
        return path

    def _holds(self, path):
        return os.path.commonpath([self.real, os.path.realpath(path)]) == self.real


def leaves_folder(name):
    return "\\" in name or name.startswith("/") or name[1:2] == ":" or ".." in name.split("/")  # C: is a drive


def write_annotations(joints_txt, annotations, image_dir=None, overwrite=False):
    """Writes {image_path: landmarks (K, 2) in image px} as a joints file that `read_annotations` reads back.

    image_dir: paths are written relative to this folder; without it they must be so already.
    NaN landmarks are written as `nan nan`. Three decimals.
    Raises ExistsError where the file is there and `overwrite` is false, DataError for a name that could not be
    read back or lies outside `image_dir`.
    """
    joints_txt = Path(joints_txt)
    if joints_txt.exists() and not overwrite:
        raise ExistsError(f"{joints_txt} is there already; choose another name or pass overwrite=True")
    lines = []
    for path, landmarks in _pairs(annotations):
        name = relative_name(path, image_dir) if image_dir else str(path)
        if not _can_stand(name):
            raise DataError(f"{name!r} cannot stand in a joints file; rename the image")
        if leaves_folder(name):
            raise DataError(f"{name!r} would leave the image folder; pass image_dir, the folder that it lies in")
        if not (abs(landmarks) < FARTHEST).all(where=~np.isnan(landmarks)):
            raise DataError(f"{name!r} has a landmark that is infinite or beyond {FARTHEST:.0e} px; correct it")
        numbers = " ".join(f"{value:.3f}" for value in landmarks.ravel())
        lines.append(f"{name} {numbers}\n")
    write_whole(joints_txt, "".join(lines))


def _pairs(annotations):
    """Each path and its landmarks (K, 2); where one of x and y is missing, both are."""
    annotations = as_annotations(annotations)
    return zip(annotations.paths, annotations.landmarks, strict=True)


def _can_stand(name):
    """Whether a line that begins with this name is read back as one."""
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    words = name.split()
    if not words or (len(words) > 1 and is_number(words[-1])):
        return False
    return name == name.strip() and not name.startswith(("#", "\ufeff")) and "\n" not in name and "\r" not in name


def relative_name(path, folder):
    """The name of a file below `folder`, with / between its parts. Raises DataError where it lies elsewhere."""
    name = os.path.relpath(os.path.abspath(path), os.path.abspath(folder))
    if name.split(os.sep)[0] == "..":
        raise DataError(f"{path} does not lie in {folder}; give the folder that holds all images")
    return Path(name).as_posix()
