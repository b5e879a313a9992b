"""Converts Penn Action to plain files: 13 joints on every frame of 2,326 films, 15 actions, no images needed.

    python data/penn_action/prepare.py --raw RAW_DIR --out OUT_DIR

Data set: W. Zhang, M. Zhu, K. G. Derpanis, "From Actemes to Action: A Strongly-Supervised Representation for
Detailed Action Understanding", ICCV 2013. The authors provide it on the page "Penn Action Dataset" (University of
Pennsylvania). The films are from YouTube: for research only, do not redistribute. Cite the paper.

RAW_DIR contains the official `labels/NNNN.mat`. OUT_DIR gets (formats: data/README.md):

- `joints.txt`: 13 joints of each frame, image px, named as in the official `frames/`. It is read with `pose.PENN13`.
- `clips.csv`: each film is a clip, and counts as a subject of its own: the people are not named.

Which labels are used, and how left and right were found: data/README.md.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.io import loadmat

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs from a plain checkout

from pose.annotations import Annotations, write_annotations
from pose.clips import write_clips
from pose.runtime.errors import DataError, ExistsError, MissingError
from pose.skeleton import PENN13

CORNER = 2.0  # px; nobody's joint is this close to the corner, but what was not labelled is


def load_film(path):
    """One film: its action, landmarks (T, 13, 2) in px, NaN where not labelled, and visible (T, 13) bool.

    Raises DataError if the file is something else.
    """
    try:
        film = loadmat(path)
        landmarks = np.stack([film["x"], film["y"]], axis=-1).astype(float)  # some files have unsigned integers
        visible, (action,) = film["visibility"] > 0, film["action"]
    except Exception as error:  # a damaged MAT file raises almost anything
        raise DataError(f"{path}: cannot be read ({type(error).__name__}: {error}); unpack it again") from None
    if landmarks.shape != (len(visible), len(PENN13), 2) or visible.shape != landmarks.shape[:2]:
        raise DataError(f"{path}: x, y and visibility must be T×13; x and y form {landmarks.shape}")
    corner = ~visible & (landmarks[..., 0] == landmarks[..., 1]) & (landmarks[..., 0] < CORNER)
    landmarks = np.where(corner[..., None], np.nan, landmarks - 1)  # they count from 1
    return str(action).replace("_", " "), landmarks, visible


def prepare(raw, out):
    """Converts RAW_DIR to OUT_DIR. Returns counts (a Counter).

    Raises ExistsError if `out` was already prepared, MissingError or DataError if `raw` is wrong.
    """
    raw, out = Path(raw), Path(out)
    if (out / "joints.txt").exists():
        raise ExistsError(f"{out} already has a joints.txt; delete it or pass another --out")
    files = sorted((raw / "labels").glob("[0-9]*.mat"))
    if not files:
        raise MissingError(f"{raw}: contains no labels/0001.mat, …; pass another --raw")
    counts, names, films, rows = Counter(), [], [], []
    for path in files:
        action, landmarks, visible = load_film(path)
        images = [f"{path.stem}/{frame:06d}.jpg" for frame in range(1, len(landmarks) + 1)]
        labelled = np.isfinite(landmarks).all(axis=-1)
        counts.update(joints=int(labelled.sum()), hidden=int((labelled & ~visible).sum()))
        names += images
        films.append(landmarks)
        rows.append([path.stem, f"film {path.stem}", action, images[0], images[-1]])
    out.mkdir(parents=True, exist_ok=True)
    write_clips(out / "clips.csv", rows)
    write_annotations(out / "joints.txt", Annotations(names, np.concatenate(films), skeleton=PENN13))
    counts.update(clips=len(rows), images=len(names), actions=len({row[2] for row in rows}))
    return counts


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, help="folder with the official labels/")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    args = parser.parse_args(argv)
    try:
        counts = prepare(args.raw, args.out)
    except (OSError, ValueError) as error:
        parser.error(str(error))

    print(f"{'':31}{'official':>9}{'found':>9}")
    for key, official in {"clips": 2326, "actions": 15, "images": "", "joints": "", "hidden": ""}.items():
        print(f"{key:31}{official:>9}{counts[key]:>9}")


if __name__ == "__main__":
    main()
