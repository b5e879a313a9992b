"""Adds the labels that LSP Extended lacks, and lists the photographs held out for testing.

    python benchmarks/photographs.py --data data/lsp --out data/lsp/joints_20.txt

writes a joints file with trunk, hands and feet, the latter from a ready-made model (20 minutes; its files are
downloaded first). `lsp_test.txt` and `lsp_choose.txt` name 500 photographs for testing, and 150 that choose the epoch.
"""

import argparse
from pathlib import Path

import numpy as np

import pose
from pose.labels import ReadyMade, fetch_models
from pose.labels.blazepose_joints import TRUNK

AGREE = 0.25  # torso lengths
REACH = 1.1  # radius of the circle around the body; 1: from the hips to the farthest labelled joint
HANDS_AND_FEET = {
    f"{side}_{end}": f"{side}_{joint}"
    for end, joint in (("hand", "wrist"), ("foot", "ankle"))
    for side in ("left", "right")
}


def split(annotations):
    """Rows to train on, to choose the epoch, and to test on, by the photographs' names."""
    row = {Path(path).name: i for i, path in enumerate(annotations.paths)}
    lists = [Path(__file__).with_name(f"lsp_{use}.txt").read_text().split() for use in ("choose", "test")]
    choose, test = (np.array([row[name] for name in names]) for names in lists)
    return np.setdiff1d(np.arange(len(annotations)), np.concatenate([choose, test])), choose, test


def add_trunk(annotations):
    """Labels hip_center and spine, in place, wherever both hips and both shoulders are labelled."""
    joints = annotations.skeleton.index
    left_hip, right_hip, left_shoulder, right_shoulder = (
        annotations.landmarks[:, joints(f"{side}_{joint}")]
        for joint in ("hip", "shoulder")
        for side in ("left", "right")
    )
    hips = (left_hip + right_hip) / 2
    up = (left_shoulder + right_shoulder) / 2 - hips
    for name, height in TRUNK.items():
        annotations.landmarks[:, joints(name)] = hips + height * up


def add_hands_and_feet(annotations, model):
    """Labels hands and feet, in place, with those of a `ReadyMade` whose wrist (ankle) agrees with the labelled one.

    Agree: is within `AGREE` torso lengths of it, on the same side. Others, and those outside the image, stay NaN.
    Prints how many were added.
    """
    for path, landmarks in zip(annotations.paths, annotations.landmarks, strict=True):
        image = pose.read_image(path)
        people = candidates(image, landmarks, model)
        if len(people):
            size = np.array([image.shape[1], image.shape[0]])
            for end, joint in HANDS_AND_FEET.items():
                place = agreeing(people, landmarks, end, joint)
                inside = ((place > -0.5) & (place < size - 0.5)).all()
                landmarks[pose.KINECT20.index(end)] = place if inside else np.nan
    for end, joint in HANDS_AND_FEET.items():
        labelled, added = (
            np.isfinite(annotations.landmarks[:, pose.KINECT20.index(name), 0]).sum() for name in (joint, end)
        )
        print(f"{end}: added to {added} of the {labelled} images where {joint} is labelled")


def candidates(image, landmarks, model):
    """Whom the model finds, (P, 20, 2) px: everybody; the surest one in the labels' box; and the one in the circle
    that the labels (20, 2) suggest, since the detector often misses or turns acrobats.
    """
    people = model.predict(image) + model.predict(image, [boxes_of(landmarks)])
    hips, shoulders = (
        pose.center_and_scale(landmarks[[pose.KINECT20.index(f"{side}_{joint}") for side in ("left", "right")]])[0]
        for joint in ("hip", "shoulder")
    )
    length = np.linalg.norm(shoulders - hips)
    if length > 0:
        radius = REACH * np.nanmax(np.linalg.norm(landmarks - hips, axis=1))
        people.append(model.person(image, hips, hips + radius * (shoulders - hips) / length))
    found = np.array([person.landmarks for person in people if person]).reshape(-1, *landmarks.shape)
    return found[np.isfinite(found).all(axis=(1, 2))]


def boxes_of(landmarks):
    """The boxes (..., 4) px, left, top, right, bottom, of the labelled joints (..., K, 2)."""
    return np.concatenate([np.nanmin(landmarks, axis=-2), np.nanmax(landmarks, axis=-2)], axis=-1)


def agreeing(people, landmarks, end, joint):
    """The place (2,) of joint `end` in that one of `people` (P, 20, 2) whose `joint` is the nearest to the labelled
    one; NaN where that is too far away, or not labelled.
    """
    end, joint = pose.KINECT20.index(end), pose.KINECT20.index(joint)
    torsos = _torso(people) if np.isnan(_torso(landmarks)) else _torso(landmarks)
    distances = np.linalg.norm(people[:, joint] - landmarks[joint], axis=1) / torsos
    nearest = distances.argmin()
    return people[nearest, end] if distances[nearest] <= AGREE else np.full(2, np.nan)


def _torso(landmarks):
    """The distance between the ends of the torso in landmarks (..., 20, 2): (...)."""
    shoulder, hip = pose.KINECT20.torso_indices
    return np.linalg.norm(landmarks[..., shoulder, :] - landmarks[..., hip, :], axis=-1)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and joints.txt")
    parser.add_argument("--out", type=Path, required=True, help="joints file to write")
    args = parser.parse_args(argv)
    annotations = pose.read_annotations(args.data / "joints.txt", args.data / "images")
    add_trunk(annotations)
    add_hands_and_feet(annotations, ReadyMade(fetch_models(), min_score=0.2))
    pose.write_annotations(args.out, annotations, args.data / "images")


if __name__ == "__main__":
    main()
