"""From the 33 landmarks of MediaPipe's BlazePose to the joints of KINECT20, by name."""

import numpy as np

from pose.skeleton import KINECT20

LANDMARK_NAMES = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb",
    "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel",
    "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip
# Joints that BlazePose lacks, as shares of the way between two places: medians of the Kinect's skeletons in UTD-MHAD,
# subjects 1, 3, 5. The labelled necks of LSP Extended are closest to the same share.
HIPS, SHOULDERS, EARS = (("left_" + joint, "right_" + joint) for joint in ("hip", "shoulder", "ear"))
TRUNK = {"hip_center": 0.20, "spine": 0.375}  # from the hips to the shoulders
NECK = 0.37  # from the shoulders to the head
# The Kinect's hand is 0.29 forearms from the wrist, as the knuckles are; its foot 0.22 shins from the ankle, where the
# toes are 0.40.
MEANS = {"head": EARS} | {
    f"{side}_{joint}": tuple(f"{side}_{landmark}" for landmark in landmarks)
    for joint, landmarks in {"hand": ("index", "pinky"), "foot": ("ankle", "foot_index")}.items()
    for side in ("left", "right")
}


def _mean(landmarks):
    """(33,): the weights of the mean of these landmarks."""
    return np.isin(LANDMARK_NAMES, landmarks) / np.float32(len(landmarks))


def _between(first, second, share):
    return (1 - share) * _mean(first) + share * _mean(second)


# (20, 33): how much each landmark counts for each joint; the rows add up to 1.
WEIGHTS = np.stack([_mean(MEANS.get(joint, (joint,))) for joint in KINECT20.names])
for joint, height in TRUNK.items():
    WEIGHTS[KINECT20.index(joint)] = _between(HIPS, SHOULDERS, height)
WEIGHTS[KINECT20.index("shoulder_center")] = _between(SHOULDERS, EARS, NECK)


def to_kinect20(landmarks, visibility):
    """The joints of KINECT20 from BlazePose's landmarks.

    landmarks: (33, 2) px; visibility: (33,) in 0 … 1. Returns landmarks (20, 2) float32 in the same px and confidence
    (20,) float32, the lowest visibility among the landmarks of a joint.
    """
    confidence = np.where(WEIGHTS != 0, visibility, 1).min(axis=1)
    return (WEIGHTS @ landmarks).astype(np.float32), confidence.astype(np.float32)
