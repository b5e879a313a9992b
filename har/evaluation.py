"""Evaluation of a recogniser: its predictions on a data set, and their scores."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import classification_report, confusion_matrix
from torch.nn import functional as F

from har.datasets import collate_clips
from pose.runtime.data_loader import Loader
from pose.runtime.device import chosen_device
from pose.runtime.errors import DataError


@dataclass(frozen=True)
class ActivityScores:
    """The predictions of a recogniser for M clips, and their scores.

    clips: M `Clip`. actions: the names of the A classes. probabilities: (M, A) float64.
    """

    clips: list
    actions: list
    probabilities: np.ndarray

    @property
    def labels(self):
        """(M,) the class of each clip."""
        return np.array([self.actions.index(clip.action) for clip in self.clips])

    @property
    def predicted(self):
        """(M,) the most probable class of each clip."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self):
        """The share of clips whose most probable action is correct."""
        return float((self.predicted == self.labels).mean())

    @property
    def loss(self):
        """The mean cross-entropy of the clips, in nats."""
        right = self.probabilities[np.arange(len(self.clips)), self.labels]
        return float(-np.log(np.maximum(right, 1e-12)).mean())

    @property
    def confusion(self):
        """(A, A) counts, rows the true action and columns the predicted one."""
        return confusion_matrix(self.labels, self.predicted, labels=range(len(self.actions)))

    def __str__(self):
        """Precision, recall, F1 and count of each action, as formatted by scikit-learn."""
        return classification_report(
            self.labels, self.predicted, labels=range(len(self.actions)), target_names=self.actions, zero_division=0
        )

    def rows(self):
        """A dictionary per clip: clip, subject, action, predicted, probability (of the predicted action)."""
        return [
            {
                "clip": clip.name,
                "subject": clip.subject,
                "action": clip.action,
                "predicted": self.actions[best],
                "probability": round(float(row[best]), 4),
            }
            for clip, row, best in zip(self.clips, self.probabilities, self.predicted, strict=True)
        ]


def evaluate(model, dataset, batch_size=32, workers=0, device=None):
    """`ActivityScores` of an `ActivityHead` on a `SequenceDataset`, or of a `HourglassLSTM` on a `ClipDataset`.

    The model is moved to `device` (the GPU if there is one) and set to evaluation mode.
    Raises DataError for an augmented data set, and if model and data differ in their actions or image size.
    """
    if dataset.is_train:
        raise DataError("evaluate on a data set without augmentation: is_train=False")
    known = model.actions
    if known not in (None, dataset.actions):
        raise DataError(
            f"the model knows the actions {', '.join(known)}, the data have {', '.join(dataset.actions)}; pass "
            "actions=model.actions to the data set"
        )
    if model.num_actions != len(dataset.actions):
        raise DataError(
            f"the model knows {model.num_actions} actions, the data have {len(dataset.actions)}; pass the actions of "
            "the training to the data set, actions="
        )
    model.check(dataset)
    device = chosen_device(device)
    model = model.to(device).eval()
    logits = []
    for batch in Loader(dataset, batch_size, num_workers=workers, collate_fn=collate_clips):
        padded, lengths, _, *more = batch
        to_image = [matrices.to(device) for matrices in more[1:]]  # from a `ClipDataset`, after tpts
        with torch.inference_mode():
            logits.append(model(padded.to(device), lengths.to(device), *to_image))
    probabilities = F.softmax(torch.cat(logits).double(), dim=1).cpu().numpy()
    return ActivityScores(dataset.clips, dataset.actions, probabilities)
