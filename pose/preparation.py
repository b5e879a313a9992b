"""From a joints file to a training and a validation set that share no person, kept as two joints files."""

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from pose.annotations import Annotations, read_annotations, write_annotations
from pose.checkpoints import write_whole

PROJECT = Path(__file__).parents[1]
SAMPLE = PROJECT / "data" / "sample"


class Prepared(NamedTuple):
    """A data set divided for training: two `Annotations`, and the folder that their images are in."""

    train: Annotations
    valid: Annotations
    image_dir: Path


def split(annotations, groups=None, valid_share=0.2, seed=0):
    """Annotations divided into (train, valid).

    groups: one value an image; images of one group (a person, say) stay on one side. Without it each image is a group.
    valid_share: the share of the groups that goes to validation.
    Raises ValueError where there are fewer than two groups.
    """
    groups = np.arange(len(annotations)) if groups is None else np.asarray(groups)
    if len(np.unique(groups)) < 2:
        raise ValueError("a split needs at least two images (or two persons); add some, or split without groups")
    shuffle = GroupShuffleSplit(1, test_size=valid_share, random_state=seed)
    train, valid = next(shuffle.split(groups, groups=groups))
    return annotations.select(train), annotations.select(valid)


def subjects_of(annotations, clips_csv, image_dir):
    """The subject of each image, from the clips file that covers it; an image outside every clip is its own subject."""
    names = [Path(path).relative_to(image_dir).as_posix() for path in annotations.paths]
    row_of = {name: row for row, name in enumerate(names)}
    subjects = np.array(names, dtype=object)
    with open(clips_csv, encoding="utf-8-sig", newline="") as file:
        for number, clip in enumerate(csv.DictReader(file), start=2):
            try:
                subject, first, last = clip["subject"], row_of[clip["first_image"]], row_of[clip["last_image"]]
            except KeyError as missing:
                raise ValueError(
                    f"{clips_csv}, line {number}: {missing} is not a column of it, or no image of the joints file; "
                    "correct it"
                ) from None
            if last < first:
                raise ValueError(f"{clips_csv}, line {number}: last_image comes before first_image; exchange them")
            subjects[first : last + 1] = subject
    return subjects


def prepare(joints_txt, image_dir, out_dir, valid_share=0.2, seed=0):
    """Reads and splits a data set, and leaves train.txt, valid.txt and source.json in `out_dir` for `prepared`.

    Where clips.csv lies beside the joints file the split is by subject, so that validation shows people never seen;
    otherwise it is by image. Returns `Prepared`.
    Raises ValueError where the joints file itself lies in `out_dir`; what `read_annotations` and `split` raise.
    """
    joints_txt, image_dir, out_dir = Path(joints_txt), Path(image_dir), Path(out_dir)
    if joints_txt.resolve().parent == out_dir.resolve():
        raise ValueError(f"{out_dir} is for the files made of {joints_txt}, which lies in it; choose another folder")
    annotations = read_annotations(joints_txt, image_dir)
    clips_csv = joints_txt.with_name("clips.csv")
    groups = subjects_of(annotations, clips_csv, image_dir) if clips_csv.exists() else None
    train, valid = split(annotations, groups, valid_share, seed)
    for name, part in (("train.txt", train), ("valid.txt", valid)):
        write_annotations(out_dir / name, part, image_dir, overwrite=True)
    write_whole(out_dir / "source.json", json.dumps({"image_dir": str(image_dir.resolve())}))
    return Prepared(train, valid, image_dir)


def prepared(out_dir):
    """The `Prepared` that `prepare` left in `out_dir`; where there is none it is made from the sample data."""
    out_dir = Path(out_dir)
    if not (out_dir / "source.json").exists():
        return prepare(SAMPLE / "joints.txt", SAMPLE / "images", out_dir)
    image_dir = Path(json.loads((out_dir / "source.json").read_text(encoding="utf-8"))["image_dir"])
    train, valid = (read_annotations(out_dir / name, image_dir) for name in ("train.txt", "valid.txt"))
    return Prepared(train, valid, image_dir)
