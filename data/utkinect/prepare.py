"""Converts UT-Kinect-Action3D to plain files: Kinect joints and action labels become joints.txt and clips.csv.

    python data/utkinect/prepare.py --raw RAW_DIR --out OUT_DIR

Data set: L. Xia, C.-C. Chen, J. K. Aggarwal, "View Invariant Human Action Recognition Using Histograms of 3D Joints",
CVPR Workshops 2012. The authors provide it for research on its page at the University of Texas at Austin. Cite it.

RAW_DIR contains the official files: `joints/joints_s{person}_e{take}.txt`, a line per frame with its number and the
x y z of 20 joints in metres (the SDK's order; x right, y up, z away), and `actionLabel.txt`, the frame range of each
action. OUT_DIR gets `joints.txt`, `clips.csv`, `joints_3d.txt` and `camera.json` (formats: data/README.md). The image
names are those of the official RGB archive, `s01_e01/colorImg190.jpg`, which action recognition does not need.
"""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs from a plain checkout

from har.joints_3d import Camera, fit_camera, load_camera, write_joints_3d
from pose.annotations import read_annotations
from pose.clips import write_clips
from pose.runtime.errors import DataError, ExistsError, MissingError
from pose.skeleton import KINECT20

CAMERA = Camera(fx=531.15, fy=531.15, cx=320.0, cy=240.0, width=640, height=480)  # the SDK's nominal colour camera
UNUSUAL = 3  # times longer or shorter than the action's median clip

JOINTS = (
    "hip_center", "spine", "shoulder_center", "head",
    "left_shoulder", "left_elbow", "left_wrist", "left_hand",
    "right_shoulder", "right_elbow", "right_wrist", "right_hand",
    "left_hip", "left_knee", "left_ankle", "left_foot",
    "right_hip", "right_knee", "right_ankle", "right_foot",
)  # fmt: skip
TO_KINECT20 = [JOINTS.index(name) for name in KINECT20.names]

ACTIONS = {
    "walk": "walk", "sitDown": "sit down", "standUp": "stand up", "pickUp": "pick up", "carry": "carry",
    "throw": "throw", "push": "push", "pull": "pull", "waveHands": "wave hands", "clapHands": "clap hands",
}  # fmt: skip


class Label(NamedTuple):
    """One line of the label file: frames `first` to `last` (inclusive) of a recording; NaN as in the file."""

    recording: str
    action: str
    first: float
    last: float

    @property
    def length(self):
        return self.last - self.first

    def __str__(self):
        return f"{self.recording} {self.action} {self.first:g}–{self.last:g}"


def read_labels(path):
    """The `Label`s of an official label file. Raises DataError with file and line for an invalid line."""
    labels, recording = [], None
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        fields = line.replace(":", " ").split()
        if len(fields) == 1 and re.fullmatch(r"s\d+_e\d+", fields[0]):
            recording = fields[0]
        elif len(fields) == 3 and fields[0] in ACTIONS and recording:
            labels.append(Label(recording, ACTIONS[fields[0]], float(fields[1]), float(fields[2])))
        elif fields:
            raise DataError(f"{path}, line {number}: {line!r} is neither a recording nor a labelled action")
    return labels


def read_recording(path):
    """The joints of one recording: frame numbers (T,), ascending, and joints (T, 20, 3) in metres.

    Of lines with the same number the first is used. A joint at (0, 0, 0) was not tracked and becomes NaN.
    """
    try:
        table = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: is damaged ({error}); extract it from the archive again") from None
    if table.shape[1] != 1 + 3 * len(JOINTS):
        raise DataError(f"{path}: expected {1 + 3 * len(JOINTS)} numbers per line, found {table.shape[1]}")
    frames, rows = np.unique(table[:, 0].astype(int), return_index=True)
    joints = table[rows, 1:].reshape(-1, len(JOINTS), 3)[:, TO_KINECT20]
    joints[(joints == 0).all(axis=-1)] = np.nan
    return frames, joints


def correct(labels, corrections):
    """The labels with their ranges replaced by those in the correction file, and a line for each change.

    Raises DataError if the correction file has an unknown label.
    """
    by_name = {(label.recording, label.action): label for label in corrections}
    unknown = by_name.keys() - {(label.recording, label.action) for label in labels}
    if unknown:
        raise DataError(f"the correction file has {sorted(unknown)[0]}, which is not a label in actionLabel.txt")
    corrected = [by_name.get((label.recording, label.action), label) for label in labels]
    changed = [
        f"{old} → {new.first:g}–{new.last:g}"
        for old, new in zip(labels, corrected, strict=True)
        if str(old) != str(new)
    ]
    return corrected, changed


def find_mistakes(labels, frames_of):
    """The labels that cannot form a clip, and a line for each label that breaks a rule.

    A range needs two numbers in ascending order, with at least two frames of joints in between; it lies in the
    recording, shares at most one frame with another, and is at most three times longer or shorter than the median of
    its action. Of two that share frames, the one with the more unusual length is considered wrong.
    Returns (unusable, findings).
    """
    valid = [label for label in labels if label.length > 0]
    medians = {
        action: np.median([label.length for label in valid if label.action == action])
        for action in {label.action for label in valid}
    }
    unusable, findings = set(), []
    for label in labels:
        if not label.length > 0:
            unusable.add(label)
            findings.append(f"{label}: is not a range of frames")
            continue
        frames = frames_of[label.recording]
        if label.first < frames[0] or label.last > frames[-1]:
            findings.append(f"{label}: leaves the recording, {frames[0]}–{frames[-1]}")
        if ((frames >= label.first) & (frames <= label.last)).sum() < 2:
            unusable.add(label)
            findings.append(f"{label}: contains fewer than two frames of joints")
        if not 1 / UNUSUAL <= label.length / medians[label.action] <= UNUSUAL:
            findings.append(f"{label}: the median clip of this action is {medians[label.action]:g} long")
    for a, b in _overlapping(valid):
        wrong = max(a, b, key=lambda label: abs(np.log(label.length / medians[label.action])))
        unusable.add(wrong)
        findings.append(f"{wrong}: shares frames with {b if wrong is a else a}")
    return unusable, findings


def _overlapping(labels):
    """Pairs of labels of one recording that share more than one frame number."""
    pairs = ((a, b) for i, a in enumerate(labels) for b in labels[i + 1 :] if a.recording == b.recording)
    return [(a, b) for a, b in pairs if min(a.last, b.last) > max(a.first, b.first)]


def clip_rows(labels, frames_of):
    """The rows of clips.csv. A frame shared by two labels belongs to the earlier one."""
    rows, taken = [], set()
    for label in sorted(labels, key=lambda label: (label.recording, label.first)):
        frames = frames_of[label.recording]
        names = [image_name(label.recording, f) for f in frames[(frames >= label.first) & (frames <= label.last)]]
        names = [name for name in names if name not in taken]
        taken.update(names)
        clip = f"{label.recording}_{label.action.replace(' ', '_')}"
        if len(names) > 1:  # one of two frames may belong to another label
            rows.append([clip, label.recording.partition("_")[0], label.action, names[0], names[-1]])
    return rows


def image_name(recording, frame):
    """The name of a frame in the official RGB archive."""
    return f"{recording}/colorImg{frame}.jpg"


def find_camera(joints_3d, labelled_txt):
    """A `CameraFit` to a joints file of hand-labelled images, named as in `image_name`."""
    labelled = read_annotations(labelled_txt)
    known = [row for row, name in enumerate(labelled.paths) if name in joints_3d]
    if not known:
        raise DataError(f"{labelled_txt}: none of its images is a frame of the set; name them s01_e01/colorImg190.jpg")
    labelled = labelled.select(known)
    return fit_camera(np.stack([joints_3d[name] for name in labelled.paths]), labelled.landmarks, CAMERA)


def prepare(raw, out, corrections=None, camera=CAMERA, labelled_txt=None):
    """Converts RAW_DIR to OUT_DIR. Returns counts (a Counter), corrections and findings (lines), and a `CameraFit`.

    corrections: a label file whose ranges replace those of actionLabel.txt; labelled_txt: a hand-labelled joints
    file that the camera is fitted to (otherwise there is no fit, and `camera` is used).
    Raises ExistsError if `out` was already prepared, MissingError or DataError if `raw` is wrong.
    """
    raw, out = Path(raw), Path(out)
    if (out / "joints.txt").exists():
        raise ExistsError(f"{out} already has a joints.txt; delete it or pass another --out")
    files = sorted((raw / "joints").glob("joints_s*_e*.txt"))
    if not files:
        raise MissingError(f"{raw}: contains no joints/joints_s01_e01.txt, …; pass another --raw")
    recordings = {path.stem.removeprefix("joints_"): read_recording(path) for path in files}
    frames_of = {name: frames for name, (frames, _) in recordings.items()}
    joints_3d = {
        image_name(name, frame): joints
        for name, (frames, all_joints) in recordings.items()
        for frame, joints in zip(frames, all_joints, strict=True)
    }
    labels, changed = correct(read_labels(raw / "actionLabel.txt"), read_labels(corrections) if corrections else [])
    labels = [label for label in labels if label.recording in recordings]
    unusable, findings = find_mistakes(labels, frames_of)
    rows = clip_rows([label for label in labels if label not in unusable], frames_of)

    fit = find_camera(joints_3d, labelled_txt) if labelled_txt else None
    out.mkdir(parents=True, exist_ok=True)
    write_clips(out / "clips.csv", rows)
    write_joints_3d(out, joints_3d, fit.camera if fit else camera)
    counts = Counter(recordings=len(recordings), labels=len(labels), clips=len(rows), images=len(joints_3d))
    counts.update(subjects=len({row[1] for row in rows}), actions=len({row[2] for row in rows}))
    return counts, changed, findings, fit


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, help="folder with the official joints/ and actionLabel.txt")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--corrections", type=Path, help="label file whose ranges replace the official ones")
    parser.add_argument("--camera", type=Path, help="camera.json to project with (default: the SDK's nominal camera)")
    parser.add_argument("--labelled", type=Path, help="joints file of hand-labelled images to fit the camera to")
    args = parser.parse_args(argv)
    try:
        camera = load_camera(args.camera) if args.camera else CAMERA
        counts, changed, findings, fit = prepare(args.raw, args.out, args.corrections, camera, args.labelled)
    except (OSError, ValueError) as error:
        parser.error(str(error))

    print(f"{'':20}{'official':>9}{'found':>9}")
    official = {"subjects": 10, "actions": 10, "recordings": 20, "labels": 200, "clips": 199, "images": ""}
    for key, value in official.items():
        print(f"{key:20}{value:>9}{counts[key]:>9}")
    print(f"\nranges replaced by the correction file: {len(changed)}", *changed, sep="\n  ")
    print(f"\nlabels that break a rule: {len(findings)}; {counts['labels'] - counts['clips']} of them form no clip")
    print("", *findings, sep="\n  ")
    if fit:
        print(f"\n{fit.camera}\n{fit.table(KINECT20)}")


if __name__ == "__main__":
    main()
