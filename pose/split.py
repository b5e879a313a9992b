"""Splits a joints file into a training and a validation set that share no person, stored as two joints files."""

import json
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import GroupShuffleSplit

from pose.annotations import (
    Annotations,
    as_annotations,
    fingerprint,
    read_annotations,
    relative_name,
    write_annotations,
)
from pose.clips import ClipError, parse_clips
from pose.labels.status import status_file
from pose.people import image_file, person_number
from pose.runtime.errors import DataError, MissingError, PoseError
from pose.runtime.files import write_atomically
from pose.runtime.findings import raise_errors
from pose.skeleton import KINECT20, Skeleton
from pose.training.run_folders import read_description

INSTALLED = Path(__file__).with_name("sample")
SAMPLE = INSTALLED if INSTALLED.exists() else Path(__file__).parents[1] / "data" / "sample"


class Split(NamedTuple):
    """A data set split for training: two `Annotations`, their image folder, and the joints file they come from."""

    train: Annotations
    valid: Annotations
    image_dir: Path
    joints_txt: Path

    def matches(self, run_dir):
        """Whether the run in that folder was trained on `train`, so that `valid` is new to it."""
        try:
            parts = read_description(run_dir)["data"]["train"]["from"]
            return {part["fingerprint"] for part in parts} == {fingerprint(self.train)}
        except (KeyError, TypeError):  # a folder without a whole config.json
            return False


def split_annotations(annotations, groups=None, valid_share=0.2, seed=0):
    """Annotations split into (train, valid).

    groups: one value per image; images of a group (such as a person) stay on one side. By default each image is a
        group. Groups that meet in a picture, as different people of it, stay together.
    valid_share: the share of the groups that goes to validation.
    Raises DataError if there are fewer than two groups.
    """
    annotations = as_annotations(annotations)
    groups = np.arange(len(annotations)) if groups is None else np.asarray(groups)
    if len(groups) != len(annotations):
        raise DataError(f"{len(annotations)} images need as many groups, got {len(groups)}")
    groups = _joined(groups, [image_file(path) for path in annotations.paths])
    if not (isinstance(valid_share, float) and 0 < valid_share < 1):
        raise DataError(f"valid_share must be above 0.0 and below 1.0, not {valid_share!r}")
    if len(np.unique(groups)) < 2:
        raise DataError(
            "a split needs at least two groups (images, or the subjects of clips.csv who share no picture); add some, "
            "or rename clips.csv to split by image"
        )
    shuffle = GroupShuffleSplit(1, test_size=valid_share, random_state=seed)
    try:
        train, valid = next(shuffle.split(groups, groups=groups))
    except ValueError as error:  # one side would be empty
        raise DataError(f"{len(np.unique(groups))} groups cannot be split like that: {error}") from None
    return annotations.select(train), annotations.select(valid)


def _joined(groups, files):
    """(M,): the groups (M,), as one where they share a file."""
    _, group = np.unique(groups, return_inverse=True)
    _, file = np.unique(files, return_inverse=True)
    count = len(groups)
    edges = coo_array((np.ones(count), (group, group.max(initial=0) + 1 + file)), (2 * count, 2 * count))
    return connected_components(edges, directed=False)[1][group]


def subjects_of(annotations, clips_csv, image_dir):
    """The subject of each image, from the clips file; an image between two clips gets the subject of the earlier one.

    Frames outside every clip mostly show the person of the clips around them. Second people (photo.jpg#2) have clips of
    their own, or no subject. Raises ClipError with all faults of the file.
    """
    (clips,), findings = parse_clips(clips_csv, [annotations.paths], image_dir)
    raise_errors(findings, ClipError)
    in_order = sorted(clips.values(), key=lambda clip: clip.first)
    person = np.array([person_number(path) for path in annotations.paths])
    subjects = np.array(annotations.paths, dtype=object)
    for number in {person[clip.first] for clip in in_order}:
        rows, clips = np.flatnonzero(person == number), [clip for clip in in_order if person[clip.first] == number]
        latest = np.searchsorted([clip.first for clip in clips], rows, side="right") - 1
        subjects[rows] = np.array([clip.subject for clip in clips], object)[latest.clip(0)]
    return subjects


def read_and_split(joints_txt, image_dir, valid_share=0.2, seed=0, skeleton=KINECT20, predicted=False, earlier=()):
    """Reads a joints file and splits it into (train, valid).

    If clips.csv lies next to the joints file the split is by subject, so that validation shows unseen people; otherwise
    it is by image. predicted: as for `read_annotations`. earlier: {image: whether it validated} of an earlier split,
    by names relative to the folder; those images, and the others of their groups, stay on their side.
    """
    annotations = read_annotations(joints_txt, image_dir, skeleton, predicted)
    clips_csv = Path(joints_txt).with_name("clips.csv")
    groups = None
    if clips_csv.exists():
        everything = annotations
        if status_file(joints_txt).exists():  # the clips may show images that are left out
            everything = read_annotations(joints_txt, image_dir, skeleton, predicted=True)
        subject = dict(zip(everything, subjects_of(everything, clips_csv, image_dir), strict=True))
        groups = [subject[path] for path in annotations]
    kept = _extended(annotations, groups, earlier, image_dir, valid_share, seed) if earlier else None
    return kept or split_annotations(annotations, groups, valid_share, seed)


def _extended(annotations, groups, earlier, image_dir, valid_share, seed):
    """(train, valid) in which the images of an earlier split stay on their side, and new groups are split alike.

    None if that is impossible: a group was on both sides, or one side would be empty.
    """
    files = [image_file(path) for path in annotations.paths]
    groups, side_of = _joined(np.arange(len(files)) if groups is None else np.asarray(groups), files), {}
    for group, path in zip(groups.tolist(), annotations.paths, strict=True):
        side = earlier.get(relative_name(path, image_dir))
        if side is not None and side_of.setdefault(group, side) != side:
            return None
    new = np.flatnonzero([group not in side_of for group in groups.tolist()])
    if len(np.unique(groups[new])) > 1:
        _, added = split_annotations(annotations.select(new), groups[new], valid_share, seed)
        aside = set(added.paths)
        side_of |= {
            group: annotations.paths[row] in aside for row, group in zip(new, groups[new].tolist(), strict=True)
        }
    in_valid = np.array([side_of.get(group, False) for group in groups.tolist()])
    if in_valid.all() or not in_valid.any():
        return None
    if len(new):
        print(f"the earlier split is kept; of {len(new)} new images {in_valid[new].sum()} validate")
    return annotations.select(~in_valid), annotations.select(in_valid)


def split_dataset(joints_txt, image_dir, out_dir, valid_share=0.2, seed=0, skeleton=KINECT20, predicted=False):
    """`read_and_split`, written to `out_dir` as train.txt, valid.txt and source.json for `load_split`. Returns `Split`.

    When images are added and the set is split again with the same arguments, those of the split in `out_dir` stay on
    their side, so that a training from the last weights does not validate on images that these were trained on.

    skeleton: the joints in the file; the split, and models trained on it, keep it. predicted: also the images that a
    model labelled and nobody has confirmed.
    Raises DataError if `out_dir` contains the user's own joints files, and whatever `read_annotations` and
    `split_annotations` raise.
    """
    joints_txt, image_dir, out_dir = Path(joints_txt), Path(image_dir), Path(out_dir)
    source, parts = out_dir / "source.json", (out_dir / "train.txt", out_dir / "valid.txt")
    foreign = not source.exists() and any(part.exists() for part in parts)
    if foreign or joints_txt.resolve().parent == out_dir.resolve():
        raise DataError(f"{out_dir} contains joints files that would be overwritten; choose another out_dir")
    origin = {
        "joints_txt": str(joints_txt.resolve()),
        "image_dir": str(image_dir.resolve()),
        "valid_share": valid_share,
        "seed": seed,
        "skeleton": skeleton.settings(),
    }
    earlier = {}
    with suppress(OSError, ValueError, PoseError):  # there is none, or it is damaged
        if json.loads(source.read_text(encoding="utf-8")) == origin:
            for part, is_valid in zip(parts, (False, True), strict=True):
                earlier |= dict.fromkeys(read_annotations(part, skeleton=skeleton), is_valid)
    # Written first: if reading fails, `load_split` must not continue with the data of an earlier split.
    write_atomically(source, json.dumps(origin, indent=1))
    for part in parts:
        part.unlink(missing_ok=True)
    train, valid = read_and_split(joints_txt, image_dir, valid_share, seed, skeleton, predicted, earlier)
    write_annotations(parts[0], train, image_dir)
    write_annotations(parts[1], valid, image_dir)
    return Split(train, valid, image_dir, joints_txt)


def load_split(out_dir):
    """The `Split` that `split_dataset` left in `out_dir`; if there is none it is made from the sample data.

    Raises MissingError if the last `split_dataset` could not read its data, rather than use other data.
    """
    out_dir = Path(out_dir)
    source = out_dir / "source.json"
    if not source.exists():
        return split_dataset(SAMPLE / "joints.txt", SAMPLE / "images", out_dir)
    try:
        origin = json.loads(source.read_text(encoding="utf-8"))
        joints_txt, image_dir = Path(origin["joints_txt"]), Path(origin["image_dir"])
        skeleton = Skeleton.of(origin["skeleton"])
    except (OSError, ValueError, TypeError, KeyError):
        raise DataError(f"{source}: is damaged, or from version 0.1; split the data set again") from None
    if not (out_dir / "valid.txt").exists():
        raise MissingError(f"{joints_txt} could not be read when it was split; fix it and split it again")
    train, valid = (read_annotations(out_dir / name, image_dir, skeleton) for name in ("train.txt", "valid.txt"))
    with suppress(PoseError):  # it may have changed since, or be gone
        _name_lines_of(joints_txt, train, valid, image_dir)
    return Split(train, valid, image_dir, joints_txt)


def _name_lines_of(joints_txt, train, valid, image_dir):
    """Lets messages about train and valid name the lines of the original file, where they can be fixed."""
    whole = read_annotations(joints_txt, skeleton=train.skeleton, predicted=True)
    line_of = dict(zip(whole.paths, whole.lines, strict=True))
    for part in (train, valid):
        names = [relative_name(path, image_dir) for path in part.paths]
        if all(name in line_of for name in names):
            part.source, part.lines = joints_txt, np.array([line_of[name] for name in names])
