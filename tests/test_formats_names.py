"""Joints of other tools are found by name."""

import pytest

import pose
from pose.labels.formats.joint_names import counterparts, spelled
from pose.skeleton import BODY25, COCO17, KINECT20, LSP14


@pytest.mark.parametrize(
    "name",
    ["left_shoulder", "LeftShoulder", "leftShoulder", "LShoulder", "L_Shoulder", "l shoulder", "Left Shoulder",
     "shoulder.L", "shoulder_left", "lshoulder", "leftshoulder", "shoulderL", "LEFT-SHOULDER"],
)  # fmt: skip
def test_sides_are_recognised_however_they_are_spelled(name):
    assert spelled(name) == "left_shoulder"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("rear", "rear"), ("REar", "right_ear"), ("Left", "left"), ("MidHip", "mid_hip"), ("Ель", "ель"), ("?", "?"),
     ("upper neck", "upper_neck"), ("left to right", "left_to_right"), ("joint_12", "joint_12")],
)  # fmt: skip
def test_other_names_keep_their_words(name, expected):
    assert spelled(name) == expected


def test_the_same_joint_under_other_names():
    theirs = ["Neck", "MidHip", "head top", "Nose", "SpineMid", "LBigToe", "lankle"]
    assert counterparts(theirs, KINECT20, None) == {
        "Neck": "shoulder_center", "MidHip": "hip_center", "head top": "head", "SpineMid": "spine",
        "lankle": "left_ankle",
    }  # fmt: skip


def test_a_joint_of_the_same_name_comes_before_another_name_of_it():
    assert counterparts(["neck", "thorax", "shoulder_center"], KINECT20, None) == {"shoulder_center": "shoulder_center"}
    assert counterparts(["neck", "thorax"], KINECT20, None) == {"thorax": "shoulder_center"}


def test_a_mapping_can_leave_a_joint_out():
    assert counterparts(["head", "neck"], KINECT20, {"neck": None}) == {"head": "head"}
    with pytest.raises(pose.PoseError, match="no joint is called 'nose'"):
        counterparts(["head"], KINECT20, {"head": "nose"})


@pytest.mark.parametrize("skeleton", [COCO17, LSP14, BODY25], ids=["COCO17", "LSP14", "BODY25"])
def test_skeletons_are_two_sided_and_connected(skeleton):
    assert skeleton.is_two_sided
    assert {end for limb in skeleton.limbs for end in limb} == set(skeleton.names)
    mirrored = skeleton.mirrored
    assert {tuple(sorted((mirrored[a], mirrored[b]))) for a, b in skeleton.limb_indices} == {
        tuple(sorted(limb)) for limb in skeleton.limb_indices
    }


def test_skeletons_have_the_orders_of_their_sets():
    assert (len(COCO17), len(LSP14), len(BODY25)) == (17, 14, 25)
    assert [COCO17.index(name) for name in ("nose", "left_shoulder", "right_ankle")] == [0, 5, 16]
    assert [LSP14.index(name) for name in ("right_ankle", "left_wrist", "head")] == [0, 11, 13]
    assert [BODY25.index(name) for name in ("shoulder_center", "hip_center", "left_ear", "right_heel")] == [
        1,
        8,
        18,
        24,
    ]
