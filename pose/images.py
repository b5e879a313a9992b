"""Reads image files of any kind as 8-bit RGB, and warps out the crop that the network sees."""

import io
import math
import os
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from pose.geometry import compose, invert, transform_landmarks
from pose.runtime.errors import DataError

_COLOR = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH  # applies the EXIF rotation
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_EXIF_ORIENTATION = 0x0112
# Formats that Pillow, which knows the size before decoding, and OpenCV both read; the common ones first.
KINDS = ("JPEG", "PNG", "BMP", "PPM", "GIF", "TIFF", "WEBP", "JPEG2000", "SUN", "AVIF")
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".jp2"}
MAX_BYTES = 2**30  # of a file
MAX_PIXELS = 2**27  # of an image; decoding more takes gigabytes of memory
MIN_RESOLUTION = 0.8  # image pixels per crop pixel, along a side: bilinear sampling blurs just as much
ROWS_PER_BLOCK = 256
PART_ALIGNMENT = 8  # px; so that a part is averaged over the same squares as the whole image


class ImageError(DataError):
    """A file cannot be read as an image; the message says which one, and what to do."""


class Picture(NamedTuple):
    """An image, or just the part and the resolution of it that a crop needs.

    pixels: (h, w, 3) uint8 RGB. width, height: of the full image, px.
    step: each pixel is the average of step × step pixels of the full image. left, top: where `pixels` begins, in its
        px.
    """

    pixels: np.ndarray
    width: int
    height: int
    step: int = 1
    left: int = 0
    top: int = 0

    def crop(self, matrix, res):
        """`warp` of the full image by a matrix (2, 3) from image px to crop px."""
        return warp(self.pixels, compose(matrix, _to_full(self.step, self.left, self.top)), res)

    def part(self, center, side):
        """The `Picture` of the square around `center` (2,) with this side (image px), plus a small margin."""
        low, high = ((np.asarray(center) + sign * side / 2) / self.step for sign in (-1, 1))
        (left, top), rows_and_columns = _slices(low, high, PART_ALIGNMENT)
        return self._replace(pixels=self.pixels[rows_and_columns], left=self.left + left, top=self.top + top)


NO_PICTURE = Picture(np.zeros((1, 1, 3), np.uint8), 1, 1)


def read_image(path):
    """The image at `path` as (H, W, 3) uint8 RGB.

    Grey images get three equal channels; transparency is dropped; EXIF rotation is applied. An image of more than 8
    bits (such as a depth map) is scaled linearly so that its brightest value becomes 255; negative values, NaN and
    infinity become 0.
    Raises ImageError if the file is missing, is not an image, or has more than `MAX_PIXELS`.
    """
    return read_picture(path).pixels


def read_picture(path, shrink=1.0):
    """The image at `path` as a `Picture` for crops that shrink it by the factor `shrink`; see `read_image`.

    It has at least `MIN_RESOLUTION` pixels per crop pixel, along a side (fewer if augmentation zooms in). A JPEG file
    is decoded at that resolution, which takes a fraction of the time.
    """
    try:
        if os.path.getsize(path) > MAX_BYTES:
            raise ImageError(f"{path}: has more than {MAX_BYTES / 1e9:.1f} GB; make it smaller")
        encoded = np.fromfile(os.fspath(path), np.uint8)  # cv2.imread cannot open every non-ASCII path
    except OSError as error:
        raise ImageError(f"{path}: cannot be opened ({error.strerror}); check the path") from None
    except ImageError:
        raise
    except (TypeError, ValueError):  # not a path, or one with a NUL
        raise ImageError(f"{path!r:.80}: is not the path of an image") from None
    return decode_picture(encoded, path, shrink)


def decode_picture(encoded, path, shrink=1.0):
    """`read_picture` of the file's content, (bytes,) uint8; `path` is for messages."""
    step = _step(shrink / MIN_RESOLUTION)
    width, height, reduced = _reduced_size(_header(encoded, path), step)
    pixels = _decoded(encoded, _REDUCED.get(reduced, _COLOR))
    if reduced > 1 and pixels is not None and pixels.shape[:2] != (-(-height // reduced), -(-width // reduced)):
        reduced, pixels = 1, _decoded(encoded, _COLOR)  # OpenCV and Pillow disagree about the rotation
    if pixels is None:
        raise _no_image(path)
    if pixels.dtype != np.uint8:
        pixels = _stretched(pixels)
    if reduced == 1:
        height, width = pixels.shape[:2]
    rest = min(step // reduced, _max_step(pixels))
    pixels = cv2.cvtColor(_averaged(pixels, rest), cv2.COLOR_BGR2RGB)
    return Picture(pixels, width, height, reduced * rest)


def _stretched(pixels):
    """Any values scaled to 0 … 255, in blocks of rows, since such an image can be large."""
    parts = [slice(top, top + ROWS_PER_BLOCK) for top in range(0, len(pixels), ROWS_PER_BLOCK)]
    factor = 255 / max(1e-12, *(float(_positive(pixels[part]).max()) for part in parts))
    stretched = np.empty(pixels.shape, np.uint8)
    for part in parts:
        stretched[part] = np.round(_positive(pixels[part]) * factor)
    return stretched


def _positive(pixels):
    return np.nan_to_num(pixels.astype(np.float32), nan=0, posinf=0, neginf=0).clip(0)


def _decoded(encoded, flags):
    try:
        return cv2.imdecode(encoded, flags) if encoded.size else None
    except cv2.error:  # such as a size that OpenCV does not allow
        return None


def _step(shrink):
    """The largest power of two up to `shrink`, at least 1."""
    return 2 ** int(math.log2(max(1.0, shrink)))


def _header(encoded, path):
    """The image as opened by Pillow, with only its header read. Raises ImageError if it is no image, or too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about damaged EXIF data, in every epoch
            header = Image.open(io.BytesIO(encoded), formats=KINDS)
        pixels = header.width * header.height
    except Image.DecompressionBombError:
        pixels = math.inf
    except Exception:  # Pillow raises almost anything for a damaged header
        raise _no_image(path) from None
    if pixels > MAX_PIXELS:
        raise ImageError(f"{path}: has more than {MAX_PIXELS / 1e6:.0f} million pixels; make it smaller")
    if header.format == "PNG" and not _has_its_chunks(encoded):
        raise _no_image(path)
    return header


def _has_its_chunks(png):
    """Whether each chunk of a PNG file is as long as it claims; OpenCV allocates memory for it before checking."""
    data, position, kind = memoryview(png), 8, b""
    while kind != b"IEND" and position + 8 <= len(data):
        kind = bytes(data[position + 4 : position + 8])
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    return position <= len(data)


def _no_image(path):
    return ImageError(f"{path}: is not an image that can be read; replace it or remove its line")


def _reduced_size(header, step):
    """Width and height of a JPEG file, px as displayed, and the part of `step` that decoding can apply; else 1."""
    if step == 1 or header.format not in ("JPEG", "MPO"):
        return 0, 0, 1
    size = header.size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            orientation = header.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # decoding will report it
        return 0, 0, 1
    if orientation not in range(1, 9):
        return 0, 0, 1
    reduced = min(step, max(_REDUCED))
    if orientation == 1:
        return *size, reduced
    if size[0] % reduced or size[1] % reduced:  # an incomplete square would come first in the rotated image
        return 0, 0, 1
    return *(size[::-1] if orientation > 4 else size), reduced


def _max_step(pixels):
    """The smallest step that averages all pixels into one."""
    return 1 << (max(pixels.shape[:2]) - 1).bit_length()


def _averaged(pixels, step):
    """The average of each square of step × step pixels; incomplete squares are padded with their last pixels."""
    if step == 1:
        return pixels
    height, width = pixels.shape[:2]
    pixels = cv2.copyMakeBorder(pixels, 0, -height % step, 0, -width % step, cv2.BORDER_REPLICATE)
    size = pixels.shape[1] // step, pixels.shape[0] // step
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def warp(image, matrix, res):
    """The square crop of an image that an affine matrix describes.

    image: (H, W, 3) uint8; matrix: (2, 3) from image px to crop px; res: the crop's side in px.
    Returns (res, res, 3) uint8; black outside the image.
    """
    corners = transform_landmarks([[0, 0], [res, 0], [0, res], [res, res]], invert(matrix))
    step = _step(1 / np.sqrt(abs(np.linalg.det(matrix[:, :2]))))  # average before sampling, or thin limbs alias
    (left, top), rows_and_columns = _slices(corners.min(axis=0), corners.max(axis=0), step)
    image = image[rows_and_columns]  # OpenCV warps no side longer than 32767
    if image.size == 0:
        return np.zeros((res, res, 3), np.uint8)
    step = min(step, _max_step(image))
    matrix = compose(matrix, compose(_to_full(1, left, top), _to_full(step)))
    return cv2.warpAffine(_averaged(image, step), matrix, (res, res), flags=cv2.INTER_LINEAR)


def _slices(low, high, aligned):
    """Where to cut an image to `low` … `high` (x and y, px) with a margin of twice `aligned` px: (left, top) px,
    multiples of `aligned`, and the slices of rows and columns."""
    left, top = (max(0, math.floor(value / aligned) - 2) * aligned for value in low)
    right, bottom = (max(0, math.ceil(value / aligned) + 2) * aligned for value in high)
    return (left, top), (slice(top, bottom), slice(left, right))


def _to_full(step, left=0, top=0):
    """The matrix (2, 3) from averaged pixels (step × step each, the first at (left, top)) to the full image's."""
    return np.array([[step, 0, step * (left + 0.5) - 0.5], [0, step, step * (top + 0.5) - 0.5]])


def _by_number(path):
    """A key that sorts frame 9 before frame 10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", str(path))]


def list_images(images):
    """The images as a list of paths and arrays, whatever form they were given in."""
    if isinstance(images, np.ndarray):
        return list(images) if images.ndim == 4 else [images]
    if isinstance(images, (str, Path)):
        folder = Path(images)
        if not folder.is_dir():
            return [images]
        files = sorted((path for path in folder.rglob("[!.]*") if path.is_file()), key=_by_number)
        found = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
        if not found:
            raise DataError(
                f"{folder}: contains no image; the suffixes looked for are {', '.join(sorted(IMAGE_SUFFIXES))}"
            )
        return found
    try:
        return list(images)
    except TypeError:
        return [images]
