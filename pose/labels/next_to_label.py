"""`next_to_label`: the images whose labels would teach a model most."""

import numpy as np

from pose.geometry import PIXELS_PER_SCALE, center_and_scale
from pose.images import list_images
from pose.labels.prelabel import read_confirmed
from pose.people import image_file
from pose.runtime.progress import progress_bar

BATCH = 64  # images between two updates of the progress bar


def next_to_label(predictor, image_dir, joints_txt, count=20):
    """The images in a folder that a person should label next, as a list of paths, the most useful first.

    predictor: a `Predictor` with the model trained so far.
    joints_txt: what is labelled already; the images confirmed there are not proposed again.
    An image is useful if the model is unsure of its joints, and if the person's pose is unlike those labelled and those
    proposed before it: each time the image with the largest product of the two is taken.
    Raises DataError for a folder without images, and whatever `Predictor.predict` raises.
    """
    labelled = read_confirmed(joints_txt, image_dir, predictor.skeleton)
    done = {image_file(path) for path in labelled}
    paths = [str(path) for path in list_images(str(image_dir)) if str(path) not in done]
    landmarks, confidence = _predict(predictor, paths)
    unsure = 1 - confidence.mean(axis=1)
    return [paths[row] for row in most_useful(unsure, in_box(landmarks), in_box(labelled.landmarks), count)]


def _predict(predictor, paths):
    """Landmarks (N, K, 2) in image px, and confidence (N, K)."""
    predictions = []
    with progress_bar(len(paths), "predict", "images") as bar:
        for start in range(0, len(paths), BATCH):
            predictions += predictor.predict(paths[start : start + BATCH])
            bar.update(len(predictions) - bar.n)
    joints = len(predictor.skeleton)
    landmarks = np.array([prediction.landmarks for prediction in predictions]).reshape(-1, joints, 2)
    return landmarks, np.array([prediction.confidence for prediction in predictions]).reshape(-1, joints)


def in_box(landmarks):
    """Landmarks (N, K, 2) relative to the middle of their box, in units of its longer side."""
    center, scale = center_and_scale(landmarks, margin=1)
    return (landmarks - center[:, None]) / (PIXELS_PER_SCALE * scale[:, None, None])


def most_useful(unsure, poses, known, count):
    """The rows, at most `count`, of the largest products of `unsure` and the distance to the nearest other pose.

    unsure: (N,); poses: (N, K, 2); known: (M, K, 2), the poses that are labelled. The distance between two poses is the
    mean of their joints'; NaN joints do not count. If nothing is known, the first is the one that is the least sure.
    """
    nearest = np.full(len(poses), np.inf)
    for pose in known:
        nearest = np.minimum(nearest, _distance(poses, pose))
    rows = []
    for _ in range(min(count, len(poses))):
        useful = unsure * nearest if np.isfinite(nearest).any() else unsure.copy()
        useful[rows] = -1
        rows.append(int(np.nan_to_num(useful, nan=0).argmax()))
        nearest = np.minimum(nearest, _distance(poses, poses[rows[-1]]))
    return rows


def _distance(poses, pose):
    """The mean distance of the joints of poses (N, K, 2) from those of one (K, 2), (N,); 0 without common joints."""
    distance = np.linalg.norm(poses - pose, axis=2)
    known = np.isfinite(distance)
    return np.where(known, distance, 0).sum(axis=1) / np.maximum(1, known.sum(axis=1))
