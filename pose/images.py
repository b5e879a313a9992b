"""Reading an image file, whatever its kind, as 8-bit RGB; and the crop of it that the network sees."""

import cv2
import numpy as np

from pose.geometry import compose, invert, transform_landmarks

_COLOR = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH  # turns the image as its EXIF tag asks


class ImageError(ValueError):
    """A file that cannot be read as an image: which, and what to do."""


def read_image(path):
    """The image at `path` as (H, W, 3) uint8 RGB.

    Grey images get three equal channels; transparency is dropped; EXIF rotation is applied. An image of more than
    8 bits (a depth map, say) is stretched linearly so that its brightest value becomes 255; negative values, NaN and
    infinity become 0.
    Raises ImageError where the file is missing or is no image.
    """
    try:
        encoded = np.fromfile(path, np.uint8)  # cv2.imread cannot open every non-ASCII path
    except OSError as error:
        raise ImageError(f"{path}: cannot be opened ({error.strerror}); check the path") from None
    try:
        image = cv2.imdecode(encoded, _COLOR) if encoded.size else None
    except cv2.error:  # a size that OpenCV does not allow, say
        image = None
    if image is None:
        raise ImageError(f"{path}: is not an image that can be read; replace it or remove its line")
    if image.dtype != np.uint8:
        image = np.nan_to_num(image.astype(np.float32), nan=0, posinf=0, neginf=0).clip(0)
        image = (image * (255 / max(1e-12, float(image.max())))).round().astype(np.uint8)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def warp(image, matrix, res):
    """The square crop of an image that an affine matrix describes.

    image: (H, W, 3) uint8; matrix: (2, 3) from image px to crop px; res: the crop's side in px.
    Returns (res, res, 3) uint8; what lies outside the image is black.
    """
    shrink = 1 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if shrink >= 2:  # average before sampling, or thin limbs alias
        height, width = image.shape[:2]
        smaller = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
        matrix = compose(matrix, _enlarge(width / smaller[0], height / smaller[1]))
    image, matrix = _needed_part(image, matrix, res)
    if image.size == 0:
        return np.zeros((res, res, 3), np.uint8)
    return cv2.warpAffine(image, matrix, (res, res), flags=cv2.INTER_LINEAR)


def _needed_part(image, matrix, res):
    """The rectangle of the image that the crop shows, and the matrix from there; OpenCV warps no side above 32767."""
    corners = transform_landmarks([[0, 0], [res, 0], [0, res], [res, res]], invert(matrix))
    left, top = np.maximum(np.floor(corners.min(axis=0) - 4), 0).astype(int)
    right, bottom = np.maximum(np.ceil(corners.max(axis=0) + 4), 0).astype(int)
    moved_back = np.array([[1.0, 0, left], [0, 1, top]])
    return image[top:bottom, left:right], compose(matrix, moved_back)


def _enlarge(x_ratio, y_ratio):
    """The matrix (2, 3) from a resized image back to the full one: x + 0.5 = x_ratio · (x' + 0.5)."""
    return np.array([[x_ratio, 0, x_ratio / 2 - 0.5], [0, y_ratio, y_ratio / 2 - 0.5]])
