"""SLEAP's labels (.slp) and its analysis files (.h5).

Pereira et al., "SLEAP: A deep learning system for multi-animal pose tracking", Nature Methods 2022. Coordinates are
pixels whose centre is an integer; points that people placed count from the corner before format 1.1.
"""

import json
import os

import numpy as np

from pose.labels.formats.hdf5 import array, open_hdf5, texts
from pose.labels.formats.people import LabelFile, to_annotations
from pose.labels.formats.source import FRAME_NAME, frame_path, video_name, with_slashes
from pose.runtime.errors import DataError
from pose.skeleton import KINECT20

USER, EDGE = 0, 1  # kinds of instances and of links
CENTERED_SINCE, CORNER = 1.1, 0.5


def read_sleap(path, image_dir=None, skeleton=KINECT20, mapping=None, frame_name=FRAME_NAME, predicted=False):
    """The labels of a .slp file, or the tracks of an analysis .h5 file.

    predicted: also take the predictions of a .slp file, in frames where nobody labelled anything; else they are left
        out and counted. An analysis file does not tell them apart.
    frame_name: how images of a video are named, as in `read_cvat`. Where the video is a list of images, they keep their
        names, relative to the folder that contains all of them.
    If the file has tracks, the number of a person is that of the track, from 1.
    The other arguments, result and errors are those of `read_coco`; also raises PackageError without h5py.
    """
    labels = LabelFile(path)
    with open_hdf5(path, "SLEAP") as file:
        if "tracks" in file:
            _add_tracks(labels, file, frame_name)
        else:
            _add_instances(labels, file, frame_name, predicted)
    return to_annotations(labels, image_dir, skeleton, mapping)


def _add_tracks(labels, file, frame_name):
    names, tracks = texts(file, "node_names"), array(file, "tracks")
    if tracks.ndim != 4 or tracks.shape[1:3] != (2, len(names)) or "frame" in str(file["tracks"].attrs.get("dims"))[:9]:
        raise DataError(
            f"{labels.path}: 'tracks' is {tracks.shape}; expected tracks × 2 × {len(names)} joints × frames, the order "
            "of axes that SLEAP itself writes; export it again"
        )
    labels.add_joints(names)
    labels.limbs = [(names[a], names[b]) for a, b in array(file, "edge_inds").tolist()]
    video = video_name(str(file["video_path"].asstr()[()]))
    for frame, people in enumerate(tracks.transpose(3, 0, 2, 1).tolist()):
        for number, points in enumerate(people, start=1):
            joints = _labelled(names, points)
            if joints:
                labels.add(frame_path(frame_name, video, frame), joints, number)


def _add_instances(labels, file, frame_name, predicted):
    skeletons, version = _skeletons(file, labels)
    videos = [json.loads(text)["backend"] for text in texts(file, "videos_json")]
    points = {kind: array(file, name) for kind, name in ((True, "points"), (False, "pred_points"))}
    instances = array(file, "instances")
    tracked = (instances["track"] >= 0).all()
    for frame in array(file, "frames"):
        people = instances[frame["instance_id_start"] : frame["instance_id_end"]]
        is_user = people["instance_type"] == USER
        wanted = is_user if is_user.any() or not predicted else ~is_user
        labels.left_out["predictions"] += int((~wanted).sum())
        image = _image(videos[frame["video"]], int(frame["frame_idx"]), frame_name)
        for one, by_user in zip(people[wanted], is_user[wanted], strict=True):
            own = points[bool(by_user)][one["point_id_start"] : one["point_id_end"]]
            shift = CORNER if by_user and version < CENTERED_SINCE else 0
            places = np.stack([own["x"] - shift, own["y"] - shift], axis=1)
            places[~own["visible"]] = np.nan
            number = int(one["track"]) + 1 if tracked else None
            labels.add(image, _labelled(skeletons[one["skeleton"]], places.tolist()), number)


def _labelled(names, points):
    return {name: (x, y) for name, (x, y) in zip(names, points, strict=True) if x == x and y == y}  # NaN: no label


def _skeletons(file, labels):
    """The joints' names of each skeleton, in the order of the points, and the format's version."""
    metadata = file["metadata"].attrs
    content = json.loads(metadata["json"])
    nodes, skeletons = [node["name"] for node in content["nodes"]], []
    for one in content["skeletons"]:
        skeletons.append([nodes[node["id"]] for node in one["nodes"]])
        labels.add_joints(skeletons[-1])
        labels.limbs += [(nodes[a], nodes[b]) for a, b in _edges(one["links"])]
    return skeletons, float(metadata["format_id"])


def _edges(links):
    """Pairs of node numbers. A link's kind is written out once and referred to afterwards, by its number from 1."""
    kinds = []
    for link in links:
        if "py/reduce" in link["type"]:
            kinds.append(link["type"]["py/reduce"][1]["py/tuple"][0])
            kind = kinds[-1]
        else:
            kind = kinds[link["type"]["py/id"] - 1]
        if kind == EDGE:
            yield link["source"], link["target"]


def _image(video, frame, frame_name):
    """The image of a frame of a video or of a list of images."""
    images = [with_slashes(name) for name in video.get("filenames", ())]
    if not images:
        return frame_path(frame_name, video_name(video["filename"]), frame)
    return os.path.relpath(images[frame], os.path.commonpath([os.path.dirname(image) or "." for image in images]))
