"""Protocols: who trains and who tests, nobody on both sides; scores and files."""

import csv
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from test_har_training import moving_people

from har import (
    ActivityScores,
    Fold,
    HarConfig,
    Joints3D,
    MotionAugmentation,
    ProtocolScores,
    evaluate,
    fixed_subjects,
    halves_of_subjects,
    leave_one_sequence_out,
    leave_one_subject_out,
    parts_of_subjects,
    run_protocol,
)
from har.joints_3d import Camera
from har.protocols import check_fold
from pose import Annotations
from pose.clips import Clip


def clips_of(people=4, takes=2):
    clips = []
    for person in range(people):
        for take in range(takes):
            for action in ("sit", "stand"):
                name = f"p{person}_t{take}_{action}"
                first = 10 * len(clips)
                clips.append(Clip(name, f"p{person}", action, f"p{person}_t{take}", first, first + 9))
    return clips


def subjects(clips):
    return {clip.subject for clip in clips}


def test_each_subject_is_left_out_once():
    clips = clips_of()
    folds = leave_one_subject_out(clips)
    assert [subjects(fold.test) for fold in folds] == [{"p0"}, {"p1"}, {"p2"}, {"p3"}]
    for fold in folds:
        check_fold(fold)
        assert sorted(clip.name for clip in fold.train + fold.test) == sorted(clip.name for clip in clips)
    assert folds[2].name == "subject p2"


def test_each_recording_is_left_out_once_and_its_person_still_trains():
    folds = leave_one_sequence_out(clips_of())
    assert len(folds) == 8
    assert [clip.name for clip in folds[3].test] == ["p1_t1_sit", "p1_t1_stand"]
    assert "p1" in subjects(folds[3].train)
    check_fold(folds[3])
    with pytest.raises(ValueError, match="'recording p1_t1' trains on and tests p1; split it differently"):
        check_fold(folds[3]._replace(new_subjects=True))


def test_halves_depend_on_the_seed_and_test_everybody_once():
    clips = clips_of(people=6)
    folds = halves_of_subjects(clips, seed=1)
    assert [len(subjects(fold.test)) for fold in folds] == [3, 3]
    assert subjects(folds[0].test) == subjects(folds[1].train)
    for fold in folds:
        check_fold(fold)
    assert len({frozenset(subjects(halves_of_subjects(clips, seed)[0].test)) for seed in range(6)}) > 1


def test_parts_test_everybody_once():
    clips = clips_of(people=7)
    folds = parts_of_subjects(clips, 3, seed=1)
    assert sorted(len(subjects(fold.test)) for fold in folds) == [2, 2, 3]
    assert sorted(clip.name for fold in folds for clip in fold.test) == sorted(clip.name for clip in clips)
    for fold in folds:
        check_fold(fold)
    with pytest.raises(ValueError, match="7 subjects cannot be split into 8 parts"):
        parts_of_subjects(clips, 8)


def test_a_fixed_list_of_test_subjects():
    (fold,) = fixed_subjects(clips_of(), ["p1", "p3"])
    assert (subjects(fold.train), subjects(fold.test)) == ({"p0", "p2"}, {"p1", "p3"})
    assert subjects(fixed_subjects(clips_of(), "p2")[0].test) == {"p2"}
    for wrong in (["p9"], ["p0", "p1", "p2", "p3"]):
        with pytest.raises(ValueError, match="some, but not all, of p0, p1, p2, p3"):
            fixed_subjects(clips_of(), wrong)


@pytest.mark.parametrize("protocol", [leave_one_subject_out, halves_of_subjects])
def test_a_single_subject_cannot_be_split(protocol):
    with pytest.raises(ValueError, match=r"at least two subjects.*record more people"):
        protocol(clips_of(people=1))


def test_a_subject_on_both_sides_stops_the_protocol_before_any_training():
    annotations, clips = moving_people(3)
    fold = Fold("mine", clips[:5], clips[5:])
    with pytest.raises(ValueError, match="'mine' trains on and tests p1"):
        run_protocol([fold], annotations, HarConfig())
    with pytest.raises(ValueError, match="trains on and tests 0_up"):
        run_protocol([Fold("same", clips[:3], clips[:1], new_subjects=False)], annotations, HarConfig())
    with pytest.raises(ValueError, match="has no clips to test"):
        run_protocol([Fold("empty", clips, [])], annotations, HarConfig())


@pytest.fixture(scope="module")
def result():
    annotations, clips = moving_people(6)
    config = HarConfig(hidden=8, frames=6, dropout=0.2, epochs=30, batch_size=3, learning_rate=2e-2, ema_decay=0.9,
                       augmentation=MotionAugmentation(crop=0.1, speed=0.0, noise=0.01, drop=0.0))  # fmt: skip
    seen = []
    scores = run_protocol(
        lambda seed: halves_of_subjects(clips, seed), annotations, config, seeds=(0, 1),
        on_fold=lambda seed, fold, part: seen.append((seed, fold.name, part.accuracy)),
    )  # fmt: skip
    return scores, seen


def test_a_protocol_tests_every_clip_once_for_each_seed(result):
    scores, seen = result
    assert [(seed, fold) for seed, fold, _ in seen] == [(0, "half 1"), (0, "half 2"), (1, "half 1"), (1, "half 2")]
    for part in scores.scores:
        assert sorted(clip.name for clip in part.clips) == sorted(
            f"{i}_{a}" for i in range(6) for a in ("up", "down", "rest")
        )
    assert scores.accuracies.mean() > 0.6  # by chance 0.33
    assert not np.array_equal(scores.scores[0].probabilities, scores.scores[1].probabilities)
    expected = f"accuracy {scores.accuracies.mean():.3f} ± {scores.accuracies.std(ddof=1):.3f} (2 seed(s), 18 clips)"
    assert str(scores) == expected
    assert scores.pooled.confusion.sum() == 36


def test_every_prediction_is_in_the_file(result, tmp_path):
    scores, _ = result
    scores.write_csv(tmp_path / "predictions.csv")
    with open(tmp_path / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["seed", "fold", "clip", "subject", "action", "predicted", "probability"]
    assert len(rows) == 36
    right = np.mean([row["action"] == row["predicted"] for row in rows if row["seed"] == "1"])
    assert right == pytest.approx(scores.accuracies[1])


def test_other_landmarks_and_joints_in_space_can_be_tested_and_trained_on():
    annotations, clips = moving_people(4)
    config = HarConfig(hidden=8, frames=6, epochs=2, batch_size=4)
    folds = fixed_subjects(clips, "p3")
    still = Annotations(annotations.paths, np.repeat(annotations.landmarks[:1], len(annotations), axis=0))
    usual = run_protocol(folds, annotations, config, (0,)).scores[0].probabilities
    other = run_protocol(folds, annotations, config, (0,), test_annotations=still).scores[0].probabilities
    np.testing.assert_allclose(other, other[:1].repeat(3, axis=0), atol=1e-6)
    assert not np.allclose(usual, other)
    camera = Camera(fx=100, fy=100, cx=50, cy=50, width=100, height=100)
    points = np.concatenate([annotations.landmarks / 100, np.full((len(annotations), 20, 1), 3.0)], axis=-1)
    space = run_protocol(folds, annotations, config, (0,), joints_3d=Joints3D(points, camera)).scores[0].probabilities
    assert not np.allclose(usual, space)
    with pytest.raises(ValueError, match="other images"):
        run_protocol(folds, annotations, config, (0,), test_annotations=still.select(slice(0, 5)))


def test_an_ensemble_is_the_mean_of_its_members_probabilities():
    clips, actions = clips_of(people=1, takes=1), ["sit", "stand"]  # sit, stand
    members = [[[0.9, 0.1], [0.6, 0.4]], [[0.3, 0.7], [0.1, 0.9]], [[0.5, 0.5], [0.2, 0.8]]]
    scores = [ActivityScores(clips, actions, np.array(probabilities)) for probabilities in members]
    single = ProtocolScores([0, 1, 2], scores, [["mine"] * 2] * 3)
    pairs = single.ensembles(2)  # the third seed is left over
    assert pairs.seeds == ["0+1"]
    np.testing.assert_allclose(pairs.scores[0].probabilities, [[0.6, 0.4], [0.35, 0.65]])
    assert (single.accuracies.tolist(), pairs.accuracies.tolist()) == ([0.5, 0.5, 1.0], [1.0])
    with pytest.raises(ValueError, match="an ensemble of 4 needs that many seeds"):
        single.ensembles(4)


def test_only_seeds_with_the_same_folds_form_an_ensemble(result):
    with pytest.raises(ValueError, match="with the same folds for each"):
        result[0].ensembles(2)


def test_every_training_starts_from_the_given_head():
    annotations, clips = moving_people(4)
    config = HarConfig(hidden=8, frames=6, epochs=1, batch_size=4, learning_rate=1e-9, ema_decay=0.0)
    given = replace(config, seed=9).build_head(5)
    heads = []
    with patch("har.protocols.evaluate", lambda head, data: heads.append(head) or evaluate(head, data)):
        run_protocol(fixed_subjects(clips, "p3"), annotations, config, (0, 1), start=given)
    for head in heads:
        np.testing.assert_allclose(head.lstm.weight_hh_l0.detach(), given.lstm.weight_hh_l0.detach(), atol=1e-6)
    assert len(heads) == 2


def test_scores_by_hand():
    clips = clips_of(people=1, takes=2)  # sit, stand, sit, stand
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]])
    scores = ActivityScores(clips, ["sit", "stand"], probabilities)
    assert scores.accuracy == 0.75
    assert scores.loss == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.7]).mean())
    assert scores.confusion.tolist() == [[1, 1], [0, 2]]
    assert scores.rows()[2] == {
        "clip": "p0_t1_sit", "subject": "p0", "action": "sit", "predicted": "stand", "probability": 0.6
    }  # fmt: skip
    sit = next(line for line in str(scores).splitlines() if "sit" in line).split()
    assert sit == ["sit", "1.00", "0.50", "0.67", "2"]
