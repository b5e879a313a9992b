"""Which labels a person has confirmed: `joints.status.csv`, the file beside `joints.txt`.

A line per joint, `image,joint,status,confidence`, of those that are not simply confirmed; a joint without a line is, as
is all of a joints file without such a file. The status is one of
    predicted   nobody has confirmed it: a model put it there, with `confidence` (0 … 1), or it is not placed yet
    guessed     a person put it there without seeing it, because something covers it
    hidden      a person said that it cannot be placed; it has no coordinates
"""

import csv
from pathlib import Path

import numpy as np

from pose.runtime.errors import DataError
from pose.runtime.files import open_text, write_csv

STATUSES = ("confirmed", "predicted", "guessed", "hidden")
CONFIRMED, PREDICTED, GUESSED, HIDDEN = range(len(STATUSES))
COLUMNS = ("image", "joint", "status", "confidence")


def status_file(joints_txt):
    """The path of the status file of a joints file: `joints.status.csv` for `joints.txt`."""
    return Path(joints_txt).with_suffix(".status.csv")


def read_status(joints_txt, names, skeleton):
    """The status of each label of a joints file.

    names: the M images of the file, named as in the file. skeleton: its K joints.
    Returns (status, confidence): (M, K) uint8, indices of STATUSES, and (M, K) float32, NaN where there is none. Lines
    about images that are not in `names` are skipped.
    Raises DataError for a line that cannot be understood.
    """
    status = np.full((len(names), len(skeleton)), CONFIRMED, np.uint8)
    confidence = np.full(status.shape, np.nan, np.float32)
    row_of = {name: row for row, name in enumerate(names)}
    for line, place in _lines(joints_txt):
        try:
            joint, value = skeleton.index(line["joint"]), STATUSES.index(line["status"])
            number = float(line["confidence"] or "nan")
        except ValueError:
            raise DataError(
                f"{place}: expected a joint of the skeleton, one of {', '.join(STATUSES)}, and a number or nothing, "
                f"not {','.join(line[column] for column in COLUMNS[1:])}; correct the line"
            ) from None
        row = row_of.get(line["image"])
        if row is not None:
            status[row, joint], confidence[row, joint] = value, number
    return status, confidence


def status_images(joints_txt):
    """The names of the images in the status file of a joints file, as a set."""
    return {line["image"] for line, _ in _lines(joints_txt)}


def _lines(joints_txt):
    """Each line of the status file of a joints file as {column: text}, and its place; none if there is no such file."""
    path = status_file(joints_txt)
    if not path.exists():
        return
    with open_text(path, "status file", newline="") as file:
        reader = csv.DictReader(file, restval="")
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise DataError(f"{path}: its first line must be {','.join(COLUMNS)}")
        for line in reader:
            yield line, f"{path}, line {reader.line_num}"


def write_status(joints_txt, names, skeleton, status, confidence):
    """Writes the status file of a joints file, or removes it if all are confirmed. Arguments as in `read_status`."""
    path = status_file(joints_txt)
    lines = []
    for i, k in np.argwhere(np.asarray(status) != CONFIRMED):
        sure = "" if np.isnan(confidence[i, k]) else f"{confidence[i, k]:.3f}"
        values = names[i], skeleton.names[k], STATUSES[status[i, k]], sure
        lines.append(dict(zip(COLUMNS, values, strict=True)))
    if lines:
        write_csv(path, lines)
    else:
        path.unlink(missing_ok=True)
