"""A tidy table of landmarks: a line for each joint of each person, for spreadsheets and statistics."""

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np

from pose.annotations import as_annotations, relative_name
from pose.labels.formats.people import LabelFile, to_annotations
from pose.labels.formats.source import malformed
from pose.people import image_file, person_number
from pose.runtime.errors import DataError, ExistsError
from pose.runtime.files import open_text, write_atomically
from pose.skeleton import KINECT20

COLUMNS = ("frame", "time", "image", "person", "joint", "x", "y", "confidence")


def write_csv(path, found, times=None, image_dir=None, overwrite=False):
    """Writes landmarks as a table `frame,time,image,person,joint,x,y,confidence`; a cell is empty if it is not known.

    found: {image_path: landmarks (K, 2)}, or a list of `Prediction`. times: the time of each frame, s.
    image_dir: the folder that names are written relative to; without it they are written as they are.
    frame counts images from 0, in their order; person counts from 1; x and y are image px with a pixel's centre at an
    integer, empty for a joint without a place; confidence is that of predictions. A prediction of an array is a frame
    of its own, without an image.
    Raises ExistsError if the file exists and `overwrite` is false, DataError if there are not as many times as frames,
    or an image lies outside `image_dir`.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise ExistsError(f"{path} already exists; choose another name or pass overwrite=True")
    people = _predicted(found) if isinstance(found, (list, tuple)) else _labelled(as_annotations(found))
    frames = {}
    for image, *_ in people:
        frames.setdefault(image, len(frames))
    if times is not None and len(times) != len(frames):
        raise DataError(f"got {len(times)} times for {len(frames)} frames; pass one for each")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for image, number, names, landmarks, confidence in people:
        frame = frames[image]
        time = "" if times is None else _cell(times[frame])
        name = "" if isinstance(image, int) else relative_name(image, image_dir) if image_dir else image
        for joint, (x, y), sure in zip(names, landmarks, confidence, strict=True):
            writer.writerow([frame, time, name, number, joint, _cell(x), _cell(y), _cell(sure)])
    write_atomically(path, text.getvalue())


def _cell(value):
    return f"{value:.3f}" if np.isfinite(value) else ""


def _labelled(annotations):
    """(image, number of the person, names, landmarks (K, 2), confidence (K,)) of each."""
    names, unknown = annotations.skeleton.names, np.full(len(annotations.skeleton), np.nan)
    return [
        (image_file(key), person_number(key), names, landmarks, unknown)
        for key, landmarks in zip(annotations.paths, annotations.landmarks, strict=True)
    ]


def _predicted(predictions):
    """The same of predictions; those of arrays have a number instead of an image."""
    people, count = [], Counter()
    for row, one in enumerate(predictions):
        image, number = (row, 1) if one.path is None else (image_file(str(one.path)), person_number(str(one.path)))
        people.append((image, number + count[one.path], one.skeleton.names, one.landmarks, one.confidence))
        count[one.path] += one.path is not None
    return people


def read_csv(path, image_dir=None, skeleton=KINECT20, mapping=None):
    """The landmarks of a table from `write_csv`. Arguments, result and errors are those of `read_coco`."""
    labels, people = LabelFile(path), {}
    with open_text(path, "table of landmarks", newline="") as file, malformed(path, "its text", "write_csv"):
        reader = csv.DictReader(file, restval="")
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise DataError(f"{path}: its first line must be {','.join(COLUMNS)}")
        for line in reader:
            with malformed(path, f"line {reader.line_num}", "write_csv"):
                labels.add_joints([line["joint"]])
                joints = people.setdefault((line["image"], int(line["person"])), {})
                if line["x"]:
                    joints[line["joint"]] = (float(line["x"]), float(line["y"]))
    for (image, number), joints in people.items():
        labels.add(image, joints, number)
    return to_annotations(labels, image_dir, skeleton, mapping)
