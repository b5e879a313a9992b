"""PCK, AUC, error and the mean pose, by hand on a skeleton of three joints."""

import numpy as np
import pytest

from pose.evaluation import ARMS, auc, mean_pose, normalised_distances, pck, score
from pose.skeleton import KINECT20, Skeleton

NAN, INF = np.nan, np.inf
THREE = Skeleton(("left_shoulder", "right_hip", "head"), limbs=())

# Torsos of 100, 50 and, in the third image, none: its hip is not labelled.
LABELLED = np.array([
    [[0, 0], [60, 80], [10, 10]],
    [[0, 0], [0, 50], [NAN, NAN]],
    [[0, 0], [NAN, NAN], [5, 5]],
])  # fmt: skip
PREDICTED = np.array([
    [[0, 0], [60, 95], [16, 18]],  # 0, 15 and 10 px off
    [[3, 4], [NAN, NAN], [0, 0]],  # 5 px off, missing, not labelled
    [[0, 9], [1, 1], [5, 5]],
])  # fmt: skip


def test_distances_are_shares_of_the_torso():
    expected = [[0, 0.15, 0.1], [0.1, INF, NAN], [NAN, NAN, NAN]]
    np.testing.assert_allclose(normalised_distances(PREDICTED, LABELLED, THREE), expected)


def test_a_torso_without_length_counts_no_joint():
    labelled = np.zeros((1, 3, 2))
    assert np.isnan(normalised_distances(labelled, labelled, THREE)).all()


def test_pck_is_the_share_of_labels_within_the_threshold():
    distances = np.array([[0.0, 0.3, NAN], [0.2, INF, NAN], [0.21, 0.1, NAN]])
    np.testing.assert_allclose(pck(distances, 0.2), [2 / 3, 1 / 3, NAN])
    np.testing.assert_allclose(pck(distances, 0.05), [1 / 3, 0, NAN])


def test_auc_is_the_area_under_the_pck_curve():
    distances = np.array([[0.0, 0.05, NAN], [0.1, INF, NAN], [0.3, 0.15, NAN]])
    # Each label gives 1 − distance/0.2, at least 0: (1 + 0.5 + 0)/3 and (0.75 + 0 + 0.25)/3.
    np.testing.assert_allclose(auc(distances), [0.5, 1 / 3, NAN])
    thresholds = (np.arange(20000) + 0.5) / 20000 * 0.2
    area = np.mean([pck(distances, threshold) for threshold in thresholds], axis=0)
    np.testing.assert_allclose(auc(distances), area, atol=1e-4)


def test_scores_of_a_whole_set_by_hand():
    scores = score(PREDICTED, LABELLED, THREE)
    assert scores.counts.tolist() == [2, 2, 1]
    np.testing.assert_allclose(scores.pck[0.05], [0.5, 0, 0])
    np.testing.assert_allclose(scores.pck[0.1], [1, 0, 1])
    np.testing.assert_allclose(scores.pck[0.2], [1, 0.5, 1])
    np.testing.assert_allclose(scores.auc, [(1 + 0.5) / 2, 0.25 / 2, 0.5])
    np.testing.assert_allclose(scores.error, [2.5, 15, 10])  # of the joints with a prediction


def test_the_mean_over_joints_weights_each_label_equally():
    scores = score(PREDICTED, LABELLED, THREE)
    summary = scores.summary()
    assert list(summary) == ["pck@0.05", "pck@0.1", "pck@0.2", "auc", "error_px"]
    assert summary["pck@0.2"] == pytest.approx(4 / 5)
    assert scores.mean(scores.pck[0.2], names=("right_hip", "head")) == pytest.approx(2 / 3)


def test_a_perfect_prediction_and_none_at_all():
    labelled = np.random.default_rng(0).uniform(0, 100, (5, 20, 2))
    assert score(labelled, labelled).summary() == pytest.approx(
        {"pck@0.05": 1, "pck@0.1": 1, "pck@0.2": 1, "auc": 1, "error_px": 0}
    )
    nothing = score(np.full_like(labelled, NAN), labelled).summary()
    assert [nothing[name] for name in ("pck@0.05", "pck@0.1", "pck@0.2", "auc")] == [0, 0, 0, 0]
    assert np.isnan(nothing["error_px"])


def test_a_joint_that_is_never_found_does_not_hide_the_error_of_the_others():
    predicted = np.add(LABELLED[:2], [3, 4])
    predicted[:, 1] = NAN
    assert score(predicted, LABELLED[:2], THREE).summary()["error_px"] == pytest.approx(5)


def test_nothing_labelled_scores_nothing():
    nothing = np.full((2, 20, 2), NAN)
    assert all(np.isnan(value) for value in score(np.zeros((2, 20, 2)), nothing).summary().values())


def test_all_twenty_joints_are_scored_and_the_arms_are_six_of_them():
    labelled = np.random.default_rng(0).uniform(0, 100, (5, 20, 2))
    scores = score(labelled, labelled)
    assert scores.names == KINECT20.names
    assert (scores.counts == 5).all()
    assert set(ARMS) == {name for name in KINECT20.names if name.endswith(("_elbow", "_wrist", "_hand"))}


def test_the_table_has_a_line_per_joint_and_one_for_all():
    lines = str(score(PREDICTED, LABELLED, THREE)).splitlines()
    assert [line.split()[0] for line in lines] == ["joint", "left_shoulder", "right_hip", "head", "all"]
    assert lines[1].split()[1:] == ["0.500", "1.000", "1.000", "0.750", "2.50", "2"]


def test_the_mean_pose_is_put_into_each_images_box():
    # Both training poses are the same in their boxes, so the baseline is exact wherever that pose is.
    pose = np.array([[0.0, 0], [4, 8], [2, 6]])
    train = np.stack([pose, 3 * pose + [50, 7]])
    np.testing.assert_allclose(mean_pose(train, (10 * pose + [1, 2])[None]), [10 * pose + [1, 2]])


def test_the_mean_pose_leaves_missing_labels_out():
    pose = np.array([[0.0, 0], [4, 8], [2, 6]])
    gap = pose.copy()
    gap[2] = NAN
    never = np.full_like(pose, NAN)
    np.testing.assert_allclose(mean_pose(np.stack([pose, gap, never]), gap[None]), [pose])
