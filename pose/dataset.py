"""`Generic`: a data set of samples `(image, heatmaps, info)` for the hourglass, from annotations and images."""

import warnings
import zlib
from contextlib import contextmanager
from itertools import chain

import numpy as np
import torch
from torch.utils.data import Dataset

from pose.annotations import as_annotations, fingerprint
from pose.augmentation import Augmentation, AugmentedDataset
from pose.geometry import (
    PIXELS_PER_SCALE,
    center_and_scale,
    compose,
    crop_matrix,
    mirror_landmarks,
    mirror_matrix,
    transform_landmarks,
    whole_image_box,
)
from pose.heatmaps import landmarks_to_heatmaps
from pose.hourglass import check_images
from pose.images import NO_PICTURE, ImageError, read_picture
from pose.people import image_file
from pose.runtime import distributed
from pose.runtime.errors import DataError
from pose.runtime.image_cache import cached_picture

ON_BAD_IMAGE = ("raise", "skip")
MAX_NAMED = 8  # images listed in a message


class Samples(AugmentedDataset):
    """The common base of `Generic` and `ShardedGeneric`: makes a sample from a picture and its landmarks.

    count: number of images; skeleton: of the landmarks. The other arguments are those of `Generic`.
    """

    def __init__(self, count, skeleton, is_train, inp_res, out_res, sigma, augmentation, seed, on_bad_image):
        super().__init__()
        check_images((1, 3, inp_res, inp_res))
        self.skeleton = skeleton
        self.is_train = is_train
        self.inp_res = inp_res
        self.out_res = out_res or inp_res // 4
        self.sigma = sigma
        self.augmentation = augmentation or Augmentation()
        self.seed = seed
        self.bad_images = BadImages(count, on_bad_image)

    @property
    def unreadable(self):
        """(M,) bool: the images skipped so far because they could not be read."""
        return self.bad_images.found

    def shrink(self, scale):
        """How many image px, along a side, one px of the labelled crop of this scale covers; 1 without labels."""
        return PIXELS_PER_SCALE * scale / self.inp_res if np.isfinite(scale) else 1.0

    def sample(self, index, path, picture, landmarks, center, scale):
        """The sample `(image, heatmaps, info)` of a `Picture` and the person in it.

        landmarks (K, 2), center (2,) and scale: image px; if scale is NaN the crop is the whole picture.
        """
        if not np.isfinite(scale):
            center, scale = whole_image_box(picture.width, picture.height)
        rot, to_image = 0.0, np.eye(2, 3)
        if self.is_train:
            rng = np.random.default_rng((self.seed, self.epoch, index))
            if rng.random() < self.augmentation.mirror:
                landmarks = mirror_landmarks(landmarks, picture.width, self.skeleton)
                center = np.array([picture.width - 1 - center[0], center[1]])
                to_image = mirror_matrix(picture.width)
            center, scale, rot = self.augmentation.move_box(center, scale, rng)

        crop = picture.crop(compose(crop_matrix(center, scale, rot, self.inp_res), to_image), self.inp_res)
        if self.is_train:
            crop = self.augmentation.change_light(crop, rng)
        tpts = transform_landmarks(landmarks, crop_matrix(center, scale, rot, self.out_res)).astype(np.float32)
        info = {
            "index": index,
            "center": np.asarray(center, np.float32),
            "scale": np.float32(scale),
            "pts": np.asarray(landmarks, np.float64),
            "tpts": tpts,
            "inp_res": self.inp_res,
            "out_res": self.out_res,
            "rot": np.float32(rot),
            "img_paths": path,
        }
        image = torch.from_numpy(crop).permute(2, 0, 1).float() / 255
        return image, landmarks_to_heatmaps(tpts, self.out_res, self.sigma), info

    def unreadable_sample(self, index, path):
        """The placeholder for an unreadable image where none may be left out: black, without label or position."""
        nothing = np.full((len(self.skeleton), 2), np.nan)
        image, heatmaps, info = self.sample(index, path, NO_PICTURE, nothing, np.nan, np.nan)
        return image, heatmaps, info | {"center": info["center"] * np.nan, "scale": np.float32(np.nan)}


class Generic(Samples):
    """A data set of samples `(image, heatmaps, info)` from any images with landmarks.

    image: (3, inp_res, inp_res) float32, RGB in 0 … 1.
    heatmaps: (K, out_res, out_res) float32, a Gaussian of height 1 per joint; zero where the joint is not labelled or
        lies outside the crop.
    info: a dictionary of numpy arrays and plain values
        index       int, the row in the annotations
        center      (2,) float32, the crop's center in the image, px
        scale       () float32, the crop's side / 200 px
        pts         (K, 2) float64, landmarks in the image, px, NaN where not labelled
        tpts        (K, 2) float32, the same in the heatmap, heatmap px
        inp_res, out_res   int, px
        rot         () float32, the crop's rotation in degrees, counter-clockwise
        img_paths   str, the image's file
        If the sample is mirrored, pts and center are those of the mirrored image.

    annotations: {image_path: [(x, y), …]}, from `read_annotations` or any similar dictionary; they set the skeleton.
    is_train: augment according to `augmentation`; otherwise the crop is exactly the landmarks' box.
    inp_res, out_res: sides of the input and of the heatmaps, px; out_res is a quarter of inp_res unless given.
    sigma: the Gaussian's standard deviation in heatmap px.
    seed: with the epoch (`set_epoch`) and the index it determines a sample's augmentation, whatever the number of
        workers.
    cache_dir: a folder for caching the decoded part of each image around the person, or None. The samples are the same,
        but load faster from the second epoch on. It grows by up to 2 MB per image (at 256 px; an unlabelled image is
        stored whole).
    on_bad_image: what to do if an image cannot be read (any more): "raise" an ImageError that names it and its line, or
        "skip" it: the next one replaces it in training, and in evaluation it does not count; see `unreadable`.
    The crop of an image without any label is the whole image.
    """

    def __init__(self, annotations, is_train=True, inp_res=256, out_res=None, sigma=1.0, augmentation=None,
                 seed=0, cache_dir=None, on_bad_image="raise"):  # fmt: skip
        self.annotations = as_annotations(annotations)
        if not len(self.annotations):
            raise DataError("the data set is empty: the annotations have no images")
        skeleton = self.annotations.skeleton
        super().__init__(
            len(self.annotations), skeleton, is_train, inp_res, out_res, sigma, augmentation, seed, on_bad_image
        )
        self.cache_dir = cache_dir
        self.centers, self.scales = center_and_scale(self.annotations.landmarks)

    def __len__(self):
        return len(self.annotations)

    def __getitem__(self, index):
        index = range(len(self))[index]  # a negative one counts from the end
        for row in chain(range(index, len(self)), range(index)) if self.is_train else [index]:
            if self.is_train and self.unreadable[row]:
                continue
            path, center, scale = image_file(self.annotations.paths[row]), self.centers[row], self.scales[row]
            try:
                picture = self._picture(path, center, scale)
            except ImageError as error:
                self.bad_images.add(row, self.annotations.place(row), error)
            else:
                return self.sample(row, path, picture, self.annotations.landmarks[row], center, scale)
        if self.is_train:
            raise ImageError("not a single image can be read")
        return self.unreadable_sample(index, path)

    @property
    def labelled(self):
        """(K,) bool: which joints have a label in any image."""
        return np.isfinite(self.annotations.landmarks).any(axis=(0, 2))

    @property
    def fingerprint(self):
        """A checksum of the image names and the labels."""
        return fingerprint(self.annotations)

    def name(self, row):
        """The image of this row as messages name it."""
        return self.annotations.name(row)

    def _picture(self, path, center, scale):
        """The `Picture` of one image: the part around the labelled person, at the resolution that the crop needs."""
        shrink = self.shrink(scale)
        if self.cache_dir is None:
            return read_picture(path, shrink)
        reach = PIXELS_PER_SCALE * scale * (self.augmentation.reach if self.is_train else 1)

        def read():
            picture = read_picture(path, shrink)
            return picture.part(center, reach) if np.isfinite(scale) else picture

        return cached_picture(self.cache_dir, path, (shrink, *center, reach), read)


class BadImages:
    """Handles images that cannot be read: raises, or records them for all loading processes.

    count: images in the data set; on_bad_image: "raise" or "skip". `found` (count,) bool: those skipped so far.
    """

    def __init__(self, count, on_bad_image):
        if on_bad_image not in ON_BAD_IMAGE:
            raise DataError(f"on_bad_image is 'raise' or 'skip', not {on_bad_image!r}")
        self.on_bad_image = on_bad_image
        self._found = torch.zeros(count, dtype=torch.bool)
        if on_bad_image == "skip":
            self._found.share_memory_()

    @property
    def found(self):
        return self._found.numpy()

    def add(self, row, place, error):
        """Raises the error of an image with its location, or records the image."""
        if self.on_bad_image == "raise":
            raise ImageError(f"{place}: {error}; on_bad_image='skip' leaves it out") from None
        self._found[row] = True


def sources(data):
    """The data sets of this project within `data`, however they are wrapped.

    `data` is one itself, or holds some in attributes as `Subset`, `ConcatDataset` and user-defined classes do.
    """
    return list(dict.fromkeys(_sources(data, set())))


def _sources(data, seen):
    if isinstance(data, Samples):
        return [data]
    seen.add(id(data))
    return [source for part in _parts(data) if id(part) not in seen for source in _sources(part, seen)]


def _parts(data):
    """The data sets in the attributes of a wrapper."""
    inner = []
    for value in getattr(data, "__dict__", {}).values():
        inner += value if isinstance(value, (list, tuple)) else value.values() if isinstance(value, dict) else [value]
    return [part for part in inner if isinstance(part, Dataset)]


def skeleton_in(data):
    """The skeleton of a data set, wrapped or not; None if it contains none of this project's."""
    return next((source.skeleton for source in sources(data)), None)


def check_data(model, data):
    """Raises DataError if the samples of a data set differ from the model in their joints or size."""
    for source in sources(data):
        model.skeleton.check_same(source.skeleton, "the model", "the data")
        if model.inp_res not in (None, source.inp_res):
            raise DataError(
                f"the model was trained with images of {model.inp_res} px, the data have {source.inp_res}; make them "
                f"with Generic(..., inp_res={model.inp_res})"
            )


def identify(data):
    """A checksum that identifies the samples of a data set, wrapped or not, and their augmentation."""
    if isinstance(data, Samples):
        content = data.fingerprint, data.seed, data.augmentation
    else:
        indices = [int(index) for index in getattr(data, "indices", [])]
        content = len(data), indices, [identify(part) for part in _parts(data) if part is not data]
    return zlib.crc32(repr(content).encode())


def describe(data):
    """A human-readable description of a data set, wrapped or not: its number of samples and their source files."""
    files = [
        {
            "joints_file": str(getattr(source, "folder", None) or source.annotations.source or "(an array)"),
            "fingerprint": source.fingerprint,
        }
        for source in sources(data)
    ]
    return {"samples": len(data), "from": files}


@contextmanager
def warn_of_skipped_images(*data_sets):
    """Warns of the images skipped in the block, even if an error ends it."""
    try:
        yield
    except BaseException:
        if distributed.size() == 1:  # other processes may be waiting at another collective
            _warn_of_skipped(data_sets)
        raise
    _warn_of_skipped(data_sets)


def _warn_of_skipped(data_sets):
    for data in chain.from_iterable(sources(data) or [data] for data in data_sets):
        if not hasattr(data, "unreadable"):  # a user-defined data set
            continue
        skipped = np.flatnonzero(distributed.any_of(data.unreadable))
        if len(skipped) and distributed.rank() == 0:
            names = ", ".join(data.name(row) for row in skipped[:MAX_NAMED])
            more = f" and {len(skipped) - MAX_NAMED} more" if len(skipped) > MAX_NAMED else ""
            warnings.warn(f"skipped {len(skipped)} images that could not be read: {names}{more}", stacklevel=4)
