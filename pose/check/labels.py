"""Checks the labels of single lines: outside the image, coincident joints, sides, axes, impossible limb lengths."""

import warnings
from collections import defaultdict

import numpy as np

from pose.check.body import Body, beyond, share_towards
from pose.check.systematic import FEW, OUT, UP

LONG = ((2.0, 0.3, "error"), (1.5, 0.1, "warning"))  # times the 95 % quantile, and body sizes above the median
OPPOSITE = 0.2  # torsos, of shoulders and of hips: closer to a side view nothing is reported
AGREEMENT = 0.9  # of the lines: then those that differ are suspicious


def remove_minus_one(table):
    """A finding about joints at (-1, -1), which become NaN."""
    minus_one = (table.landmarks == -1).all(axis=-1)
    table.landmarks[minus_one] = np.nan
    if not minus_one.any():
        return []
    what, todo = f"{minus_one.sum():,} joints lie at (-1, -1)", "write 'nan nan' for an unlabelled joint"
    return [table.finding("warning", "minus-one", what, todo)]


def believable(landmarks, sizes):
    """The landmarks (M, K, 2) without those that other findings cover: NaN where one lies farther outside its image
    than the image's size, and where all of a line coincide."""
    wild = beyond(landmarks, sizes) > sizes.max(axis=1)[:, None]
    one_place = (np.nanmax(landmarks, axis=1) == np.nanmin(landmarks, axis=1)).all(axis=1)
    return np.where(wild[..., None] | one_place[:, None, None], np.nan, landmarks)


def check_labels(table, landmarks, body, films, silent=()):
    """Findings about single lines.

    landmarks: as intended; body: the `Body` of the `believable` ones; films: the table's `Films`, where motion checks
    sides and axes; silent: the kinds that something else explains.
    """
    near = films.known
    checks = {
        "unlabelled": _unlabelled(table),
        "one-place": _one_place(table),
        "same-labels": _same_labels(table, films.follows),
        "outside": _outside(table, landmarks),
        "axes": _lying(table, body, near),
        "sides": _sides(table, body, near) + _mirrored(table, body),
        "limb": _limbs(table, body),
    }
    return [finding for kind, findings in checks.items() if kind not in silent for finding in findings]


def _unlabelled(table):
    rows = np.flatnonzero(np.isnan(table.landmarks).all(axis=(1, 2)) & table.parsed)
    if len(rows) == len(table) > 1:
        return [table.finding("error", "unlabelled", "no line has a label", "is it the right file?")]
    todo = "label it, or remove the line"
    return [table.finding("warning", "unlabelled", "no joint has a label", todo, row) for row in rows]


def _one_place(table):
    """Several joints at exactly the same position; if all of them, an error."""
    landmarks = table.landmarks
    labelled = np.isfinite(landmarks).all(axis=-1).sum(axis=1)
    ordered = np.sort(landmarks[..., 0] + 1j * landmarks[..., 1], axis=1)  # equal ones adjacent, NaN last
    equal = ordered[:, 1:] == ordered[:, :-1]
    findings = []
    for row in np.flatnonzero(equal.sum(axis=1) >= 3):
        runs = np.flatnonzero(np.diff(np.concatenate([[0], equal[row], [0]]))).reshape(-1, 2)
        same, start = max((end - start + 1, start) for start, end in runs)
        if same < 4:
            continue
        level, how_many = ("error", "all") if same == labelled[row] else ("warning", same)
        place = f"({ordered[row, start].real:g}, {ordered[row, start].imag:g})"
        what, todo = f"{how_many} joints lie at {place}", "write 'nan nan' where there is no label"
        findings.append(table.finding(level, "one-place", what, todo, row))
    return findings


def _same_labels(table, follows):
    """Lines with exactly the labels of an earlier one, unless that is the previous frame of a film (a frozen pose)."""
    first, findings = {}, []
    labelled = np.isfinite(table.landmarks).all(axis=-1).any(axis=1)
    for row in np.flatnonzero(labelled):
        other = first.setdefault(table.landmarks[row].tobytes(), row)
        if other != row and not follows[other + 1 : row + 1].all():
            what = f"has exactly the labels of line {table.lines[other]} ({table.names[other]})"
            findings.append(table.finding("warning", "same-labels", what, "check which image they belong to", row))
    return findings


def _outside(table, landmarks):
    """A finding for each line with joints outside the image, about the farthest one."""
    distance = np.nan_to_num(beyond(landmarks, table.sizes))
    findings = []
    for row in np.flatnonzero(distance.max(axis=1) > 0):
        joint, side = distance[row].argmax(), table.sizes[row].max()
        far = distance[row, joint]
        level = "error" if far > side else "warning" if far > OUT * side else "note"
        others = np.count_nonzero(distance[row]) - 1
        place, (width, height) = landmarks[row, joint], table.sizes[row]
        what = f"({place[0]:g}, {place[1]:g}) lies {far:.1f} px outside the image ({width:g} × {height:g})"
        what += f", and {others} more joints" if others else ""
        todo = "correct it" if level == "error" else "correct it; it may stay if the joint is really beyond the edge"
        findings.append(table.finding(level, "outside", what, todo, row, joint))
    return findings


def _lying(table, body, near):
    """Lines with x and y probably swapped: judging by the image's edges, or because all others stand upright."""
    out, swapped_out = (
        (beyond(landmarks, table.sizes) > OUT * table.sizes.max(axis=1)[:, None]).sum(axis=1)
        for landmarks in (body.landmarks, body.landmarks[..., ::-1])
    )
    sure = (out >= 3) & (swapped_out == 0) & ~(np.abs(_angle(body) + 90) < 45)
    todo = "write x before y"
    what = "joints lie outside the image, and none would with x and y swapped"
    findings = [table.finding("error", "axes", f"{out[row]} {what}", todo, row) for row in np.flatnonzero(sure)]
    what, todo = "lies with the head to the left, while nearly all others stand", "check whether x and y are swapped"
    rows = np.flatnonzero(_alone_to_the_left(body) & ~sure & ~near)
    return findings + [table.finding("warning", "axes", what, todo, row) for row in rows]


def _angle(body):
    """(M,) degrees: where up points in the picture, 0 to the right, −90 for a standing person."""
    return np.degrees(np.arctan2(body.up[:, 1], body.up[:, 0]))


def _alone_to_the_left(body):
    """(M,) bool: heads to the left of the hips, as with x and y swapped, in a set where nearly all stand."""
    upright = len(body.up) >= FEW and share_towards(body.up, UP) > AGREEMENT
    return (np.abs(_angle(body)) > 150) & upright


def _sides(table, body, near):
    """Lines whose shoulders and hips disagree about left and right, and those that disagree with nearly all others."""
    turn = body.turn
    clear = (np.abs(turn) > OPPOSITE).all(axis=1)
    twisted = clear & (turn[:, 0] * turn[:, 1] < 0)
    what, todo = "shoulders and hips disagree about left and right", "check which of them are swapped"
    findings = [table.finding("warning", "sides", what, todo, row) for row in np.flatnonzero(twisted)]
    clear &= ~twisted
    to_right = (turn[clear, 0] > 0).mean() if clear.any() else 0.5
    if clear.sum() < FEW or not max(to_right, 1 - to_right) > AGREEMENT:
        return findings
    others = clear & ~near & ~_alone_to_the_left(body) & ((turn[:, 0] > 0) != (to_right > 0.5))
    what = "left and right are the opposite of those on nearly all lines"
    todo = "check whether they are swapped, or the person's back is turned"
    return findings + [table.finding("warning", "sides", what, todo, row) for row in np.flatnonzero(others)]


def _mirrored(table, body):
    """A note if most people appear to be seen from behind, which also happens in mirrored pictures."""
    turn = body.turn[(np.abs(body.turn) > OPPOSITE).all(axis=1)].mean(axis=1)
    if len(turn) < FEW or not (turn > 0).mean() > 0.5:
        return []
    what = f"on {(turn > 0).mean():.0%} of the lines the person's left is on the picture's left"
    todo = "nothing to do if pictures are mirrored or show backs; else left and right are the picture's: swap them"
    return [table.finding("note", "sides", what, todo)]


def check_people(table, clips):
    """Warnings about people whose left is on the opposite side of the picture from everybody else's.

    clips: {line: `Clip`} of the table's rows, which identify the people.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of means and medians of nothing
        turn = Body(table.landmarks, table.skeleton).turn
    clear, turns = (np.abs(turn) > OPPOSITE).all(axis=1), defaultdict(list)
    for clip in clips.values():
        turns[clip.subject] += (turn[clip.rows][clear[clip.rows]].mean(axis=1) > 0).tolist()
    share = {subject: np.mean(some) for subject, some in turns.items() if len(some) >= FEW}
    settled = {subject: one for subject, one in share.items() if max(one, 1 - one) > AGREEMENT}
    if len(settled) < 3 or len(settled) < len(share):  # people turn around in this set
        return []
    usual = np.median([one > 0.5 for one in settled.values()])
    what, todo = (
        "left and right of {!r} are the opposite of everybody else's",
        "check whether they are swapped",
    )
    others = [subject for subject, one in settled.items() if (one > 0.5) != usual]
    return [table.finding("warning", "sides", what.format(subject), todo) for subject in others]


def _limbs(table, body):
    """A finding for each line with a limb of impossible length, about the joint whose limbs are all too long."""
    if len(table) < FEW:
        return []
    length = body.lengths / body.size[:, None]
    # Lower, so that one wrong line among few does not count.
    longest = np.nanquantile(length, 0.95, axis=0, method="lower")
    times, excess = np.nan_to_num(length / longest), np.nan_to_num(length - body.usual)
    too_long = [((times > factor) & (excess > more), level) for factor, more, level in LONG]
    findings = []
    for row in np.flatnonzero(too_long[-1][0].any(axis=1)):
        limbs, level = next((limbs[row], level) for limbs, level in too_long if limbs[row].any())
        limb = np.where(limbs, excess[row], -1).argmax()
        joint = _blamed(table.skeleton, too_long[-1][0][row], limb)
        names = " to ".join(table.skeleton.limbs[limb])
        what = f"{names} is {length[row, limb] / body.usual[limb]:.1f} times its usual length"
        findings.append(table.finding(level, "limb", what, "correct the joint that is off", row, joint))
    return findings


def _blamed(skeleton, too_long, limb):
    """The end of a limb with more too-long limbs, (L,) bool, and fewer others; else the outer end."""

    def strangeness(joint):
        own = [bad for bad, ends in zip(too_long, skeleton.limb_indices, strict=True) if joint in ends]
        return sum(own), sum(own) / len(own)

    inner, outer = skeleton.limb_indices[limb]
    return inner if strangeness(inner) > strangeness(outer) else outer
