"""Prints the accuracy of a checkpoint and of MediaPipe's ready-made model on the 500 held-out photographs.

    python benchmarks/photographs_accuracy.py --data data/lsp --weights pose/weights/hourglass.safetensors

The checkpoint gets each person's box from the labels. MediaPipe's model ("full") has a detector of its own, which sees
either that box or the whole photograph; there the person whose box overlaps the labelled one most is compared. The
model's files are downloaded first.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from photographs import boxes_of, split
from torchvision.ops import box_iou

import pose
from pose.evaluation import THRESHOLDS
from pose.labels import ReadyMade, fetch_models
from pose.runtime.device import machine

LIMBS = tuple(
    f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)
JOINTS = (*LIMBS, "head", "shoulder_center")
HEAD, NECK = pose.KINECT20.index("head"), pose.KINECT20.index("shoulder_center")


def on_whole(model, path, box):
    """Landmarks (20, 2) of the person whose box overlaps `box` most; NaN if nobody is found."""
    people = [person.landmarks for person in model.predict(path)]
    if not people:
        return np.full((20, 2), np.nan)
    overlaps = box_iou(torch.from_numpy(boxes_of(np.array(people, float))), torch.from_numpy(box[None]))
    return people[overlaps.argmax()]


def to_crown(landmarks):
    """LSP's head is the crown: as far above the middle of the head as the neck is below it."""
    landmarks = landmarks.copy()
    landmarks[HEAD] += landmarks[HEAD] - landmarks[NECK]
    return landmarks


def row(name, predict, annotations):
    """A row of the table. predict: a function of a path and a box (4,) px that returns landmarks (20, 2)."""
    labels = annotations.landmarks
    start = time.perf_counter()
    found = [predict(path, box) for path, box in zip(annotations.paths, boxes_of(labels), strict=True)]
    ms = 1000 * (time.perf_counter() - start) / len(labels)
    scores = pose.score(np.array(found), labels)
    shares = [scores.mean(scores.pck[threshold], joints) for joints in (JOINTS, LIMBS) for threshold in THRESHOLDS[1:]]
    return f"{name:44}" + "".join(f"{share:9.3f}" for share in shares) + f"{ms:10.0f}"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and joints.txt")
    parser.add_argument("--weights", type=Path, required=True, help="checkpoint")
    parser.add_argument("--inp-res", type=int, help="side of its input, px (default: that of its training)")
    parser.add_argument("--min-score", type=float, default=0.5, help="of MediaPipe's detections (default: its own)")
    args = parser.parse_args(argv)
    annotations = pose.read_annotations(args.data / "joints.txt", args.data / "images")
    annotations = annotations.select(split(annotations)[2])
    hourglass, ready_made = pose.Predictor(args.weights, args.inp_res), ReadyMade(fetch_models(), args.min_score)
    print(f"{len(annotations)} photographs one by one on {machine()}")
    print(f"{'':44}{'14 joints':>18}{'12 of limbs':>18}")
    print(f"{'':44}" + 2 * "".join(f"{f'PCK@{threshold}':>9}" for threshold in THRESHOLDS[1:]) + f"{'ms':>10}")
    for name, predict in {
        f"checkpoint, {hourglass.inp_res} px, labelled box":
            lambda path, box: hourglass.predict(path, [box])[0].landmarks,
        "MediaPipe, labelled box": lambda path, box: to_crown(ready_made.predict(path, [box])[0].landmarks),
        "MediaPipe, whole photograph": lambda path, box: to_crown(on_whole(ready_made, path, box)),
    }.items():  # fmt: skip
        print(row(name, predict, annotations), flush=True)


if __name__ == "__main__":
    main()
