"""Checks for mistakes that affect all labels of a file: one finding per cause."""

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree

from pose.check.body import Body, beyond, share_towards

TINY = 16  # px; in a smaller image such coordinates may be pixels
FEW = 10  # lines; fewer do not show what is usual
LINES_FOR_ORDER = 2000
WRONG_ORDER = 1.5  # limb length in edges of the shortest tree: correct orders have 1.0–1.3, random ones above 1.65
BETTER = 0.8  # another order is reported if it shortens the limbs by this factor
MOST = 0.8  # of the lines, for findings about the whole file
OUT = 0.02  # of the image's side: closer to the edge is a slip
LEFT, DOWN, UP = (-1, 0), (0, 1), (0, -1)  # directions in the picture

_ARM, _LEG = ("shoulder", "elbow", "wrist", "hand"), ("hip", "knee", "ankle", "foot")
_SIDES = tuple(f"{side}_{joint}" for part in (_ARM, _LEG) for side in ("left", "right") for joint in part)
ORDERS = {
    "the Kinect SDK's (each arm and leg in one piece)": ("hip_center", "spine", "shoulder_center", "head", *_SIDES),
    "UTD-MHAD's (head first, then downwards)": ("head", "shoulder_center", "spine", "hip_center", *_SIDES),
}


def check_file(table):
    """Findings about the file as a whole, and its landmarks (M, K, 2) as probably intended; None if unknown.

    `table.landmarks` is unchanged. If the size of the images is in doubt, the landmarks are those of the file.
    """
    landmarks, findings = table.landmarks, _never_labelled(table)
    if not np.isfinite(landmarks).any():
        return findings, None
    cause, landmarks = _normalised(table, landmarks)
    findings += cause
    if landmarks is None:
        return findings, None
    if not cause:
        cause, landmarks = _normalised_lines(table, landmarks)
        findings += cause
    for check in (_order, _axes):
        cause, landmarks = check(table, landmarks)
        findings += cause
        if landmarks is None:
            return findings, None
    return findings + _other_size(table, landmarks), landmarks


def _never_labelled(table):
    """Findings about joints that no line labels, and those that most lines lack."""
    findings, some = [], np.isfinite(table.landmarks).all(axis=-1)
    lines = some[some.any(axis=1)]
    for joint in np.flatnonzero(lines.mean(axis=0) < 0.5) if len(lines) else []:
        share = lines[:, joint].mean()
        if share:
            what = f"has no label on {1 - share:.0%} of the lines"
            findings.append(table.finding("warning", "joint-missing", what, "is that intended?", joint=joint))
        else:
            what, todo = "is labelled on no line", "nothing, if that is intended: it is not learned"
            findings.append(table.finding("note", "joint-missing", what, todo, joint=joint))
    return findings


def _normalised(table, landmarks):
    """Coordinates from 0 to 1 instead of pixels; slightly beyond if joints lie outside."""
    inside = landmarks[np.isfinite(landmarks)]
    if not (np.quantile(np.abs(inside), 0.99) <= 1.5 and np.ptp(inside) > 0):
        return [], landmarks
    if np.quantile(inside, 0.01) < -0.5:
        what, todo = "coordinates go from −1 to 1", "write (x + 1) / 2 times the image's width, and y likewise"
        landmarks = (landmarks + 1) / 2
    else:
        what, todo = "coordinates go from 0 to 1", "multiply x by the image's width and y by its height"
    finding = table.finding("error", "scale", f"{what}: they are shares of the image", todo)
    return [finding], landmarks * table.sizes[:, None] if table.known.any() else None


def _normalised_lines(table, landmarks):
    """Lines whose coordinates go from 0 to 1 while the others' do not; their landmarks become NaN."""
    reach = np.nanmax(np.abs(landmarks), axis=(1, 2))
    spread = (np.nanmax(landmarks, axis=1) - np.nanmin(landmarks, axis=1)).max(axis=1)
    large = np.where(table.known, table.sizes.max(axis=1), np.nanmedian(reach)) > TINY
    rows = np.flatnonzero((reach <= 1.5) & (spread > 0) & large)
    what, todo = "all coordinates lie between −1.5 and 1.5", "are they shares of the image? Write pixels"
    landmarks = landmarks.copy()
    landmarks[rows] = np.nan
    return [table.finding("error", "scale", what, todo, row) for row in rows], landmarks


def _order(table, landmarks):
    """Joints in another order than the skeleton's: the limbs are long, but the shortest tree over the joints is not."""
    if len(landmarks) < FEW:
        return [], landmarks
    distances, joints = _distances(landmarks), table.skeleton.names
    given = _limbs_in_tree(distances, table.skeleton)
    others = []
    for name, order in ORDERS.items():
        if set(order) == set(joints):
            position = [order.index(joint) for joint in joints]  # of each of our joints in such a file
            others.append((_limbs_in_tree(distances[np.ix_(position, position)], table.skeleton), name, position))
    best, name, position = min(others, default=(np.inf, "", None))
    if best < BETTER * given:
        return [_order_finding(table, f"the joints are in another order, {name}", given)], landmarks[:, position]
    if given > WRONG_ORDER:
        return [_order_finding(table, "the joints are in another order", given)], None
    return [], landmarks


def _order_finding(table, what, ratio):
    what += f" (drawn limbs are {ratio:.1f} times as long as necessary)"
    return table.finding("error", "order", what, "write the joints in the order of the skeleton, by name")


def _distances(landmarks):
    """(K, K): the median distance of each pair of joints, in body sizes; NaN if they are never labelled together."""
    landmarks = landmarks[:: -(-len(landmarks) // LINES_FOR_ORDER)]
    extent = Body(landmarks, None).extent
    pairs = np.linalg.norm(landmarks[:, :, None] - landmarks[:, None], axis=-1)
    return np.nanmedian(pairs / extent[:, None, None], axis=0)


def _limbs_in_tree(distances, skeleton):
    """The length of the limbs, in edges of the shortest tree that connects all joints; NaN without limbs."""
    used = np.isfinite(distances).all(axis=1)
    used = np.isfinite(np.diag(distances)) if not used.any() else used
    tree = minimum_spanning_tree(np.nan_to_num(distances[np.ix_(used, used)])).toarray()
    inner, outer = skeleton.limb_ends
    return np.nanmean(distances[inner, outer]) / tree[tree > 0].mean()


def _axes(table, landmarks):
    """x and y swapped, or y counted upwards, on all lines: people lie or stand on their heads."""
    up = Body(landmarks, table.skeleton).up
    if np.isfinite(up).all(axis=1).sum() < FEW:
        return [], landmarks
    lying, standing, head_down = (share_towards(up, direction) for direction in (LEFT, UP, DOWN))
    out, out_swapped = (_joints_out(table, some) for some in (landmarks, landmarks[..., ::-1]))
    by_edges = out > OUT and out_swapped < out / 4 and lying > 2 * standing
    if by_edges or (lying > MOST and out_swapped < out + OUT):
        what = f"x and y are swapped: {lying:.0%} of the people lie with the head to the left"
        return [table.finding("error", "axes", what, "write x before y")], landmarks[..., ::-1]
    if head_down > MOST or head_down > 2 * max(standing, 0.1):
        what = f"y is counted upwards: {head_down:.0%} of the people stand on their heads, {standing:.0%} on their feet"
        todo = "count y from the top: the image's height − 1 − y"
        return [table.finding("error" if head_down > MOST else "warning", "axes", what, todo)], landmarks
    return [], landmarks


def _joints_out(table, landmarks):
    """The share of the labelled joints that lie clearly outside their images; 0 if no size is known."""
    far = beyond(landmarks, table.sizes) > OUT * table.sizes.max(axis=1)[:, None]
    labelled = np.isfinite(landmarks + table.sizes[:, None]).all(axis=-1)
    return far[labelled].mean() if labelled.any() else 0.0


def _other_size(table, landmarks):
    """Labels made for larger, smaller or differently cropped images."""
    share = landmarks[table.known] / table.sizes[table.known][:, None]
    share = share[np.isfinite(share).all(axis=-1)]
    if table.known.sum() < FEW or not len(share):
        return []
    out = (beyond(landmarks, table.sizes) > OUT * table.sizes.max(axis=1)[:, None])[table.known].any(axis=1).mean()
    low, high = np.quantile(share, 0.01, axis=0), np.quantile(share, 0.99, axis=0)
    reach = f"x goes from {low[0]:.2f} to {high[0]:.2f} of the width, "
    reach += f"y from {low[1]:.2f} to {high[1]:.2f} of the height"
    todo = "were the images scaled or cropped after they were labelled? Do the same to the labels"
    if out > 0.25:
        level = "error" if _joints_out(table, landmarks) > 0.2 else "warning"
        what = f"on {out:.0%} of the lines joints lie outside the image: {reach}"
        return [table.finding(level, "image-size", what, todo)]
    if (high < 0.6).all() or (low > 0.4).all():
        what = f"all people are in one corner of the images: {reach}"
        return [table.finding("warning", "image-size", what, todo)]
    return []
