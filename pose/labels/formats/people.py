"""What the readers have in common: people found in a file, as `Annotations` with the joints of a skeleton."""

import os
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pose.annotations import Annotations
from pose.joints_file import MAX_COORDINATE, leaves_folder
from pose.labels.formats.joint_names import checked_mapping, counterparts, spelled
from pose.people import person_key
from pose.runtime.errors import DataError, MissingError
from pose.runtime.files import printable
from pose.skeleton import Skeleton


class Person(NamedTuple):
    """image: its name, with /. joints: {their name: (x, y)}, image px (a pixel's centre is an integer), labelled joints
    only. number: which person of the image, from 1, if the file tells people apart from image to image.
    """

    image: str
    joints: dict
    number: int | None = None


@dataclass
class LabelFile:
    """A file of labels: `path`, its joints' names, pairs of them as limbs, its people, and what it has besides."""

    path: object
    joints: list = field(default_factory=list)
    limbs: list = field(default_factory=list)
    people: list = field(default_factory=list)
    left_out: Counter = field(default_factory=Counter)

    def add_joints(self, names):
        names = list(names)
        if not all(isinstance(name, str) for name in names):
            raise DataError(f"{self.path}: {names!r:.80} are not the names of joints; correct them")
        self.joints += [name for name in dict.fromkeys(names) if name not in self.joints]

    def add(self, image, joints, number=None):
        """A person; the joints may include new ones."""
        self.add_joints(joints)
        joints = {name: (float(x), float(y)) for name, (x, y) in joints.items()}
        at_zero = [name for name, xy in joints.items() if xy == (0, 0)]
        self.left_out["labels at exactly (0, 0), which means no label here"] += len(at_zero)
        joints = {name: xy for name, xy in joints.items() if xy != (0, 0)}
        self.people.append(Person(image, joints, number))


def add_points(labels, image, points, place):
    """Adds the people of one image whose points are single ones.

    points: (group, joint, (x, y)); those of a group are a person, and those without one (None) together are another.
    Raises DataError if a person has a joint twice.
    """
    people = {}
    for group, joint, xy in points:
        person = people.setdefault(group, {})
        if joint in person:
            raise DataError(
                f"{labels.path}, {place}: {joint!r} is there twice{'' if group is None else f' in group {group}'}; "
                "group the points of each person"
            )
        person[joint] = xy
    for joints in people.values():
        labels.add(image, joints)


def to_annotations(labels, image_dir, skeleton, mapping):
    """The people as `Annotations`; prints which joint became which, and what was left out.

    image_dir, skeleton, mapping: as in `read_coco`.
    Raises DataError if there is nobody, no joint has a counterpart, or an image's name or a coordinate is impossible;
    MissingError if none of the images is in `image_dir`.
    """
    if not labels.people:
        raise DataError(f"{labels.path}: contains no keypoints; did you label and export them?")
    if skeleton is None:
        skeleton, ours = _own_skeleton(labels, mapping)
    else:
        ours = counterparts(labels.joints, skeleton, mapping)
    if not ours:
        raise DataError(
            f"{labels.path}: none of its joints ({', '.join(labels.joints)}) has a counterpart; pass "
            'mapping={"their name": "our name"}, or skeleton=None to keep its own joints'
        )
    if image_dir is not None:
        _leave_out(labels, _absent_images(labels, image_dir), f"people in images that are not in {image_dir}")
    counts = Counter(joint for person in labels.people for joint in person.joints)
    unlabelled = {id(person) for person in labels.people if ours.keys().isdisjoint(person.joints)}
    _leave_out(labels, unlabelled, "people without a label of these joints")
    keys = _keys(labels)
    print("\n".join(map(printable, _report(labels, ours, skeleton, counts))))
    paths = keys if image_dir is None else [os.path.join(image_dir, key) for key in keys]
    return Annotations(paths, _landmarks(labels, ours, skeleton), skeleton=skeleton)


def _own_skeleton(labels, mapping):
    """The file's joints as a `Skeleton`, spelled as this project does, and {their name: its name}."""
    mapping = checked_mapping(labels.joints, mapping)
    names = {name: mapping.get(name, spelled(name)) for name in labels.joints if mapping.get(name, name) is not None}
    if len(set(names.values())) < len(names):  # two differ in their spelling only
        names = {name: mapping.get(name, name) for name in names}
    limbs = dict.fromkeys((names[a], names[b]) for a, b in labels.limbs if a in names and b in names)
    return Skeleton(tuple(names.values()), tuple(limbs)), names


def _absent_images(labels, image_dir):
    """The people, as a set of their id, whose image is not there. Raises MissingError if that is everybody."""
    if not Path(image_dir).is_dir():
        raise MissingError(f"{image_dir}: there is no such image folder; check the path")
    root = os.path.realpath(image_dir)

    @cache
    def is_there(image):
        path = os.path.join(root, image)
        if os.path.commonpath([root, os.path.realpath(path)]) != root:
            raise DataError(f"{labels.path}: {image!r} leads out of {image_dir} through a link; copy the image into it")
        return os.path.isfile(path)

    _check_names(labels)
    absent = {id(person) for person in labels.people if not is_there(person.image)}
    if len(absent) == len(labels.people):
        raise MissingError(
            f"{image_dir}: contains none of the images of {labels.path}, such as {labels.people[0].image}; pass the "
            "folder that these names are relative to"
        )
    return absent


def _check_names(labels):
    """Raises DataError for a name that leads out of the image folder, or is none."""
    for image in {person.image for person in labels.people}:
        if not image.strip(" .") or leaves_folder(image) or "\0" in image:
            raise DataError(
                f"{labels.path}: {image!r} is not an image's name relative to the image folder; correct it in the file"
            )


def _leave_out(labels, people, what):
    """Removes people, given as a set of their id, and counts them."""
    labels.left_out[what] += len(people)
    labels.people = [person for person in labels.people if id(person) not in people]


def _keys(labels):
    """The key of each person in the annotations. Raises DataError if two would have the same."""
    _check_names(labels)
    count, keys = Counter(), []
    for image, _, number in labels.people:
        count[image] += 1
        keys.append(person_key(image, number or count[image]))
    twice = next((key for key, times in Counter(keys).items() if times > 1), None)
    if twice:
        raise DataError(f"{labels.path}: {twice} is there twice; remove one of the two from the file")
    return keys


def _landmarks(labels, ours, skeleton):
    """(M, K, 2) float64, image px, NaN where not labelled. Raises DataError for an impossible coordinate."""
    landmarks = np.full((len(labels.people), len(skeleton), 2), np.nan)
    index = {name: skeleton.index(mine) for name, mine in ours.items()}
    for row, person in enumerate(labels.people):
        for name, xy in person.joints.items():
            if name in index:
                landmarks[row, index[name]] = xy
                if not all(abs(value) < MAX_COORDINATE for value in xy):
                    raise DataError(f"{labels.path}: {name!r} of {person.image} lies at {xy}; correct it in the file")
    return landmarks


def _report(labels, ours, skeleton, counts):
    """The lines that `to_annotations` prints."""
    images = len({person.image for person in labels.people})
    width = max(11, *map(len, labels.joints))
    yield f"{labels.path}: people: {len(labels.people)}, in images: {images}"
    yield f"  {'their joint':{width}}  {'our joint':15}  labels"
    for name in labels.joints:
        yield f"  {name:{width}}  {ours.get(name, '(left out)'):15}  {counts[name]:6}"
    empty = [name for name in skeleton.names if name not in ours.values()]
    if empty:
        yield f"  ours that stay empty: {', '.join(empty)}"
    for what, count in labels.left_out.items():
        if count:
            yield f"  left out: {what}: {count}"
