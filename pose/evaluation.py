"""Evaluation of predicted landmarks: PCK, AUC, mean error, and the mean pose as a baseline."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset

from pose.dataset import check_data, skeleton_in, sources
from pose.geometry import PIXELS_PER_SCALE, center_and_scale, heatmap_to_image
from pose.heatmaps import heatmaps_to_landmarks
from pose.hourglass import StackedHourglass
from pose.runtime.data_loader import Loader
from pose.runtime.device import autocast, chosen_device, one_thread, to_device, tuned
from pose.runtime.errors import DataError
from pose.skeleton import KINECT20

THRESHOLDS = (0.05, 0.1, 0.2)
AUC_LIMIT = 0.2
ARMS = tuple(f"{side}_{joint}" for joint in ("elbow", "wrist", "hand") for side in ("left", "right"))


def normalised_distances(predicted, labelled, skeleton=KINECT20):
    """Distances between predictions and labels, in torso lengths of the person.

    predicted, labelled: (N, K, 2), image px; NaN in `labelled` where there is no label.
    Returns (N, K): NaN where the joint, or an end of the torso (`skeleton.torso`), is not labelled; infinite where a
    labelled joint has no prediction. Raises DataError for other shapes.
    """
    if np.shape(predicted) != np.shape(labelled) or np.shape(labelled)[-2:] != (len(skeleton), 2):
        raise DataError(
            f"expected two arrays of landmarks (N, {len(skeleton)}, 2), got {np.shape(predicted)} and "
            f"{np.shape(labelled)}; for Annotations pass .landmarks"
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
    """PCK: the share of labelled joints within `threshold` torsos, (K,), from `normalised_distances` (N, K).

    Yang and Ramanan, "Articulated Human Detection with Flexible Mixtures of Parts", PAMI 2013. NaN for a joint without
    any label.
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


def worst_rows(errors, films, count=8):
    """The rows with the largest errors (N,), the worst of every film before the second worst of any; NaN comes last.

    films: a name for each row, which the frames of one film share: they often fail alike.
    """
    order, seen, turns = np.argsort(-np.asarray(errors)), Counter(), []
    for row in order:
        turns.append(seen[films[row]])
        seen[films[row]] += 1
    return order[np.argsort(turns, kind="stable")][:count]


def _ratio(part, whole):
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


@dataclass(frozen=True)
class PoseScores:
    """PCK, AUC and mean error of a set of predictions, per joint, over labelled joints only.

    names: the K joints. counts: (K,) the number of scored labels (in images with a labelled torso).
    pck: {threshold: (K,)}. auc: (K,). error: (K,) px in the original image, over joints with a prediction.
    loss: the mean loss over the images, if `evaluate` was given one.
    """

    names: tuple[str, ...]
    counts: np.ndarray
    pck: dict[float, np.ndarray]
    auc: np.ndarray
    error: np.ndarray
    loss: float = float("nan")

    def mean(self, values, names=None):
        """The mean of per-joint values over all labels of the joints `names` (all joints by default)."""
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
    """A baseline that sees no image: the mean training pose, placed into each image's box.

    train_landmarks: (M, K, 2) px; landmarks: (N, K, 2) px, of which only center and scale are used.
    Returns (N, K, 2) px.
    """
    center, scale = center_and_scale(train_landmarks)
    in_box = (train_landmarks - center[:, None]) / (PIXELS_PER_SCALE * scale[:, None, None])
    labelled = np.isfinite(in_box)
    mean = _ratio(np.where(labelled, in_box, 0).sum(axis=0), labelled.sum(axis=0))
    center, scale = center_and_scale(landmarks)
    return center[:, None] + PIXELS_PER_SCALE * scale[:, None, None] * mean


def predict_heatmaps(model, image):
    """The heatmaps (K, S/4, S/4) that a model predicts for one network input (3, S, S), RGB in 0 … 1."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        return model.eval()(image[None].to(device))[-1][0].cpu()


def predict_dataset(model, dataset, batch_size=32, workers=0, device=None, bf16=False):
    """Landmarks (M, K, 2) float64 in px of the original images, and confidences (M, K), in data set order.

    dataset: any `Dataset` of unaugmented samples like those of `Generic`.
    The model is moved to `device` (the GPU if there is one) and set to evaluation mode. For a skipped image
    (`on_bad_image`) the landmarks are NaN, and the confidences 0.
    Raises DataError if the data set differs from the model's training in its joints or image size.
    """
    return _predict(model, dataset, batch_size, workers, device, bf16)[:2]


def evaluate(model, dataset, batch_size=32, workers=0, device=None, bf16=False, loss=None):
    """`PoseScores` of a model on any `Dataset` of unaugmented samples, in px of the original images.

    loss: a function of the model's output and the samples' heatmaps, such as `heatmap_loss`, whose mean is reported,
    too. Raises DataError for an augmented data set and for shards, and whatever `predict_dataset` raises.
    """
    landmarks, _, labels, mean_loss = _predict(model, dataset, batch_size, workers, device, bf16, loss)
    return replace(score(landmarks, labels, skeleton_in(dataset) or model.skeleton), loss=mean_loss)


def _predict(model, dataset, batch_size, workers, device, bf16, loss=None):
    """Landmarks (M, K, 2), confidences (M, K), labels (M, K, 2), and the mean loss, NaN without a loss function."""
    _check(model, dataset)
    device = chosen_device(device)
    model = model.to(device, memory_format=torch.channels_last).eval()
    found, losses, infos = [], [], []
    for images, heatmaps, info in Loader(dataset, batch_size, num_workers=workers, pin_memory=device.type == "cuda",
                                         worker_init_fn=one_thread):  # fmt: skip
        with torch.inference_mode(), autocast(device, bf16), tuned(device, tf32=bf16):
            outputs = model(to_device(images, device))
            if loss:
                losses.append(len(images) * loss(outputs, to_device(heatmaps, device)))
            found.append(heatmaps_to_landmarks(outputs[-1]))  # read at the end: no batch waits for the last
        infos.append(info)
    places, confidence = (torch.cat(tensors).cpu().numpy() for tensors in zip(*found, strict=True))
    center, scale, rot, labels = (
        torch.cat([info[key] for info in infos]).numpy() for key in ("center", "scale", "rot", "pts")
    )
    landmarks = heatmap_to_image(places, center, scale, rot, outputs[-1].shape[-1])
    confidence[np.isnan(scale)] = 0  # skipped images
    return landmarks, confidence, labels, float(sum(losses) / len(scale)) if losses else np.nan


def _check(model, dataset):
    if not hasattr(model, "num_joints") or not isinstance(dataset, Dataset):
        raise DataError(
            f"expected a StackedHourglass and a Generic, not {type(model).__name__} and {type(dataset).__name__}"
        )
    if isinstance(dataset, IterableDataset):
        raise DataError("evaluate on a Generic; shards are for training")
    if not len(dataset):
        raise DataError("the data set is empty: there is nothing to evaluate")
    if isinstance(model, StackedHourglass):
        check_data(model, dataset)
    if any(source.is_train for source in sources(dataset)):
        raise DataError("evaluate on a data set without augmentation: Generic(..., is_train=False)")
