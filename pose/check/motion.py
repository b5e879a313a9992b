"""Neighbouring frames: sides and axes that change in between, jumps, and joints that stand still."""

import re
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

NEAR = 0.5  # torsos; in films the middle joint of a body moves less between frames, in other pictures five times that
CHANGE = 0.15  # torsos that the joints must move less with sides or axes the other way round
TURNED = 0.001  # torsos a row: of two ways the one that turns fewer rows
SURE = 0.4  # of the rows of a film; if more are the other way round, the others may be wrong
JUMPS = ((1.0, "error"), (0.5, "warning"))  # torsos away, and back again in the next frame
POSE_JUMPS = 0.3  # torsos, of the middle joint
GONE = 2.0  # torsos away, and not back again
USUAL = 5.0  # times the joint's median step in the film
BACK = 0.25  # of the jump: as near are the frames before and after it to each other
FROZEN = 5  # lines
RARE = 0.05  # of the steps: joints that stay exactly where they are more often have been drawn so
MOVED = 0.1  # torsos that the joints move meanwhile, on average


_NUMBER = re.compile(r"\d+(?=(\.\w+)?$)")  # at the end of an image's name


class Films(NamedTuple):
    """Which rows follow which as the frames of a film do.

    beside: (M,) bool, the row before is of the same film; near: (M,) bool, and the body is near to where it was, at
    most with sides or axes exchanged. unit: (M,) px, the torso of the smaller one of the two bodies.
    """

    beside: np.ndarray
    near: np.ndarray
    unit: np.ndarray

    @property
    def known(self):
        """(M,) bool: rows that have a near one before or after them, so that motion tells what is wrong with them."""
        return self.near | np.append(self.near[1:], False)


def find_films(table, body, clip_of):
    """The `Films` of rows beside each other in one folder and clip; clip_of: (M,), which clip each row is of."""
    folders = [str(PurePosixPath(name).parent) for name in table.names]
    _, folder_of = np.unique(folders, return_inverse=True)
    beside = np.zeros(len(table), bool)
    beside[1:] = (np.diff(folder_of) == 0) & (np.diff(clip_of) == 0)
    _, film_of = np.unique([_NUMBER.sub("", name) for name in table.names], return_inverse=True)
    beside[1:] &= (np.diff(film_of) == 0) | (clip_of[1:] >= 0)  # without clips, names tell where another film begins
    torso = np.where(body.torso > 0, body.torso, np.nan)  # 0 where all joints lie in one place
    unit = np.fmin(torso, np.concatenate([[np.nan], torso[:-1]]))
    landmarks = body.landmarks
    ways = (landmarks, landmarks[:, table.skeleton.mirrored], landmarks[..., ::-1])
    nearest = np.nanmin([np.nanmedian(_step(landmarks, way), axis=1) for way in ways], axis=0) / unit
    near = beside & (nearest < NEAR)
    films = np.bincount(folder_of, near) > 0.5 * np.bincount(folder_of, beside)  # not single pictures
    return Films(beside & films[folder_of], near & films[folder_of], unit)


def _step(landmarks, way):
    """(M, K): how far each joint, the other way round, lies from where it was in the row before; NaN in the first."""
    step = np.full(landmarks.shape[:2], np.nan)
    step[1:] = np.linalg.norm(way[1:] - landmarks[:-1], axis=-1)
    return step


def check_motion(table, landmarks, films):
    """Findings about the rows of `films`, and the landmarks (M, K, 2) with sides and axes as the motion has them."""
    findings, instead = [], {
        "sides": ("left and right are", lambda rows: rows[..., table.skeleton.mirrored, :], "exchange them"),
        "axes": ("x and y are", lambda rows: rows[..., ::-1], "write x before y"),
    }  # fmt: skip
    for kind, (what, way, todo) in instead.items():
        rows, sure = _exchanged(landmarks, way(landmarks), films)
        what += " the other way round than in the frames beside it"
        for row, certain in zip(rows, sure, strict=True):
            findings.append(table.finding("error" if certain else "warning", kind, what, todo, row))
        landmarks = landmarks.copy()
        landmarks[rows] = way(landmarks[rows])
    return findings + _jumps(table, landmarks, films) + _frozen(table, landmarks, films), landmarks


def _exchanged(landmarks, other, films):
    """The rows that are the other way round than most of their film, and whether that is sure, (R,) each.

    Of all ways to turn some of the rows round it takes the one in which the joints move least (Viterbi's algorithm).
    """
    moved = (np.nan_to_num(landmarks) != np.nan_to_num(other)).any(axis=(0, 2))
    given, turned = (np.nanmean(_step(landmarks, way)[:, moved], axis=1) / films.unit for way in (landmarks, other))
    turned += CHANGE
    given[~films.near] = turned[~films.near] = 0  # another film begins
    as_is, round_, came_from = 0.0, TURNED, []
    for stay, change in zip(np.nan_to_num(given).tolist(), np.nan_to_num(turned).tolist(), strict=True):
        came_from.append((round_ + change < as_is + stay, round_ + stay < as_is + change))
        as_is, round_ = min(as_is + stay, round_ + change), min(round_ + stay, as_is + change) + TURNED
    state, states = round_ < as_is, []
    for sources in reversed(came_from):
        states.append(state)
        state = sources[state]
    rows = np.flatnonzero(states[::-1])
    film = np.cumsum(~films.near)
    share = np.bincount(film, np.isin(np.arange(len(film)), rows)) / np.maximum(1, np.bincount(film))
    return rows, share[film[rows]] < SURE


def _jumps(table, landmarks, films):
    """Joints, or whole poses, that go far away for one frame; joints that go very far away and stay there."""
    step = _step(landmarks, landmarks) / films.unit[:, None]
    step[~films.beside] = np.nan
    back = np.full(step.shape, np.nan)
    back[1:-1] = np.linalg.norm(landmarks[2:] - landmarks[:-2], axis=-1) / films.unit[1:-1, None]
    film = np.cumsum(~films.beside)
    pose, usual = _there_and_back(*(np.nanmedian(part, axis=1, keepdims=True) for part in (step, back)), film)
    whole = (pose > POSE_JUMPS)[:, 0]
    findings = []
    for row in np.flatnonzero(whole):
        what = f"the whole pose is {pose[row, 0]:.1f} torsos away for one frame"
        level = "error" if pose[row, 0] > JUMPS[0][0] else "warning"
        findings.append(table.finding(level, "jump", what, "does the line belong to another image?", row))
    step[whole | np.append(False, whole[:-1])] = np.nan
    jump, usual = _there_and_back(step, back, film)
    for row, joint in np.argwhere(jump > JUMPS[-1][0]):
        level = next(level for least, level in JUMPS if jump[row, joint] > least)
        what = f"is {jump[row, joint]:.1f} torsos away for one frame"
        findings.append(table.finding(level, "jump", what, "correct its place", row, joint))
    on_the_way = np.nan_to_num(jump) + np.nan_to_num(np.concatenate([np.zeros_like(jump[:1]), jump[:-1]])) > 0
    for row, joint in np.argwhere(films.near[:, None] & (step > np.maximum(GONE, USUAL * usual)) & ~on_the_way):
        what = f"is {step[row, joint]:.1f} torsos away from where it was in the frame before"
        findings.append(table.finding("warning", "jump", what, "look which of the two is right", row, joint))
    return findings


def _there_and_back(step, back, film):
    """(M, K) torsos: how far each joint is away from the frames before and after it where these are near to each other
    and such steps are not usual in the film, else NaN; and the usual step."""
    after = np.concatenate([step[1:], np.full_like(step[:1], np.nan)])
    jump, usual = np.minimum(step, after), _usual(step, film)
    return np.where((jump > USUAL * usual) & (back < BACK * jump), jump, np.nan), usual


def _usual(step, film):
    """(M, K): the median of the joint's steps in the same film."""
    usual = np.zeros(step.shape)
    starts = np.flatnonzero(np.diff(film, prepend=film[0] - 1))
    for start, end in zip(starts, [*starts[1:], len(film)], strict=True):
        if end - start > 1:
            usual[start:end] = np.nan_to_num(np.nanmedian(step[start + 1 : end], axis=0))
    return usual


def _frozen(table, landmarks, films):
    """Joints, or whole poses, that stay exactly in one place for several lines while the film goes on."""
    beside, step = films.beside, _step(landmarks, landmarks) / films.unit[:, None]
    equal = beside[:, None] & (step == 0)
    whole = equal.sum(axis=1) == np.isfinite(step).sum(axis=1)
    findings, labelled = [], np.isfinite(step).any(axis=1)
    for start, end in _runs(whole & labelled & equal.any(axis=1)):
        what = f"the whole pose is exactly the same on {end - start + 1} lines, to line {table.lines[end - 1]}"
        whole_pixels = (landmarks[start][np.isfinite(landmarks[start])] % 1 == 0).all()  # then somebody may stand still
        level = "warning" if whole_pixels else "error"
        findings.append(table.finding(level, "frozen", what, "label them anew, or leave them out", start - 1))
    equal[whole] = False
    often = equal.sum(axis=0) > RARE * max(1, beside.sum())
    path = np.concatenate([[0], np.cumsum(np.nan_to_num(np.nanmean(step, axis=1)))])
    for joint in np.flatnonzero(equal.any(axis=0) & ~often):
        for start, end in _runs(equal[:, joint]):
            if path[end] - path[start] > MOVED:
                what = f"is exactly at one place on {end - start + 1} lines, to line {table.lines[end - 1]}, "
                what += "while the body moves"
                todo = "label it anew, or write 'nan nan'"
                findings.append(table.finding("warning", "frozen", what, todo, start - 1, joint))
    return findings


def _runs(flags):
    """(start, end) of each run of flags that makes FROZEN lines together with the line before it; end not included."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags, [0]]))).reshape(-1, 2)
    return [(start, end) for start, end in edges.tolist() if end - start + 1 >= FROZEN]
