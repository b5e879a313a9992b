"""Converts UTD-MHAD to plain files: depth video and Kinect skeletons become images, joints.txt and clips.csv.

    python data/utd_mhad/prepare.py --raw RAW_DIR --out OUT_DIR

Data set: C. Chen, R. Jafari, N. Kehtarnavaz, "UTD-MHAD: A Multimodal Dataset for Human Action Recognition
Utilizing a Depth Camera and a Wearable Inertial Sensor", ICIP 2015. The authors provide it for research on its page at
the University of Texas at Dallas; of its archives, Depth and Skeleton are needed. Cite the paper.

RAW_DIR contains the official files, `Depth/a{action}_s{subject}_t{trial}_depth.mat` (`d_depth`, 240×320×T, mm, 0 where
no body is) and `Skeleton/…_skeleton.mat` (`d_skel`, 20×3×T, metres, x right, y up, z away). OUT_DIR gets `images/`,
`joints.txt`, `clips.csv`, `joints_3d.txt` and `camera.json` (formats: data/README.md).
"""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from scipy.io import loadmat

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs from a plain checkout

from har.joints_3d import Camera, write_joints_3d
from pose.clips import write_clips
from pose.runtime.errors import DataError, ExistsError, FileError, MissingError
from pose.skeleton import KINECT20

CAMERA = Camera(fx=285.63, fy=285.63, cx=160.0, cy=120.0, width=320, height=240)  # not official, but it fits
SHIFT = 1.75  # frames: the picture of depth frame t belongs to skeleton t − 1.75 (see data/README.md)
MM_PER_GREY = 6  # 255 grey values span 1.5 m: an arm's reach in front of the body and a step behind it
BEFORE, AFTER = "skipped frames before the first skeleton", "skipped frames after the last skeleton"
EMPTY, UNEVEN = "skipped frames without a body", "clips whose two files differ in length"

JOINTS = (
    "head", "shoulder_center", "spine", "hip_center",
    "left_shoulder", "left_elbow", "left_wrist", "left_hand",
    "right_shoulder", "right_elbow", "right_wrist", "right_hand",
    "left_hip", "left_knee", "left_ankle", "left_foot",
    "right_hip", "right_knee", "right_ankle", "right_foot",
)  # fmt: skip
TO_KINECT20 = [JOINTS.index(name) for name in KINECT20.names]

ACTIONS = (
    "right arm swipe to the left", "right arm swipe to the right", "right hand wave", "two hand front clap",
    "right arm throw", "cross arms in the chest", "basketball shoot", "right hand draw x",
    "right hand draw circle (clockwise)", "right hand draw circle (counter clockwise)", "draw triangle",
    "bowling (right hand)", "front boxing", "baseball swing from right", "tennis right hand forehand swing",
    "arm curl (two arms)", "tennis serve", "two hand push", "right hand knock on door",
    "right hand catch an object", "right hand pick up and throw", "jogging in place", "walking in place",
    "sit to stand", "stand to sit", "forward lunge (left foot forward)", "squat (two arms stretch out)",
)  # fmt: skip


def find_clips(raw, subjects=None):
    """Sorted (action, subject, trial) of the official file names under `raw`, of all subjects or of the given ones.

    Raises MissingError if there are none.
    """
    pattern = re.compile(r"a(\d+)_s(\d+)_t(\d+)_(?:depth|skeleton)\.mat")
    matches = (pattern.fullmatch(p.name) for d in ("Depth", "Skeleton") for p in (raw / d).glob("*.mat"))
    clips = sorted({tuple(map(int, match.groups())) for match in matches if match})
    clips = [c for c in clips if 1 <= c[0] <= len(ACTIONS) and (not subjects or c[1] in subjects)]
    if not clips:
        raise MissingError(
            f"{raw}: no clips of {f'subjects {subjects}' if subjects else 'any subject'} there; expected "
            "Depth/a1_s1_t1_depth.mat, Skeleton/a1_s1_t1_skeleton.mat, …; pass another --raw or --subjects"
        )
    return clips


def load_clip(raw, clip_name):
    """Depth (240, 320, T) in mm and skeleton (T', 20, 3) in metres, joints in the order of KINECT20."""
    depth = np.atleast_3d(loadmat(f"{raw}/Depth/{clip_name}_depth.mat")["d_depth"])
    skeleton = np.atleast_3d(loadmat(f"{raw}/Skeleton/{clip_name}_skeleton.mat")["d_skel"])
    if depth.shape[:2] != (CAMERA.height, CAMERA.width) or skeleton.shape[:2] != (len(JOINTS), 3):
        raise DataError(f"d_depth is {depth.shape}, d_skel {skeleton.shape}; expected 240×320×T and 20×3×T")
    return depth, skeleton.transpose(2, 0, 1)[:, TO_KINECT20]


def skeleton_at(skeleton, times):
    """`skeleton` (T, 20, 3) at fractional frames `times` (N,) in 0 … T − 1: (N, 20, 3), interpolated linearly."""
    before = np.floor(times).astype(int)
    after = np.minimum(before + 1, len(skeleton) - 1)
    weight = (times - before)[:, None, None]
    return (1 - weight) * skeleton[before] + weight * skeleton[after]


def depth_to_grey(depth):
    """Depth (H, W) in mm to grey (H, W) uint8: background 0, the body's median depth 128, near is bright."""
    body = depth > 0
    relief = (np.median(depth[body]) - depth.astype(np.float32)) / MM_PER_GREY
    return np.where(body, np.clip(np.round(128 + relief), 1, 255), 0).astype(np.uint8)


def write_frames(image_dir, clip_name, depth, skeleton, shift, step, counts):
    """Writes the images of one clip, `{clip_name}_f{depth frame}.png`; counts skipped frames in `counts`.

    depth, skeleton: as from `load_clip`; shift: frames; step: every step-th depth frame is used.
    Returns the names of the N images and the joints at their times, (N, 20, 3) in metres.
    """
    names, times = [], []
    for t in range(0, depth.shape[2], step):
        picture, time = depth[..., t], t - shift
        if time < 0:
            counts[BEFORE] += 1
        elif time > len(skeleton) - 1:
            counts[AFTER] += 1
        elif not picture.any():
            counts[EMPTY] += 1
        else:
            names.append(f"{clip_name}_f{t:03d}.png")
            times.append(time)
            path = image_dir / names[-1]
            if not cv2.imwrite(str(path), depth_to_grey(picture), [cv2.IMWRITE_PNG_COMPRESSION, 1]):
                raise FileError(f"{path}: cannot be written; is the disk full?")
    return names, skeleton_at(skeleton, np.array(times))


def prepare(raw, out, shift=SHIFT, subjects=None, step=1):
    """Converts RAW_DIR to OUT_DIR. Returns counts (a Counter) and a line for each skipped clip.

    Raises ExistsError if `out` was already prepared, MissingError or DataError if `raw` is wrong.
    """
    raw, out = Path(raw), Path(out)
    if step < 1:
        raise DataError(f"step must be 1 or more, not {step}")
    if (out / "joints.txt").exists() or any((out / "images").glob("*")):
        raise ExistsError(f"{out} already has a joints.txt or images; delete them or pass another --out")
    clips = find_clips(raw, subjects)
    (out / "images").mkdir(parents=True, exist_ok=True)
    counts, skipped, joints_3d, rows = Counter(), [], {}, []
    for action, subject, trial in clips:
        clip_name = f"a{action}_s{subject}_t{trial}"
        try:
            depth, skeleton = load_clip(raw, clip_name)
        except Exception as error:  # a damaged MAT file raises almost anything
            skipped.append(f"{clip_name}: {type(error).__name__}: {error}")
            continue
        counts[UNEVEN] += depth.shape[2] != len(skeleton)
        names, points = write_frames(out / "images", clip_name, depth, skeleton, shift, step, counts)
        if names:
            joints_3d.update(zip(names, points, strict=True))
            rows.append([clip_name, f"s{subject}", ACTIONS[action - 1], names[0], names[-1]])
        else:
            skipped.append(f"{clip_name}: no frame has both a body and a skeleton")
    if not rows:
        raise DataError(f"{raw}: no clip is usable. The first: {skipped[0]}")
    write_clips(out / "clips.csv", rows)
    write_joints_3d(out, joints_3d, CAMERA)
    counts.update(clips=len(rows), images=len(joints_3d))
    counts.update(subjects=len({row[1] for row in rows}), actions=len({row[2] for row in rows}))
    return counts, skipped


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--raw", required=True, help="folder with the official Depth/ and Skeleton/")
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--shift", type=float, default=SHIFT, help="delay of the depth in frames (%(default)s)")
    parser.add_argument("--subjects", type=int, nargs="+", help="only these, for example 1 3 5 (default: all)")
    parser.add_argument("--step", type=int, default=1, help="use every STEP-th frame (%(default)s)")
    args = parser.parse_args(argv)
    try:
        counts, skipped = prepare(args.raw, args.out, args.shift, args.subjects, args.step)
    except (OSError, ValueError) as error:
        parser.error(str(error))

    print(f"{'':40}{'official':>9}{'found':>9}")
    for key, official in {"subjects": 8, "actions": len(ACTIONS), "clips": 861, "images": ""}.items():
        print(f"{key:40}{official:>9}{counts[key]:>9}")
    for key in (BEFORE, AFTER, EMPTY, UNEVEN):
        print(f"{key:49}{counts[key]:>9}")
    print(f"{'skipped clips':49}{len(skipped):>9}", *skipped, sep="\n  ")


if __name__ == "__main__":
    main()
