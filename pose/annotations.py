"""The labels of a data set: {image: landmarks}, read from a joints file and written to one."""

import os
import stat
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from pose.joints_file import MAX_COORDINATE, is_number, joints_line, leaves_folder, read_table
from pose.labels.status import PREDICTED, read_status, status_file
from pose.people import image_file
from pose.runtime.errors import DataError, ExistsError, MissingError
from pose.runtime.files import write_atomically
from pose.runtime.findings import raise_errors
from pose.skeleton import KINECT20, skeleton_of

MAX_FAULTS_SHOWN = 20


class AnnotationError(DataError):
    """A joints file has faults. `faults` holds a message for each: file, line, what is wrong, what to do."""

    what = "joints file"

    def __init__(self, faults):
        self.faults = faults
        shown = faults[:MAX_FAULTS_SHOWN]
        more = [f"… and {len(faults) - len(shown)} more"] if len(faults) > len(shown) else []
        hint = ["python -m pose.check also checks the rest of the data"] if len(faults) > 1 else []
        super().__init__("\n".join([f"{len(faults)} fault(s) in the {self.what}:", *shown, *more, *hint]))


class Annotations(Mapping):
    """A read-only dictionary {image_path: [(x, y), …]}, stored in one array so that a million images fit.

    The second person of photo.jpg has the path photo.jpg#2; `image_file` gives its file.

    paths: list of M str, in file order.
    landmarks: (M, K, 2) float64, x then y, image px, NaN where not labelled; (0, 0) counts as not labelled.
    source, lines: the joints file and the line (M,) of each image in it, for messages; None if there is no file.
    skeleton: which joints these are, in their order; by default KINECT20 for 20 joints, and unnamed joints for any
        other number. Raises DataError if it has a different number of joints than the landmarks.
    """

    def __init__(self, paths, landmarks, source=None, lines=None, skeleton=None):
        self.paths = [os.fspath(path) for path in paths]
        self.source, self.lines = source, lines
        landmarks = np.array(landmarks, np.float64)
        if landmarks.ndim != 3 or landmarks.shape[2] != 2 or len(landmarks) != len(self.paths):
            raise DataError(f"{len(self.paths)} images need landmarks ({len(self.paths)}, K, 2), got {landmarks.shape}")
        self.skeleton = skeleton_of(landmarks.shape[1], skeleton)
        x, y = landmarks[..., 0], landmarks[..., 1]
        landmarks[np.isnan(x) | np.isnan(y) | ((x == 0) & (y == 0))] = np.nan
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
        """The image of this row as messages name it."""
        return f"{self.paths[row]} ({self.place(row)})"

    def place(self, row):
        """Where to find this row: file and line, for messages."""
        if self.lines is None:
            return f"row {row} of the annotations"
        return f"{self.source}, line {self.lines[row]}"


def as_annotations(annotations):
    """Any {image_path: [(x, y), …]} as `Annotations`.

    Raises DataError if images differ in their number of joints.
    """
    if isinstance(annotations, Annotations):
        return annotations
    if not isinstance(annotations, Mapping):
        raise DataError(f"expected {{image_path: landmarks}}, as read_annotations gives it, not {annotations!r:.80}")
    try:
        landmarks = [np.array(points, np.float64) for points in annotations.values()]
    except (TypeError, ValueError):
        raise DataError("landmarks must be numbers: (x, y) px per joint, NaN where not labelled") from None
    shapes = {points.shape for points in landmarks}
    if len(shapes) > 1:
        raise DataError(f"every image needs landmarks (K, 2) of the same K joints, found {sorted(shapes)}")
    return Annotations(annotations.keys(), landmarks or np.zeros((0, len(KINECT20), 2)))


def fingerprint(annotations):
    """A checksum of the image names and the labels."""
    names = "\n".join(annotations.paths).encode("utf-8", "surrogateescape")
    return zlib.crc32(annotations.landmarks.tobytes(), zlib.crc32(names))


def read_annotations(joints_txt, image_dir=None, skeleton=KINECT20, predicted=False):
    """The labels of a joints file.

    joints_txt: path of the text file (UTF-8; format at the top of `pose.joints_file`).
    image_dir: the folder that the image names are relative to. Without it no image is looked for and the names serve as
        paths: landmarks alone are enough for activity recognition.
    skeleton: the joints in the file, in file order.
    predicted: also the images with joints that a model predicted and nobody has confirmed (see `pose.labels.status`);
        otherwise they are left out, and their number is printed.
    Returns `Annotations`: {image_path: [(x, y), …]}, one pair of pixels per joint, (nan, nan) where not labelled. The
    second person of photo.jpg is photo.jpg#2.
    Raises AnnotationError with *all* faults of the file, MissingError if the file or the folder is missing, DataError
    if no image is confirmed.
    """
    joints_txt = Path(joints_txt)
    if image_dir is not None and not Path(image_dir).is_dir():
        raise MissingError(f"{image_dir}: there is no such image folder; check the path")
    table, findings = read_table(joints_txt, skeleton)
    paths = table.names
    if image_dir is not None:
        paths = [os.path.join(image_dir, name) for name in table.names]
        findings += _missing_images(table, paths, table.sound(findings), image_dir)
    raise_errors(findings, AnnotationError)
    annotations = Annotations(paths, table.landmarks, joints_txt, np.frombuffer(table.lines, np.int64), skeleton)
    return annotations if predicted else _confirmed(annotations, table.names)


def _confirmed(annotations, names):
    """The annotations without those that a model predicted. Raises DataError if none is left."""
    joints_txt = annotations.source
    if not status_file(joints_txt).exists():
        return annotations
    status, _ = read_status(joints_txt, names, annotations.skeleton)
    confirmed = (status != PREDICTED).all(axis=1)
    if not confirmed.any():
        raise DataError(
            f"{joints_txt}: not one of its {len(names)} images is confirmed; look at what the model predicted with "
            "pose.Labeller, or pass predicted=True to take it as it is"
        )
    if not confirmed.all():
        print(f"{joints_txt}: {(~confirmed).sum()} of {len(names)} images are not confirmed yet, and left out")
    return annotations.select(confirmed)


def _missing_images(table, paths, rows, image_dir):
    """Findings about rows whose path is not a file, or leads out of the folder through a link."""
    real = os.path.realpath(image_dir)

    @cache
    def inside(path):
        return os.path.commonpath([real, os.path.realpath(path)]) == real

    missing, elsewhere = [], []
    for row in rows:
        path = image_file(paths[row])
        try:
            kind = os.lstat(path).st_mode
        except (OSError, ValueError):  # a NUL in the name
            kind = 0
        linked = stat.S_ISLNK(kind)
        if not (stat.S_ISREG(kind) or (linked and os.path.isfile(path))):
            todo = "correct the name, add the image or remove the line"
            missing.append(table.finding("error", "missing", f"there is no image {path}", todo, row))
        elif not inside(os.path.dirname(path)) or (linked and not inside(path)):
            todo = "copy the image into it, or pass the folder that holds them all"
            what = f"{path} leads out of the image folder through a link"
            elsewhere.append(table.finding("error", "name", what, todo, row))
    if len(missing) == len(table) > 1:
        what = f"none of its {len(table)} images is in {image_dir}"
        return [table.finding("error", "folder", what, "is that the right folder?")]
    return missing + elsewhere


def write_annotations(joints_txt, annotations, image_dir=None, overwrite=False):
    """Writes {image_path: landmarks (K, 2) in image px} as a joints file that `read_annotations` reads back.

    image_dir: paths are written relative to this folder; without it they must already be relative.
    NaN landmarks are written as `nan nan`, others with three decimals. All count as confirmed: the status file of
    labels that are overwritten is removed. If the `Annotations` have another skeleton than
    the default, the first line names its joints, and the file can be read with that skeleton only.
    Raises ExistsError if the file exists and `overwrite` is false, DataError for a name that could not be read back or
    lies outside `image_dir`.
    """
    joints_txt, annotations = Path(joints_txt), as_annotations(annotations)
    if joints_txt.exists() and not overwrite:
        raise ExistsError(f"{joints_txt} already exists; choose another name or pass overwrite=True")
    skeleton = annotations.skeleton
    lines = [] if skeleton.names == skeleton_of(len(skeleton)).names else [f"{joints_line(skeleton)}\n"]
    write_atomically(joints_txt, "".join(lines + joints_lines(annotations, image_dir)))
    status_file(joints_txt).unlink(missing_ok=True)


def joints_lines(annotations, image_dir=None):
    """The lines of a joints file, one for each image; the arguments and what is raised as in `write_annotations`."""
    lines = []
    for path, landmarks in zip(annotations.paths, annotations.landmarks, strict=True):
        name = relative_name(path, image_dir) if image_dir else str(path)
        if not _is_read_back(name):
            raise DataError(f"{name!r} cannot be the name of an image in a joints file; rename the image")
        if leaves_folder(name):
            raise DataError(f"{name!r} would leave the image folder; pass image_dir, the folder that it is in")
        if not (abs(landmarks) < MAX_COORDINATE).all(where=~np.isnan(landmarks)):
            raise DataError(f"{name!r} has a landmark that is infinite or beyond {MAX_COORDINATE:.0e} px; correct it")
        numbers = " ".join(f"{value:.3f}" for value in landmarks.ravel())
        lines.append(f"{name} {numbers}\n")
    return lines


def _is_read_back(name):
    """Whether this name survives writing and reading."""
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    words = name.split()
    if not words or (len(words) > 1 and is_number(words[-1])):
        return False
    return name == name.strip() and not name.startswith(("#", "\ufeff")) and not set("\n\r\0") & set(name)


def relative_name(path, folder):
    """The name of a file below `folder`, with / as separator. Raises DataError if it lies elsewhere."""
    name = os.path.relpath(os.path.abspath(path), os.path.abspath(folder))
    if name.split(os.sep)[0] == "..":
        raise DataError(f"{path} is not in {folder}; pass the folder that holds all images")
    return Path(name).as_posix()
