"""How good predicted landmarks are: PCK, AUC and the mean error, and the mean pose as a baseline."""

from dataclasses import dataclass

import numpy as np

from pose.errors import DataError
from pose.geometry import PIXELS_PER_SCALE, center_and_scale
from pose.skeleton import KINECT20

THRESHOLDS = (0.05, 0.1, 0.2)
AUC_LIMIT = 0.2
ARMS = tuple(f"{side}_{joint}" for joint in ("elbow", "wrist", "hand") for side in ("left", "right"))


def normalised_distances(predicted, labelled, skeleton=KINECT20):
    """Distances between predictions and labels, as a share of the person's torso.

    predicted, labelled: (N, K, 2), image px; NaN in `labelled` where there is no label.
    Returns (N, K): NaN where the joint, or an end of the torso (`skeleton.torso`), is not labelled; infinite where a
    labelled joint has no prediction. Raises DataError for other shapes.
    """
    if np.shape(predicted) != np.shape(labelled) or np.shape(labelled)[-2:] != (len(skeleton), 2):
        raise DataError(
            f"expected landmarks (N, {len(skeleton)}, 2) twice, got {np.shape(predicted)} and {np.shape(labelled)}; "
            "those of Annotations are their .landmarks"
        )
    shoulder, hip = skeleton.torso_indices
    torso = np.linalg.norm(labelled[:, shoulder] - labelled[:, hip], axis=-1)
    torso = np.where(torso > 0, torso, np.nan)
    return _distances(predicted, labelled) / torso[:, None]


def _distances(predicted, labelled):
    distances = np.linalg.norm(np.asarray(predicted, np.float64) - labelled, axis=-1)
    missed = np.isfinite(labelled).all(axis=-1) & ~np.isfinite(predicted).all(axis=-1)
    return np.where(missed, np.inf, distances)


def pck(distances, threshold):
    """The share of labelled joints nearer than `threshold` torsos, (K,), from `normalised_distances` (N, K).

    PCK of Yang and Ramanan, "Articulated Human Detection with Flexible Mixtures of Parts", PAMI 2013. NaN for a joint
    that is labelled nowhere.
    """
    counted = ~np.isnan(distances)
    return _ratio((np.where(counted, distances, np.inf) <= threshold).sum(axis=0), counted.sum(axis=0))


def auc(distances, limit=AUC_LIMIT):
    """The mean of PCK over all thresholds from 0 to `limit`, (K,): the area under its curve, between 0 and 1."""
    counted = ~np.isnan(distances)
    gained = np.clip(1 - np.where(counted, distances, np.inf) / limit, 0, None)
    return _ratio(gained.sum(axis=0), counted.sum(axis=0))


def error_per_image(distances):
    """The mean of each image's distances (N, K) over its labelled joints, (N,); NaN where none is labelled."""
    counted = ~np.isnan(distances)
    return _ratio(np.where(counted, distances, 0).sum(axis=1), counted.sum(axis=1))


def _ratio(part, whole):
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


@dataclass(frozen=True)
class PoseScores:
    """PCK, AUC and mean error of one set of predictions, a value a joint, over labelled joints only.

    names: the K joints. counts: (K,) how many labels were scored (those of images with a labelled torso).
    pck: {threshold: (K,)}. auc: (K,). error: (K,) px in the original image, over the joints that got a prediction.
    """

    names: tuple[str, ...]
    counts: np.ndarray
    pck: dict[float, np.ndarray]
    auc: np.ndarray
    error: np.ndarray

    def mean(self, values, names=None):
        """The mean of a value a joint over all labels of the joints `names` (all joints by default)."""
        chosen = np.array([name in (names or self.names) for name in self.names]) & np.isfinite(values)
        if not chosen.any():
            return float("nan")
        return float(np.average(values[chosen], weights=self.counts[chosen]))

    def summary(self):
        """The figures over all joints: {"pck@0.05", "pck@0.1", "pck@0.2", "auc", "error_px"}."""
        scores = {f"pck@{threshold}": self.mean(values) for threshold, values in self.pck.items()}
        return scores | {"auc": self.mean(self.auc), "error_px": self.mean(self.error)}

    def __str__(self):
        columns = [*(f"PCK@{threshold}" for threshold in self.pck), "AUC", "error px", "labels"]
        lines = [f"{'joint':16}" + "".join(f"{column:>10}" for column in columns)]
        values = np.stack([*self.pck.values(), self.auc, self.error])
        rows = [(name, values[:, k], self.counts[k]) for k, name in enumerate(self.names)]
        rows += [("all joints", [self.mean(value) for value in values], self.counts.sum())]
        for name, row, count in rows:
            *shares, error = row
            lines.append(f"{name:16}" + "".join(f"{v:10.3f}" for v in shares) + f"{error:10.2f}{count:10d}")
        return "\n".join(lines)


def score(predicted, labelled, skeleton=KINECT20):
    """`PoseScores` of predictions (N, K, 2) against labels (N, K, 2), both in px of the original images."""
    distances = normalised_distances(predicted, labelled, skeleton)
    counted = ~np.isnan(distances)
    pixels = _distances(predicted, labelled)
    found = counted & np.isfinite(pixels)
    return PoseScores(
        names=skeleton.names,
        counts=counted.sum(axis=0),
        pck={threshold: pck(distances, threshold) for threshold in THRESHOLDS},
        auc=auc(distances),
        error=_ratio(np.where(found, pixels, 0).sum(axis=0), found.sum(axis=0)),
    )


def mean_pose(train_landmarks, landmarks):
    """The baseline that looks at no image: the mean training pose, put into each image's box.

    train_landmarks: (M, K, 2) px; landmarks: (N, K, 2) px, of which only center and scale are used.
    Returns (N, K, 2) px.
    """
    center, scale = center_and_scale(train_landmarks)
    in_box = (train_landmarks - center[:, None]) / (PIXELS_PER_SCALE * scale[:, None, None])
    labelled = np.isfinite(in_box)
    mean = _ratio(np.where(labelled, in_box, 0).sum(axis=0), labelled.sum(axis=0))
    center, scale = center_and_scale(landmarks)
    return center[:, None] + PIXELS_PER_SCALE * scale[:, None, None] * mean
