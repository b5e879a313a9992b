"""`Labeller`: joints placed by hand in a notebook's cell, with mouse, keys or touch."""

import os
from pathlib import Path

import numpy as np

from pose.labels.browser import answering_widget, part_of_picture, picture, skeleton_message
from pose.labels.label_store import Labels, LabelStore
from pose.labels.status import STATUSES
from pose.skeleton import KINECT20

SCRIPT = Path(__file__).with_name("labeller.js")


class Labeller:
    """A labeller of joints: the last value of a cell, it is shown below it. Its keys are explained there.

    joints_txt: the joints file, made or added to; joints.status.csv beside it says what is predicted, guessed or hidden
        (`pose.labels.status`). Every picture is saved when it is left.
    image_dir: the folder of the images, and of those in its sub-folders.
    skeleton: the joints to place, in this order.
    images: paths of the images to label, in that order, such as `next_to_label` gives; by default all in the folder:
        first those with predicted joints, the least sure first, then those without labels.
    `widget` is the widget itself, to be put beside others; needs the package anywidget.
    Raises PackageError without it, AnnotationError with all faults of the joints file, MissingError if the folder or
    all images of the file are missing.
    """

    def __init__(self, joints_txt, image_dir, skeleton=KINECT20, images=None):
        self.skeleton = skeleton
        self.store = LabelStore(joints_txt, image_dir, skeleton, images)
        self.widget = answering_widget("Labeller", SCRIPT, self._answer)

    def _repr_mimebundle_(self, **options):
        return self.widget._repr_mimebundle_(**options)

    def _answer(self, kind, message):
        """The reply to a question of the browser; see `answering_widget`."""
        answers = {
            "start": self._start,
            "labels": self._labels,
            "picture": self._picture,
            "save": self._save,
            "previous": self._previous,
            "add person": self._add_person,
            "least sure": self._least_sure,
        }
        return answers[kind](message)

    def _start(self, message):
        self.store.read()
        return {"skeleton": skeleton_message(self.skeleton), "file": self.store.joints_txt.name} | self._set(message)

    def _set(self, message):
        """The first letters of the states of everything to label, and the keys if the browser lacks some."""
        keys = {"keys": self.store.keys} if message["count"] != len(self.store.keys) else {}
        return keys | {"states": "".join(self.store.state(key)[0] for key in self.store.keys)}

    def _labels(self, message):
        self.store.read()
        key = message["key"]
        people = self.store.people(key)
        return {
            "labels": to_message(self.store.labels(key)),
            "others": [to_message(self.store.labels(other))["landmarks"] for other in people if other != key],
            **self._set(message),
        }

    def _picture(self, message):
        """The whole image, or the part of it that the message names."""
        path, size = self.store.path(message["key"]), (message["width"], message["height"])
        if message["part"]:
            return part_of_picture(path, *message["part"], *size)
        return picture(path, *size)

    def _save(self, message):
        labels, base = (from_message(message[name]) for name in ("labels", "base"))
        aside = self.store.save(message["key"], labels, base)
        return {"aside": aside and os.fspath(aside), **self._set(message)}

    def _previous(self, message):
        labels = self.store.previous(message["key"])
        return {"labels": labels and to_message(labels)}

    def _add_person(self, message):
        return {"added": self.store.add_person(message["key"]), **self._set(message)}

    def _least_sure(self, _):
        return {"key": self.store.least_sure()}


def to_message(labels):
    """`Labels` as lists, with None for NaN and words for statuses."""
    landmarks = [None if np.isnan(place).any() else place.tolist() for place in labels.landmarks]
    confidence = [None if np.isnan(value) else round(float(value), 3) for value in labels.confidence]
    return {"landmarks": landmarks, "status": [STATUSES[code] for code in labels.status], "confidence": confidence}


def from_message(message):
    """The `Labels` of lists from the browser."""
    nowhere = (np.nan, np.nan)
    landmarks = np.array([nowhere if place is None else place for place in message["landmarks"]], np.float64)
    status = np.array([STATUSES.index(word) for word in message["status"]], np.uint8)
    confidence = np.array([np.nan if value is None else value for value in message["confidence"]], np.float32)
    return Labels(landmarks, status, confidence)
