"""DeepLabCut's labels and predictions, as CSV and H5.

Mathis et al., "DeepLabCut: markerless pose estimation of user-defined body parts with deep learning", Nature
Neuroscience 2018. Coordinates are pixels whose centre is an integer, as here; an empty cell is no label.
"""

import csv

import numpy as np

from pose.labels.formats.hdf5 import SIGNATURE, array, open_hdf5, texts
from pose.labels.formats.people import LabelFile, to_annotations
from pose.labels.formats.source import FRAME_NAME, frame_path, malformed, video_name, with_slashes
from pose.runtime.errors import DataError
from pose.runtime.files import open_text, read_bytes
from pose.skeleton import KINECT20

HEADER = ("scorer", "individuals", "bodyparts", "coords")


def read_deeplabcut(path, image_dir=None, skeleton=KINECT20, mapping=None, frame_name=FRAME_NAME, min_confidence=0.0):
    """The labels (CollectedData…) or predictions of DeepLabCut, of one animal or several.

    path: the CSV file, or the H5 file of labels. In the H5 file of predictions the names of the joints are pickled, so
        it is refused: read the CSV file that DeepLabCut writes with save_as_csv=True.
    image_dir: the project's folder: images are called `labeled-data/video/img000.png`.
    frame_name: how images of a video are named, as in `read_cvat`; predictions are for all frames of one.
    min_confidence: joints with a lower likelihood are left out and counted.
    The number of a person is that of the individual. The other arguments, result and errors are those of `read_coco`;
    also raises PackageError for an H5 file without h5py.
    """
    labels = LabelFile(path)
    is_h5 = read_bytes(path, "DeepLabCut file").startswith(SIGNATURE)
    columns, images, values = _read_h5(path) if is_h5 else _read_csv(path)
    labels.add_joints([joint for _, joint, _ in columns])
    individuals = _individuals(columns)
    for image, row in zip(images, values, strict=True):
        image = _image(image, path, frame_name)
        for number, individual in enumerate(individuals, start=1):
            joints = _labelled(individual, row, min_confidence, labels.left_out)
            if joints:
                labels.add(image, joints, number)
    return to_annotations(labels, image_dir, skeleton, mapping)


def _individuals(columns):
    """For each individual {joint: {x, y and likelihood: number of the column}}."""
    individuals = {}
    for k, (individual, joint, coord) in enumerate(columns):
        individuals.setdefault(individual, {}).setdefault(joint, {})[coord] = k
    return list(individuals.values())


def _labelled(individual, row, min_confidence, left_out):
    joints = {}
    for joint, column in individual.items():
        x, y = row[column["x"]], row[column["y"]]
        if np.isnan(x) or np.isnan(y):
            continue
        if "likelihood" in column and not row[column["likelihood"]] >= min_confidence:
            left_out[f"joints less certain than {min_confidence}"] += 1
        else:
            joints[joint] = (x, y)
    return joints


def _image(place, path, frame_name):
    """The image that a row is about: a path, or the number of a frame."""
    if not str(place).isdecimal():
        return with_slashes(place)
    return frame_path(frame_name, video_name(str(path)).split("DLC_")[0], int(place))


def _checked(columns, path):
    """Columns (individual, joint, coord) of the header's rows, by their names."""
    if not {"scorer", "bodyparts", "coords"} <= set(columns):
        raise DataError(f"{path}: does not begin with the rows scorer, bodyparts and coords; is it DeepLabCut's file?")
    joints, coords = columns["bodyparts"], columns["coords"]
    individuals = columns.get("individuals", [""] * len(joints))
    with malformed(path, "its header", "DeepLabCut"):
        columns = list(zip(individuals, joints, coords, strict=True))
    for individual, joint, _ in columns:
        if not {(individual, joint, "x"), (individual, joint, "y")} <= set(columns):
            raise DataError(f"{path}: {individual} {joint} lacks the column x or y; export the file again")
    return columns


def _read_csv(path):
    """Columns (individual, joint, coord), the M rows' images, and their values (M, columns) float64."""
    with open_text(path, "DeepLabCut file", newline="") as file, malformed(path, "its text", "DeepLabCut"):
        lines = list(csv.reader(file))
    header = {line[0]: line for line in lines[: len(HEADER)] if line and line[0] in HEADER}
    start = next((k for k, cell in enumerate(header.get("coords", ()) if header else ()) if cell == "x"), 1)
    columns = _checked({name: line[start:] for name, line in header.items()}, path)
    images, values = [], np.full((len(lines) - len(header), len(columns)), np.nan)
    for row, line in enumerate(lines[len(header) :]):
        with malformed(path, f"line {len(header) + row + 1}", "DeepLabCut"):
            images.append("/".join(line[:start]))
            values[row, : len(line) - start] = [float(cell or "nan") for cell in line[start:]]
    return columns, images, values


def _read_h5(path):
    """The same of a table that pandas wrote in its fixed format."""
    with open_hdf5(path, "DeepLabCut") as file:
        table = next(iter(file.values()))
        if table.attrs["pandas_type"] != b"frame":
            raise DataError(
                f"{path}: has the names of its joints pickled, which could run code; read the CSV file of the same "
                "labels (deeplabcut.analyze_videos writes it with save_as_csv=True)"
            )
        _, levels = _axis(table, "block0_items")
        images, _ = _axis(table, "axis1")
        return _checked(levels, path), images, array(table, "block0_values").astype(np.float64)


def _axis(table, axis):
    """The labels of an axis, joined by /, and {the level's name: its labels}."""
    if axis in table:
        return texts(table, axis), {}
    levels = {}
    for level in range(int(table.attrs[f"{axis}_nlevels"])):
        names = texts(table, f"{axis}_level{level}")
        name = table[f"{axis}_level{level}"].attrs["name"].decode() + str(level)
        levels[name] = [names[label] for label in array(table, f"{axis}_label{level}")]
    joined = ["/".join(parts) for parts in zip(*levels.values(), strict=True)]
    return joined, {name[:-1]: labels for name, labels in levels.items()}
