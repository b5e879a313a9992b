"""Coordinates: one affine matrix from the image to the network's square crop and back.

Integer coordinates are pixel centers, so an image W wide spans −0.5 … W−0.5. The crop is a square of the image with its
middle at `center` (px) and a side of 200 · `scale` px (200 px is the unit of the MPII data set), rotated by `rot`
degrees counter-clockwise (so that its content appears rotated clockwise). It is mapped to res × res pixels by

    u + 0.5 = res/2 + res/(200·scale) · R(rot) · ((x, y) − center),    R(rot) = [[cos, −sin], [sin, cos]]

with res = 256 for the network's input and res = 64 for its heatmaps, so u64 = (u256 + 0.5)/4 − 0.5. Nothing is ever
rounded: the same matrix warps the image and transforms its landmarks.
"""

import numpy as np

PIXELS_PER_SCALE = 200.0
BOX_MARGIN = 1.25


def center_and_scale(landmarks, margin=BOX_MARGIN):
    """The crop around a person's landmarks, as center and scale.

    landmarks: (..., K, 2), x then y, image px; NaN where not labelled.
    margin: the crop's side as a multiple of the longer side of the landmarks' box.
    Returns center (..., 2) px, the middle of that box, and scale (...), the crop's side / 200 px. If all labelled
    landmarks coincide (or there is just one) the size is unknown, and scale is 1; if none is labelled, center and scale
    are NaN.
    """
    landmarks = np.asarray(landmarks, np.float64)
    labelled = np.isfinite(landmarks)
    low = np.where(labelled, landmarks, np.inf).min(axis=-2)
    high = np.where(labelled, landmarks, -np.inf).max(axis=-2)
    anything = np.isfinite(low).all(axis=-1)
    low, high = (np.where(anything[..., None], corner, np.nan) for corner in (low, high))
    side = (high - low).max(axis=-1)
    scale = np.where(side == 0, 1.0, margin * side / PIXELS_PER_SCALE)
    return (low + high) / 2, scale


def whole_image_box(width, height):
    """Center (2,) px and scale of the square around a whole image of that size in px."""
    return np.array([(width - 1) / 2, (height - 1) / 2]), max(width, height) / PIXELS_PER_SCALE


def crop_matrix(center, scale, rot, res):
    """The affine matrix (..., 2, 3) float64 that maps (x, y, 1) in the image (px) to (u, v) in the crop (px).

    center: (..., 2) px; scale: (...), crop side / 200 px; rot: (...), degrees counter-clockwise; res: crop side in px.
    The batch dimensions of the arguments broadcast.
    """
    center, scale, rot = (np.asarray(value, np.float64) for value in (center, scale, rot))
    zoom = res / (PIXELS_PER_SCALE * scale)
    # With y pointing down the usual R visibly rotates the content clockwise, that is, the square counter-clockwise.
    cos, sin = zoom * np.cos(np.radians(rot)), zoom * np.sin(np.radians(rot))
    x, y = center[..., 0], center[..., 1]
    middle = res / 2 - 0.5
    rows = [cos, -sin, middle - cos * x + sin * y, sin, cos, middle - sin * x - cos * y]
    rows = np.stack(np.broadcast_arrays(*rows), axis=-1)
    return rows.reshape(*rows.shape[:-1], 2, 3)


def mirror_matrix(width):
    """The affine matrix (2, 3) that mirrors an image `width` px wide left to right: x → width − 1 − x."""
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]])


def compose(second, first):
    """The affine matrix (..., 2, 3) that applies `first`, then `second`."""
    linear, shift = second[..., :2], second[..., 2]
    return np.concatenate([linear @ first[..., :2], (linear @ first[..., 2:]) + shift[..., None]], axis=-1)


def invert(matrix):
    """The inverse of an affine matrix (..., 2, 3)."""
    linear = np.linalg.inv(matrix[..., :2])
    return np.concatenate([linear, -linear @ matrix[..., 2:]], axis=-1)


def transform_landmarks(landmarks, matrix):
    """Landmarks (..., K, 2) transformed by the affine matrix (..., 2, 3), as float64; NaN stays NaN."""
    landmarks = np.asarray(landmarks, np.float64)
    return landmarks @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]


def mirror_landmarks(landmarks, width, skeleton):
    """Landmarks (..., K, 2) of the image mirrored left to right: x mirrored, left and right joints swapped."""
    mirrored = transform_landmarks(landmarks, mirror_matrix(width))
    return mirrored[..., skeleton.mirrored, :]


def heatmap_to_image(landmarks, center, scale, rot, out_res):
    """Landmarks from heatmap px back to image px.

    landmarks: (..., K, 2), x then y, heatmap px; center (..., 2) px, scale (...) and rot (...) of the crop they are in;
    out_res: the heatmap's side in px. Returns (..., K, 2) float64, image px: the inverse of `crop_matrix`.
    """
    return transform_landmarks(landmarks, invert(crop_matrix(center, scale, rot, out_res)))
