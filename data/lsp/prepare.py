"""Converts Leeds Sports Pose Extended to plain files: photographs of difficult poses with 14 labelled joints.

    python data/lsp/prepare.py --raw RAW_DIR --out OUT_DIR

Data set: S. Johnson, M. Everingham, "Learning Effective Human Pose Estimation from Inaccurate Annotation",
CVPR 2011. Its page, "Leeds Sports Pose Extended Training Dataset", is on the first author's site. The
photographs belong to Flickr users: for research only, do not redistribute. Cite the paper.

RAW_DIR contains the official files, `images/imNNNNN.jpg` and `joints.mat` (`joints`, 14×3×10000: x, y, visible).
OUT_DIR gets `images/` (the same files) and `joints.txt` (format: data/README.md). Photographs have no clips.
"""

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.io import loadmat

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs from a plain checkout

from pose.annotations import write_annotations
from pose.runtime.errors import DataError, ExistsError, MissingError
from pose.skeleton import KINECT20

# Left and right are the person's own. The last two are LSP's "neck" and "head top", mapped to the nearest of KINECT20.
JOINTS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
    "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
    "shoulder_center", "head",
)  # fmt: skip
IN_KINECT20 = [KINECT20.index(name) for name in JOINTS]
ABSENT, UNLABELLED = "skipped absent images", "skipped images without a label"


def load_joints(raw):
    """Labels (N, 20, 2) of images 1 … N, image px, in the order of KINECT20, NaN where not labelled.

    A joint with flag 0 is not labelled: all of them in an image have the same position beyond its edge, where (0, 0)
    ended up when the photograph was cropped and scaled. The rest are unchanged (see data/README.md).
    Raises MissingError if joints.mat is missing, DataError if it is something else.
    """
    path = raw / "joints.mat"
    if not path.is_file():
        raise MissingError(f"{path}: does not exist; put the official file there or pass another --raw")
    joints = loadmat(path).get("joints", np.empty(0))
    if joints.ndim != 3 or joints.shape[:2] != (len(JOINTS), 3):
        raise DataError(
            f"{path}: 'joints' is {joints.shape}, expected 14×3×N (x, y, visible); use the official file of "
            "LSP Extended (the smaller LSP is 3×14×2000, and its flag means something else)"
        )
    joints = joints.transpose(2, 0, 1)  # (N, 14, 3)
    landmarks = np.full((len(joints), len(KINECT20), 2), np.nan)
    landmarks[:, IN_KINECT20] = np.where(joints[..., 2:] == 1, joints[..., :2], np.nan)
    return landmarks


def prepare(raw, out):
    """Converts RAW_DIR to OUT_DIR. Returns counts (a Counter).

    Raises ExistsError if `out` was already prepared, MissingError or DataError if `raw` is wrong.
    """
    raw, out = Path(raw), Path(out)
    if (out / "joints.txt").exists() or any((out / "images").glob("*")):
        raise ExistsError(f"{out} already has a joints.txt or images; delete them or pass another --out")
    landmarks = load_joints(raw)
    if not any((raw / "images").glob("im*.jpg")):
        raise MissingError(f"{raw / 'images'}: contains no im*.jpg; put the official images there")
    (out / "images").mkdir(parents=True, exist_ok=True)

    counts, annotations = Counter(), {}
    for number, points in enumerate(landmarks, start=1):
        name = f"im{number:05d}.jpg"
        labelled = int(np.isfinite(points).all(axis=-1).sum())
        if not (raw / "images" / name).is_file():
            counts[ABSENT] += 1
        elif labelled == 0:
            counts[UNLABELLED] += 1
        else:
            shutil.copyfile(raw / "images" / name, out / "images" / name)
            annotations[name] = points
            counts.update({"images": 1, "joints": labelled})
    write_annotations(out / "joints.txt", annotations)  # last: its presence means that all is done
    return counts


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--raw", required=True, help="folder with the official images/ and joints.mat")
    parser.add_argument("--out", required=True, help="folder to write to")
    args = parser.parse_args(argv)
    try:
        counts = prepare(args.raw, args.out)
    except (OSError, ValueError) as error:
        parser.error(str(error))

    print(f"{'':31}{'official':>9}{'found':>9}")
    for key, official in {"images": 10_000, "joints": 123_213}.items():
        print(f"{key:31}{official:>9}{counts[key]:>9}")
    for key in (ABSENT, UNLABELLED):
        print(f"{key:40}{counts[key]:>9}")


if __name__ == "__main__":
    main()
