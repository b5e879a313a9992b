"""Test protocols for recognisers: which people train and which test, in which folds, and the resulting scores."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

from har.datasets import SequenceDataset
from har.evaluation import ActivityScores, evaluate
from har.training import fit
from pose.clips import actions_of
from pose.runtime.errors import DataError
from pose.runtime.files import write_csv


class Fold(NamedTuple):
    """One split of the clips: name, two lists of `Clip`, and whether the test subjects must be new."""

    name: str
    train: list
    test: list
    new_subjects: bool = True


def leave_one_subject_out(clips):
    """A `Fold` for each subject, tested on a model trained on the others."""
    subjects = [clip.subject for clip in clips]
    return [_fold(f"subject {clips[test[0]].subject}", clips, train, test) for train, test in _leave_out(subjects)]


def leave_one_sequence_out(clips):
    """A `Fold` for each recording (see `Clip`). The same person's other recordings are used in training: easier than
    new people.
    """
    recordings = [clip.recording for clip in clips]
    return [
        _fold(f"recording {clips[test[0]].recording}", clips, train, test, new_subjects=False)
        for train, test in _leave_out(recordings)
    ]


def halves_of_subjects(clips, seed=0):
    """Two `Fold`s: one half of the subjects, drawn by the seed, trains and the other tests, and vice versa."""
    return [fold._replace(name=f"half {i}") for i, fold in enumerate(parts_of_subjects(clips, 2, seed), start=1)]


def parts_of_subjects(clips, parts=5, seed=0):
    """A `Fold` for each of several equal parts of the subjects, drawn by the seed, tested on a model trained on the
    others. Raises DataError if there are fewer subjects than parts.
    """
    subjects = [clip.subject for clip in clips]
    if not 2 <= parts <= len(set(subjects)):
        raise DataError(
            f"{len(set(subjects))} subjects cannot be split into {parts} parts; it takes at least two subjects, and "
            "one for each part: record more people"
        )
    chosen = GroupKFold(parts, shuffle=True, random_state=seed).split(subjects, groups=subjects)
    return [_fold(f"part {number}", clips, train, test) for number, (train, test) in enumerate(chosen, start=1)]


def fixed_subjects(clips, test_subjects):
    """A list of one `Fold`: these subjects test, all others train. Raises DataError for a subject without clips."""
    test_subjects = {test_subjects} if isinstance(test_subjects, str) else set(test_subjects)
    known = {clip.subject for clip in clips}
    if not test_subjects <= known or test_subjects == known:
        raise DataError(f"test_subjects must be some, but not all, of {', '.join(sorted(known))}; got {test_subjects}")
    train = [clip for clip in clips if clip.subject not in test_subjects]
    return [Fold("fixed", train, [clip for clip in clips if clip.subject in test_subjects])]


def _leave_out(groups):
    if len(set(groups)) < 2:
        raise DataError("the clips need at least two subjects (or recordings) to leave one out; record more people")
    return LeaveOneGroupOut().split(groups, groups=groups)


def _fold(name, clips, train, test, new_subjects=True):
    return Fold(name, [clips[i] for i in train], [clips[i] for i in test], new_subjects)


def check_fold(fold):
    """Raises DataError if a clip, or a subject that should be new, is in both training and test."""
    shared = {clip.name for clip in fold.train} & {clip.name for clip in fold.test}
    if fold.new_subjects:
        shared |= {clip.subject for clip in fold.train} & {clip.subject for clip in fold.test}
    if shared:
        raise DataError(f"the fold {fold.name!r} trains on and tests {', '.join(sorted(shared))}; split it differently")
    if not fold.train or not fold.test:
        raise DataError(f"the fold {fold.name!r} has no clips to {'test' if fold.train else 'train on'}")


@dataclass(frozen=True)
class ProtocolScores:
    """The scores of a protocol: for each seed, `ActivityScores` of all tested clips, and the names of their folds."""

    seeds: list
    scores: list
    folds: list

    @property
    def accuracies(self):
        """(S,) the accuracy of each seed, over the clips of all folds."""
        return np.array([scores.accuracy for scores in self.scores])

    def ensembles(self, members=3):
        """The `ProtocolScores` of ensembles, each of `members` consecutive seeds: the mean of their probabilities.

        Seeds that are left over form no ensemble. Raises DataError if there are fewer, or their folds differ.
        """
        if len(self.seeds) < members or any(scores.clips != self.scores[0].clips for scores in self.scores):
            raise DataError(f"an ensemble of {members} needs that many seeds, with the same folds for each")
        groups = [slice(first, first + members) for first in range(0, len(self.seeds) - members + 1, members)]
        return ProtocolScores(
            ["+".join(map(str, self.seeds[group])) for group in groups],
            [_mean(self.scores[group]) for group in groups],
            [self.folds[0]] * len(groups),
        )

    @property
    def pooled(self):
        """`ActivityScores` of all seeds together, for the confusion matrix and the report."""
        clips = [clip for scores in self.scores for clip in scores.clips]
        probabilities = np.concatenate([scores.probabilities for scores in self.scores])
        return ActivityScores(clips, self.scores[0].actions, probabilities)

    def __str__(self):
        accuracies = self.accuracies
        spread = f" ± {accuracies.std(ddof=1):.3f}" if len(accuracies) > 1 else ""
        return (
            f"accuracy {accuracies.mean():.3f}{spread} ({len(accuracies)} seed(s), {len(self.scores[0].clips)} clips)"
        )

    def write_csv(self, path):
        """Writes one line for each seed and tested clip: seed, fold, and the columns of `ActivityScores.rows`."""
        write_csv(
            path,
            [
                {"seed": seed, "fold": fold} | row
                for seed, scores, folds in zip(self.seeds, self.scores, self.folds, strict=True)
                for fold, row in zip(folds, scores.rows(), strict=True)
            ],
        )


def _mean(scores):
    """`ActivityScores` with the mean probabilities of several for the same clips."""
    probabilities = np.mean([one.probabilities for one in scores], axis=0)
    return ActivityScores(scores[0].clips, scores[0].actions, probabilities)


def run_protocol(folds, annotations, config, seeds=(0, 1, 2), joints_3d=None, test_annotations=None, on_fold=None,
                 start=None):  # fmt: skip
    """Trains and tests an `ActivityHead` for each seed and fold; test clips have no influence on the training.

    folds: a list of `Fold`, from one of the functions above, or a function from the seed to such a list; the clips'
        rows are those of `annotations`.
    config: `HarConfig`; its seed is replaced by each of `seeds`. There is no validation: the number of epochs is fixed,
        so that the test clips cannot influence it.
    joints_3d: `Joints3D`, for training on other viewpoints, or None. test_annotations: landmarks to test on, for
        example predicted ones; by default `annotations`.
    start: an `ActivityHead` that every training starts from, see `ActivityHead.start_from`. The test people must
        not be in its training either.
    on_fold: called with (seed, fold, ActivityScores) after each training.
    Returns `ProtocolScores`. Raises DataError if a fold shares clips, or subjects, between training and test, or if the
    two annotations have different images.
    """
    if isinstance(seeds, int) or not len(seeds) or not folds:
        raise DataError("seeds must be a sequence of numbers, such as (0, 1, 2), and folds not empty")
    folds_of = {seed: folds(seed) if callable(folds) else folds for seed in seeds}
    for fold in (fold for folds in folds_of.values() for fold in folds):
        check_fold(fold)
    if test_annotations is not None and test_annotations.paths != annotations.paths:
        raise DataError("test_annotations have other images than annotations, or another order")
    first = folds_of[seeds[0]][0]
    actions = actions_of([*first.train, *first.test])
    all_scores = []
    for seed in seeds:
        seeded, parts = replace(config, seed=seed), []
        for fold in folds_of[seed]:
            train = seeded.build_dataset(annotations, fold.train, actions, True, joints_3d)
            head = seeded.build_head(len(actions), annotations.skeleton)
            if start is not None:
                head.start_from(start)
            fit(head, train, None, seeded)
            test = SequenceDataset(test_annotations or annotations, fold.test, actions)
            parts.append(evaluate(head, test))
            if on_fold:
                on_fold(seed, fold, parts[-1])
        clips = [clip for part in parts for clip in part.clips]
        all_scores.append(ActivityScores(clips, actions, np.concatenate([part.probabilities for part in parts])))
    names = [[fold.name for fold in folds_of[seed] for _ in fold.test] for seed in seeds]
    return ProtocolScores(list(seeds), all_scores, names)
