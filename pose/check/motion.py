"""Checks neighbouring frames: sides and axes that change in between, jumps, and joints that stand still."""

import re
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

NEAR = 0.5  # torsos; between frames of a film the median joint moves less, between other pictures five times that
CHANGE = 0.15  # torsos that the joints must move less with sides or axes swapped
SWAPPED = 0.001  # torsos per row, to prefer the solution that swaps fewer rows
SURE = 0.4  # of the rows of a film; if more are swapped, the others may be the wrong ones
JUMPS = ((1.0, "error"), (0.5, "warning"))  # torsos away, and back again in the next frame
POSE_JUMPS = 0.3  # torsos, of the median joint
GONE = 2.0  # torsos away, and not back again
USUAL = 5.0  # times the joint's median step in the film
BACK = 0.25  # of the jump: maximum distance between the frames before and after it
FROZEN = 5  # lines
RARE = 0.05  # of the steps: joints that stay exactly still more often were drawn that way
MOVED = 0.1  # torsos that the joints move meanwhile, on average


_NUMBER = re.compile(r"\d+(?=(\.\w+)?(#\d+)?$)")  # at the end of an image's name


class Films(NamedTuple):
    """Which rows are consecutive frames of a film.

    follows: (M,) bool, the previous row is of the same film; near: (M,) bool, and the body is close to where it was,
    perhaps with sides or axes swapped. unit: (M,) px, the torso of the smaller of the two bodies.
    """

    follows: np.ndarray
    near: np.ndarray
    unit: np.ndarray

    @property
    def known(self):
        """(M,) bool: rows with a near one before or after them, so that motion reveals what is wrong with them."""
        return self.near | np.append(self.near[1:], False)


def find_films(table, body, clip_of):
    """The `Films` of adjacent rows in one folder and clip; clip_of: (M,), the clip of each row."""
    folders = [str(PurePosixPath(name).parent) for name in table.names]
    _, folder_of = np.unique(folders, return_inverse=True)
    follows = np.zeros(len(table), bool)
    follows[1:] = (np.diff(folder_of) == 0) & (np.diff(clip_of) == 0)
    _, film_of = np.unique([_NUMBER.sub("", name) for name in table.names], return_inverse=True)
    # Without clips, the names show where another film begins.
    follows[1:] &= (np.diff(film_of) == 0) | (clip_of[1:] >= 0)
    torso = np.where(body.torso > 0, body.torso, np.nan)  # 0 where all joints coincide
    unit = np.fmin(torso, np.concatenate([[np.nan], torso[:-1]]))
    landmarks = body.landmarks
    ways = (landmarks, landmarks[:, table.skeleton.mirrored], landmarks[..., ::-1])
    nearest = np.nanmin([np.nanmedian(_step(landmarks, way), axis=1) for way in ways], axis=0) / unit
    near = follows & (nearest < NEAR)
    films = np.bincount(folder_of, near) > 0.5 * np.bincount(folder_of, follows)  # not unrelated pictures
    return Films(follows & films[folder_of], near & films[folder_of], unit)


def _step(landmarks, way):
    """(M, K): how far each joint, in `way`, lies from where it was in the previous row; NaN in the first."""
    step = np.full(landmarks.shape[:2], np.nan)
    step[1:] = np.linalg.norm(way[1:] - landmarks[:-1], axis=-1)
    return step


def check_motion(table, landmarks, films):
    """Findings about the rows of `films`, and the landmarks (M, K, 2) with sides and axes corrected according to the
    motion.
    """
    findings, instead = [], {
        "sides": ("left and right are", lambda rows: rows[..., table.skeleton.mirrored, :], "swap them"),
        "axes": ("x and y are", lambda rows: rows[..., ::-1], "write x before y"),
    }  # fmt: skip
    for kind, (what, way, todo) in instead.items():
        rows, sure = _swapped_rows(landmarks, way(landmarks), films)
        what += " the opposite of those in the neighbouring frames"
        for row, certain in zip(rows, sure, strict=True):
            findings.append(table.finding("error" if certain else "warning", kind, what, todo, row))
        landmarks = landmarks.copy()
        landmarks[rows] = way(landmarks[rows])
    return findings + _jumps(table, landmarks, films) + _frozen(table, landmarks, films), landmarks


def _swapped_rows(landmarks, other, films):
    """The rows that are swapped relative to most of their film, and whether that is certain, (R,) each.

    Of all ways to swap some of the rows it takes the one in which the joints move least (Viterbi's algorithm).
    """
    moved = (np.nan_to_num(landmarks) != np.nan_to_num(other)).any(axis=(0, 2))
    given, swapped = (np.nanmean(_step(landmarks, way)[:, moved], axis=1) / films.unit for way in (landmarks, other))
    swapped += CHANGE
    given[~films.near] = swapped[~films.near] = 0  # another film begins
    as_is, changed, came_from = 0.0, SWAPPED, []
    for stay, change in zip(np.nan_to_num(given).tolist(), np.nan_to_num(swapped).tolist(), strict=True):
        came_from.append((changed + change < as_is + stay, changed + stay < as_is + change))
        as_is, changed = min(as_is + stay, changed + change), min(changed + stay, as_is + change) + SWAPPED
    state, states = changed < as_is, []
    for sources in reversed(came_from):
        states.append(state)
        state = sources[state]
    rows = np.flatnonzero(states[::-1])
    film = np.cumsum(~films.near)
    share = np.bincount(film, np.isin(np.arange(len(film)), rows)) / np.maximum(1, np.bincount(film))
    return rows, share[film[rows]] < SURE


def _jumps(table, landmarks, films):
    """Joints, or whole poses, that jump away for one frame; joints that jump very far away and stay there."""
    step = _step(landmarks, landmarks) / films.unit[:, None]
    step[~films.follows] = np.nan
    back = np.full(step.shape, np.nan)
    back[1:-1] = np.linalg.norm(landmarks[2:] - landmarks[:-2], axis=-1) / films.unit[1:-1, None]
    film = np.cumsum(~films.follows)
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
        level = next(level for minimum, level in JUMPS if jump[row, joint] > minimum)
        what = f"is {jump[row, joint]:.1f} torsos away for one frame"
        findings.append(table.finding(level, "jump", what, "correct its position", row, joint))
    on_the_way = np.nan_to_num(jump) + np.nan_to_num(np.concatenate([np.zeros_like(jump[:1]), jump[:-1]])) > 0
    for row, joint in np.argwhere(films.near[:, None] & (step > np.maximum(GONE, USUAL * usual)) & ~on_the_way):
        what = f"is {step[row, joint]:.1f} torsos away from where it was in the previous frame"
        findings.append(table.finding("warning", "jump", what, "check which of the two is right", row, joint))
    return findings


def _there_and_back(step, back, film):
    """(M, K) torsos: how far each joint is from the frames before and after it if these are close to each other and
    such steps are unusual in the film, else NaN; and the usual step."""
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
    """Joints, or whole poses, that stay at exactly one position for several lines while the film continues."""
    follows, step = films.follows, _step(landmarks, landmarks) / films.unit[:, None]
    equal = follows[:, None] & (step == 0)
    whole = equal.sum(axis=1) == np.isfinite(step).sum(axis=1)
    findings, labelled = [], np.isfinite(step).any(axis=1)
    for start, end in _runs(whole & labelled & equal.any(axis=1)):
        what = f"the whole pose is exactly the same on {end - start + 1} lines, to line {table.lines[end - 1]}"
        # In whole pixels the person may simply be standing still.
        whole_pixels = (landmarks[start][np.isfinite(landmarks[start])] % 1 == 0).all()
        level = "warning" if whole_pixels else "error"
        findings.append(table.finding(level, "frozen", what, "label them again, or leave them out", start - 1))
    equal[whole] = False
    often = equal.sum(axis=0) > RARE * max(1, follows.sum())
    path = np.concatenate([[0], np.cumsum(np.nan_to_num(np.nanmean(step, axis=1)))])
    for joint in np.flatnonzero(equal.any(axis=0) & ~often):
        for start, end in _runs(equal[:, joint]):
            if path[end] - path[start] > MOVED:
                what = f"is at exactly one position on {end - start + 1} lines, to line {table.lines[end - 1]}, "
                what += "while the body moves"
                todo = "label it again, or write 'nan nan'"
                findings.append(table.finding("warning", "frozen", what, todo, start - 1, joint))
    return findings


def _runs(flags):
    """(start, end) of each run of flags of FROZEN lines or more, counting the line before it; end not included."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags, [0]]))).reshape(-1, 2)
    return [(start, end) for start, end in edges.tolist() if end - start + 1 >= FROZEN]
