"""The Kinect's skeleton: its order, its mirror, its limbs."""

import pytest

from pose.skeleton import KINECT20, Skeleton, skeleton_named


def test_kinect_joints_are_in_the_documented_order():
    pairs = ("shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "foot")
    assert KINECT20.names == (
        *("hip_center", "spine", "shoulder_center", "head"),
        *(f"{side}_{joint}" for joint in pairs for side in ("left", "right")),
    )


def test_mirroring_swaps_left_and_right_and_keeps_the_middle():
    assert KINECT20.mirrored == [0, 1, 2, 3, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14, 17, 16, 19, 18]


def test_mirroring_goes_by_name_whatever_the_order():
    arms = Skeleton(("right_hand", "left_hand", "nose", "left_foot", "right_foot"), limbs=())
    assert arms.mirrored == [1, 0, 2, 4, 3]


def test_limbs_join_all_joints_into_one_tree():
    assert len(KINECT20.limb_indices) == len(KINECT20) - 1
    reached = {0}
    for _ in KINECT20.names:
        reached |= {b for a, b in KINECT20.limb_indices if a in reached}
    assert reached == set(range(20))


def test_the_torso_goes_from_the_left_shoulder_to_the_right_hip():
    assert KINECT20.torso_indices == (4, 13)


def test_an_unknown_joint_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no joint is called 'nose'.*hip_center, spine"):
        KINECT20.index("nose")


def test_joints_without_a_torso_are_told_to_name_one():
    tail = Skeleton(("nose", "tail", "paw"), limbs=())
    with pytest.raises(ValueError, match=r"left_shoulder and right_hip, .* torso=\('nose', 'paw'\)"):
        _ = tail.torso_indices
    assert Skeleton(("nose", "tail"), limbs=(), torso=("nose", "tail")).torso_indices == (0, 1)


def test_a_skeleton_is_found_by_name_or_read_from_a_file(tmp_path):
    assert skeleton_named("COCO17").names[0] == "nose"
    path = tmp_path / "mouse.json"
    path.write_text('{"names": ["nose", "tail"], "limbs": [["nose", "tail"]], "torso": ["nose", "tail"]}')
    assert skeleton_named(str(path)) == Skeleton(("nose", "tail"), (("nose", "tail"),), ("nose", "tail"))
    path.write_text('{"names": ["nose", "tail"]}')
    with pytest.raises(ValueError, match=r"mouse.json: is not a skeleton .* write"):
        skeleton_named(str(path))
    with pytest.raises(FileNotFoundError, match="no skeleton is called 'MOUSE'; known are KINECT20, "):
        skeleton_named("MOUSE")
