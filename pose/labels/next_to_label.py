"""`next_to_label`: the images of which a model is least sure, in poses unlike those labelled."""

import numpy as np

from pose.geometry import PIXELS_PER_SCALE, center_and_scale
from pose.labels.label_store import LabelStore
from pose.labels.prelabel import predict_people, untouched


def next_to_label(predictor, image_dir, joints_txt, count=20):
    """The images in a folder that a person should label next, as a list of paths, the most useful first.

    predictor: a `Predictor` with the model trained so far.
    joints_txt: what is labelled already; images in which a person has labelled a joint are not proposed again, and in
        others the model looks where the file has the person.
    An image is useful if the model is unsure of its joints, and if the person's pose is unlike those labelled and those
    proposed before it: each time the image with the largest product of the two is taken.
    Raises DataError for a folder without images, and whatever `Predictor.predict` raises.
    """
    store = LabelStore(joints_txt, image_dir, predictor.skeleton)
    people = predict_people(predictor, store, untouched(store))  # {key: `Prediction`}
    if not people:
        return []
    unsure = np.array([1 - person.confidence.mean() for person in people.values()])
    poses = in_box(np.array([person.landmarks for person in people.values()]))
    labelled = [labels.landmarks for labels in store.labelled.values() if labels.touched]
    known = in_box(np.array(labelled)) if labelled else poses[:0]
    keys = list(people)
    rows = most_useful(unsure, poses, known, 2 * count)  # two may be of one image
    return list(dict.fromkeys(str(store.path(keys[row])) for row in rows))[:count]


def in_box(landmarks):
    """Landmarks (N, K, 2) relative to the middle of their box, in units of its longer side."""
    center, scale = center_and_scale(landmarks, margin=1)
    return (landmarks - center[:, None]) / (PIXELS_PER_SCALE * scale[:, None, None])


def most_useful(unsure, poses, known, count):
    """The rows, at most `count`, of the largest products of `unsure` and the distance to the nearest other pose.

    unsure: (N,); poses: (N, K, 2); known: (M, K, 2), the poses that are labelled. The distance between two poses is the
    mean of their joints'; NaN joints do not count. A pose that has no joint in common with any other is as far away as
    the farthest. If nothing is known, the first is the one that is the least sure.
    """
    nearest = np.full(len(poses), np.inf)
    for pose in known:
        nearest = np.minimum(nearest, _distance(poses, pose))
    rows = []
    for _ in range(min(count, len(poses))):
        farthest = nearest.max(where=np.isfinite(nearest), initial=0) or 1.0
        useful = unsure * np.minimum(nearest, farthest)
        useful[rows] = -1
        rows.append(int(useful.argmax()))
        nearest = np.minimum(nearest, _distance(poses, poses[rows[-1]]))
    return rows


def _distance(poses, pose):
    """The mean distance of the joints of poses (N, K, 2) from those of one (K, 2), (N,); infinite if none is common."""
    distance = np.linalg.norm(poses - pose, axis=2)
    known = np.isfinite(distance)
    mean = np.where(known, distance, 0).sum(axis=1) / np.maximum(1, known.sum(axis=1))
    return np.where(known.any(axis=1), mean, np.inf)
