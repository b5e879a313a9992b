"""OpenPose's JSON: a file per image or frame, with the people in it.

Cao et al., "OpenPose: Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", TPAMI 2021, and its page
"Output". Coordinates are pixels whose centre is an integer, as here.
"""

from pathlib import Path

from pose.labels.formats.people import LabelFile, to_annotations
from pose.labels.formats.source import in_order, malformed, read_json
from pose.runtime.errors import DataError, MissingError
from pose.skeleton import BODY25, KINECT20

# The older model's joints, in its order.
COCO18 = (
    "nose", "shoulder_center", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye",
    "left_eye", "right_ear", "left_ear",
)  # fmt: skip
_JOINTS = {len(names): names for names in (BODY25.names, COCO18)}


def read_openpose(path, image_dir=None, skeleton=KINECT20, mapping=None, suffix=".jpg", min_confidence=0.0):
    """The people that OpenPose found: `pose_keypoints_2d` of its models BODY_25 and COCO; hands and faces are left out.

    path: a JSON file, or a folder of them. An image has its file's name without `_keypoints`, and `suffix`.
    min_confidence: less certain joints are left out and counted; absent ones (0, 0, 0) always are.
    The joints are called as in `BODY25`. The other arguments, result and errors are those of `read_coco`; the number of
    a person is no identity from frame to frame.
    """
    labels = LabelFile(path)
    labels.limbs = list(BODY25.limbs)
    for file in _files(path):
        content = read_json(file, "OpenPose file")
        with malformed(file, "people", "OpenPose"):
            for person in content["people"]:
                points = person["pose_keypoints_2d"]
                if len(points) // 3 not in _JOINTS or len(points) % 3:
                    raise DataError(f"{file}: has {len(points)} numbers a person; expected 25 or 18 joints, x y c each")
                labels.add_joints(_JOINTS[len(points) // 3])
                image = file.name.removesuffix(".json").removesuffix("_keypoints") + suffix
                labels.add(image, _joints(points, min_confidence, labels.left_out))
    return to_annotations(labels, image_dir, skeleton, mapping)


def _files(path):
    path = Path(path)
    files = in_order(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise MissingError(f"{path}: contains no JSON file; pass the folder that OpenPose wrote with --write_json")
    return files


def _joints(points, min_confidence, left_out):
    joints = {}
    names = _JOINTS[len(points) // 3]
    for name, x, y, confidence in zip(names, points[::3], points[1::3], points[2::3], strict=True):
        if confidence >= max(min_confidence, 1e-9):
            joints[name] = (x, y)
        elif confidence > 0:
            left_out[f"joints less certain than {min_confidence}"] += 1
    return joints
