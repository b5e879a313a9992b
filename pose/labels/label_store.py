"""`LabelStore`: the labels of a folder of images while people label it. Several may do so at once, in several tabs."""

import io
import os
from bisect import bisect
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pose.annotations import AnnotationError, Annotations, joints_lines, relative_name
from pose.images import list_images
from pose.joints_file import JOINTS, joints_line, read_table
from pose.labels.status import PREDICTED, read_status, status_file, write_status
from pose.people import image_file, person_key, person_number
from pose.runtime.errors import DataError, MissingError
from pose.runtime.files import read_bytes, write_atomically
from pose.runtime.findings import raise_errors
from pose.skeleton import KINECT20, skeleton_of

DONE, UNSURE, TO_DO = "done", "unsure", "to do"


@dataclass
class Labels:
    """The labels of one person in one image.

    landmarks: (K, 2) float64, x then y, image px, NaN where there is none.
    status, confidence: (K,), as in `pose.labels.status`. A joint that nobody has looked at yet is PREDICTED without
        landmark and confidence, so that a picture that is left half labelled is not trained on.
    """

    landmarks: np.ndarray
    status: np.ndarray
    confidence: np.ndarray

    @classmethod
    def none(cls, count):
        """Those of a picture with `count` joints that nobody has looked at."""
        return cls(np.full((count, 2), np.nan), np.full(count, PREDICTED, np.uint8), np.full(count, np.nan, np.float32))

    @property
    def are_none(self):
        return bool(np.isnan(self.landmarks).all() and (self.status == PREDICTED).all())

    @property
    def touched(self):
        """Whether a person has labelled a joint."""
        return bool((self.status != PREDICTED).any())

    @cached_property
    def state(self):
        """DONE, UNSURE (with predicted joints) or TO_DO."""
        if self.are_none:
            return TO_DO
        return UNSURE if (self.status == PREDICTED).any() else DONE

    @property
    def mean_confidence(self):
        """The mean confidence of the predicted joints, in 0 … 1; 1 if there is none."""
        predicted = self.confidence[self.status == PREDICTED]
        return float(np.nan_to_num(predicted).mean()) if len(predicted) else 1.0

    def equals(self, other):
        """Whether both are the same in a file, which has three decimals."""
        numbers = (self.landmarks, other.landmarks), (self.confidence, other.confidence)
        near = all(np.allclose(one, two, rtol=0, atol=1e-3, equal_nan=True) for one, two in numbers)
        return near and np.array_equal(self.status, other.status)


class LabelStore:
    """The labels of a folder of images, in a joints file and its status file, which need not exist yet.

    joints_txt, image_dir, skeleton: as in `read_annotations`.
    images: paths of the images to be labelled, in that order; by default all in the folder: first those with predicted
        joints, the least sure first, then those without labels, then the rest.
    keys: what there is to label, as a list: names of images relative to the folder, `photo.jpg#2` for the second
        person of photo.jpg.
    Every read looks at the files, so that nothing is lost if somebody else writes them, too. Lines of other images and
    comments stay as they are.
    Raises AnnotationError with all faults of the file, MissingError if the folder or all images are missing, DataError
    if `images` is empty.
    """

    def __init__(self, joints_txt, image_dir, skeleton=KINECT20, images=None):
        self.joints_txt, self.image_dir, self.skeleton = Path(joints_txt), Path(image_dir), skeleton
        if not self.image_dir.is_dir():
            raise MissingError(f"{image_dir}: there is no such image folder; check the path")
        folder = [relative_name(path, image_dir) for path in list_images(str(image_dir))]
        self._row_of = {file: row for row, file in enumerate(folder)}
        self.keys = folder if images is None else [relative_name(path, image_dir) for path in images]
        self._seen, self._labels, self._lines = None, {}, []
        self.read()
        if self._labels and not any(self.file(key) in self._row_of for key in self._labels):
            raise MissingError(f"{image_dir}: has none of the images of {joints_txt}; is that the right folder?")
        if not self.keys:
            raise DataError("there is no image to label: `images` is empty")
        if images is None:
            rank = {UNSURE: 0, TO_DO: 1, DONE: 2}
            self.keys.sort(key=lambda key: (rank[self.state(key)], self.labels(key).mean_confidence))

    @property
    def labelled(self):
        """{key: `Labels`} of all lines of the joints file, as of the last `read`."""
        return self._labels

    def labels(self, key):
        """The `Labels` of a key, as of the last `read`."""
        return self._labels.get(key) or Labels.none(len(self.skeleton))

    def state(self, key):
        return self.labels(key).state

    def path(self, key):
        """The path of the image file of a key."""
        return image_file(os.path.join(self.image_dir, key))

    def people(self, key):
        """The keys of all people in the picture of this one, itself included."""
        return [other for other in self.keys if self.file(other) == self.file(key)]

    def add_person(self, key):
        """The key of one more person in the picture of this one."""
        people = self.people(key)
        number = 1 + max(person_number(os.path.join(self.image_dir, other)) for other in people)
        added = person_key(self.file(key), number)
        self.keys.insert(self.keys.index(people[-1]) + 1, added)
        return added

    def previous(self, key):
        """The `Labels` of the same person in the image before this one in the folder; None if it has none."""
        number, place = person_number(os.path.join(self.image_dir, key)), self._place(key)
        before = [other for other in self._labels if self._place(other)[0] == place[0] - 1]
        return next((self._labels[other] for other in before if self._place(other)[1] == number), None)

    def least_sure(self):
        """The key with the least sure predicted joints; None if no joint is predicted."""
        unsure = [key for key in self.keys if self.state(key) == UNSURE]
        return min(unsure, key=lambda key: self.labels(key).mean_confidence, default=None)

    def read(self):
        """Reads the files, unless they are as they were. Raises AnnotationError with all faults."""
        content = self._content()
        if content == self._seen:
            return
        lines = list(io.StringIO(content[0].decode("utf-8", "surrogateescape"), newline=""))
        self._labels, key_on = self._parsed() if content[0] else ({}, {})
        self._lines = [(key_on.get(number), line) for number, line in enumerate(lines, start=1)]
        self._seen = content
        self.keys = self._with_people()

    def save(self, key, labels, base):
        """Writes the `Labels` of a key to the files, if they differ from `base`, those that the editing began with.

        If somebody else has changed them meanwhile, theirs are put aside: returns the path of the joints file that has
        them, else None. Raises AnnotationError if the joints file has been given faults, FileError if it cannot be
        written, DataError for a name or a landmark that could not be read back.
        """
        self.read()
        theirs = self.labels(key)
        if labels.equals(base) or labels.equals(theirs):
            return None
        lines = {key: self._line(key, labels)}
        aside = None if theirs.equals(base) or theirs.are_none else self._put_aside(key, theirs)
        self._put({key: labels}, lines)
        self._write(labels.state)
        return aside

    def predict(self, predicted):
        """Writes what a model predicted, {key: `Labels`}, in place of all lines of these pictures.

        Pictures in which a person has labelled a joint meanwhile are left alone. Returns what was written.
        """
        self.read()
        touched = {self.file(key) for key, labels in self._labels.items() if labels.touched}
        predicted = {key: labels for key, labels in predicted.items() if self.file(key) not in touched}
        files, none = {self.file(key) for key in predicted}, Labels.none(len(self.skeleton))
        gone = {key: none for key in self._labels if self.file(key) in files and key not in predicted}
        for changes, state in ((gone, TO_DO), (predicted, UNSURE)):
            self._put(changes, {key: self._line(key, labels) for key, labels in changes.items()})
            self._write(state)
        return predicted

    def _content(self):
        """The bytes of the joints file and of the status file."""
        paths = self.joints_txt, status_file(self.joints_txt)
        return tuple(read_bytes(path, "labels' file") if path.exists() else b"" for path in paths)

    def _parsed(self):
        """({key: `Labels`}, {line number: key}) of the joints file."""
        table, findings = read_table(self.joints_txt, self.skeleton)
        raise_errors([one for one in findings if one.kind != "empty"], AnnotationError)
        status, confidence = read_status(self.joints_txt, table.names, self.skeleton)
        rows = zip(table.names, table.landmarks, status, confidence, strict=True)
        return {name: Labels(*row) for name, *row in rows}, dict(zip(table.lines, table.names, strict=True))

    def file(self, key):
        """The name of the image file of a key, relative to the folder."""
        number = person_number(os.path.join(self.image_dir, key))
        return key if number == 1 else key.removesuffix(f"#{number}")

    def _place(self, key):
        """Where a key belongs in the joints file: (row of its image in the folder, number of the person)."""
        row = self._row_of.get(self.file(key), len(self._row_of))
        return row, person_number(os.path.join(self.image_dir, key))

    def _with_people(self):
        """The keys, each followed by those of further people who are in the joints file."""
        people = defaultdict(list)
        for key in self._labels.keys() - set(self.keys):
            people[self.file(key)].append(key)
        together = []
        for key in self.keys:
            together += [key, *sorted(people.pop(key, ()), key=self._place)]
        return together

    def _line(self, key, labels):
        """The line of the joints file, "" if nobody has looked at the picture."""
        if labels.are_none:
            return ""
        (line,) = joints_lines(Annotations([key], labels.landmarks[None], skeleton=self.skeleton))
        return line

    def _put(self, changes, lines):
        """Replaces, adds or removes the `Labels` and the lines of keys, two dictionaries.

        A new line comes after that of the image before it in the folder, since clips need this order.
        """
        named = any(line.startswith(JOINTS) for _, line in self._lines)
        if not self._labels and not named and self.skeleton.names != skeleton_of(len(self.skeleton)).names:
            self._lines.append((None, f"{joints_line(self.skeleton)}\n"))
        if self._lines and not self._lines[-1][1].endswith(("\n", "\r")):
            self._lines[-1] = (self._lines[-1][0], f"{self._lines[-1][1]}\n")
        places, new = sorted((self._place(key), key) for key in self._labels), defaultdict(list)
        for key in sorted(changes.keys() - self._labels.keys(), key=self._place):
            before = bisect(places, (self._place(key),))
            new[places[before - 1][1] if before else None].append((key, lines[key]))
        merged = []
        for key, line in self._lines:
            if key:
                merged += new.pop(None, [])
            merged.append((key, lines.get(key, line)))
            if key:
                merged += new.pop(key, [])
        self._lines = [(key, line) for key, line in merged + new.pop(None, []) if line]
        self._labels |= changes
        self._labels = {key: labels for key, labels in self._labels.items() if not labels.are_none}

    def _write(self, state):
        """Writes both files; a kill in between must not leave labels that look more confirmed than they are."""
        self._seen = None  # if writing fails, the files are read again
        keys = [key for key, _ in self._lines if key]
        count = len(self.skeleton)
        status = np.array([self._labels[key].status for key in keys]).reshape(-1, count)
        confidence = np.array([self._labels[key].confidence for key in keys]).reshape(-1, count)
        text = "".join(line for _, line in self._lines)
        steps = [
            lambda: write_atomically(self.joints_txt, text),
            lambda: write_status(self.joints_txt, keys, self.skeleton, status, confidence),
        ]
        for step in reversed(steps) if state == UNSURE else steps:
            step()
        self._seen = self._content()

    def _put_aside(self, key, labels):
        """Writes labels to a joints file of their own; returns its path."""
        number, path = 1, self.joints_txt
        while path.exists():
            path = self.joints_txt.with_name(f"{self.joints_txt.stem}.theirs-{number}.txt")
            number += 1
        write_status(path, [key], self.skeleton, labels.status[None], labels.confidence[None])
        write_atomically(path, f"{joints_line(self.skeleton)}\n{self._line(key, labels)}")
        return path
