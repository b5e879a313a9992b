"""`Generic`: annotations and images as the samples that the hourglass learns from."""

import warnings
from itertools import chain

import numpy as np
import torch
from torch.utils.data import Dataset

from pose.annotations import as_annotations, fingerprint
from pose.augmentation import Augmentation
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
from pose.runtime import distributed
from pose.runtime.errors import DataError
from pose.runtime.image_cache import cached_picture
from pose.skeleton import KINECT20

ON_BAD_IMAGE = ("raise", "skip")
NAMED = 8  # images in a message about more


class Samples:
    """Samples `(image, heatmaps, info)`, as `Generic` explains them: what it and `ShardedGeneric` share.

    is_train: augment as `augmentation` says; in evaluation the crop is the box of the landmarks itself.
    inp_res, out_res: sides of the input and of the heatmaps, px; out_res is a quarter of inp_res unless given.
    sigma: the Gaussian's standard deviation in heatmap px.
    seed: with the epoch (`set_epoch`) and the index it fixes a sample's augmentation, whatever the number of workers.
    on_bad_image: "raise", or "skip" images that cannot be read.
    An image without any label is shown whole.
    """

    def __init__(self, is_train=True, inp_res=256, out_res=None, sigma=1.0, skeleton=KINECT20, augmentation=None,
                 seed=0, on_bad_image="raise"):  # fmt: skip
        self.is_train = is_train
        self.inp_res = inp_res
        self.out_res = out_res or inp_res // 4
        self.sigma = sigma
        self.skeleton = skeleton
        self.augmentation = augmentation or Augmentation()
        self.seed = seed
        self.bad_images = BadImages(len(self), on_bad_image)
        self._epoch = torch.zeros((), dtype=torch.int64)

    @property
    def epoch(self):
        """The number that, with the seed and the index, fixes a sample's augmentation."""
        return int(self._epoch)

    def set_epoch(self, epoch):
        """Another epoch, other augmentations. Call it before going through the epoch's loader."""
        self._epoch.fill_(epoch)

    def share_epoch(self):
        """Lets processes that load samples see `set_epoch`, so that they need not start anew."""
        self._epoch.share_memory_()

    @property
    def unreadable(self):
        """(M,) bool: the images that could not be read so far and were skipped."""
        return self.bad_images.found

    def shrink(self, scale):
        """How many image px the labelled crop of this scale has along a side for each of its own; 1 without labels."""
        return PIXELS_PER_SCALE * scale / self.inp_res if np.isfinite(scale) else 1.0

    def finish(self, crop, info):
        """The sample of a crop and its `info`."""
        image = torch.from_numpy(crop).permute(2, 0, 1).float() / 255
        return image, landmarks_to_heatmaps(info["tpts"], self.out_res, self.sigma), info

    def make_crop(self, index, path, picture, landmarks, center, scale):
        """The crop (inp_res, inp_res, 3) uint8 RGB and `info`: all that `fit` needs to finish a batch on the device.

        picture: `Picture`; landmarks (K, 2), center (2,) and scale of the person in it, image px.
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
            "pts": landmarks.astype(np.float32),
            "tpts": tpts,
            "inp_res": self.inp_res,
            "out_res": self.out_res,
            "rot": np.float32(rot),
            "img_paths": path,
        }
        return crop, info


class BadImages:
    """What to do with images that cannot be read: raise, or remember them for all processes that load samples.

    count: images of the data set; on_bad_image: "raise" or "skip". `found` (count,) bool are those skipped so far.
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
        """Raises the error of an image with its place, or remembers the image."""
        if self.on_bad_image == "raise":
            raise ImageError(f"{place}: {error}; on_bad_image='skip' leaves such images out") from None
        self._found[row] = True


def tell_skipped(*data_sets):
    """A warning with the images that could not be read and were skipped."""
    for data in data_sets:
        skipped = np.flatnonzero(distributed.any_of(data.unreadable))
        if len(skipped) and distributed.rank() == 0:
            names = ", ".join(data.name(row) for row in skipped[:NAMED])
            more = f" and {len(skipped) - NAMED} more" if len(skipped) > NAMED else ""
            warnings.warn(f"skipped {len(skipped)} images that could not be read: {names}{more}", stacklevel=3)


def on_device(crops, device):
    """A batch of crops (N, S, S, 3) uint8 as the network's input (N, 3, S, S) float32 in 0 … 1, channels_last."""
    return crops.to(device, non_blocking=True).permute(0, 3, 1, 2).float() / 255


class Generic(Samples, Dataset):
    """Samples `(image, heatmaps, info)` of any images with landmarks.

    image: (3, inp_res, inp_res) float32, RGB in 0 … 1.
    heatmaps: (K, out_res, out_res) float32, a Gaussian of height 1 a joint; zero where the joint is not labelled or
        lies outside the crop.
    info: a dictionary of numpy arrays and plain values
        index       int, the row in the annotations
        center      (2,) float32, the crop's middle in the image, px
        scale       () float32, the crop's side / 200 px
        pts         (K, 2) float32, landmarks in the image, px, NaN where not labelled
        tpts        (K, 2) float32, the same in the heatmap, heatmap px
        inp_res, out_res   int, px
        rot         () float32, the crop's turn in degrees, counter-clockwise
        img_paths   str
        Where the sample was mirrored, pts and center are those of the mirrored image.

    annotations: {image_path: [(x, y), …]}, from `read_annotations` or any dictionary like it.
    is_train: augment as `augmentation` says; in evaluation the crop is the box of the landmarks itself.
    inp_res, out_res: sides of the input and of the heatmaps, px; out_res is a quarter of inp_res unless given.
    sigma: the Gaussian's standard deviation in heatmap px.
    seed: with the epoch (`set_epoch`) and the index it fixes a sample's augmentation, whatever the number of workers.
    cache_dir: a folder that keeps the decoded part of each image around the person, or None. The samples are the same;
        from the second epoch on they come sooner. It grows by up to 2 MB an image (at 256 px), an image without label
        whole.
    on_bad_image: what to do where an image cannot be read (any more): "raise" an ImageError that names it and its line,
        or "skip" it: the next one stands in while training, and in evaluation it does not count; see `unreadable`.
    An image without any label is shown whole.
    """

    def __init__(self, annotations, is_train=True, inp_res=256, out_res=None, sigma=1.0, skeleton=KINECT20,
                 augmentation=None, seed=0, cache_dir=None, on_bad_image="raise"):  # fmt: skip
        self.annotations = as_annotations(annotations)
        super().__init__(is_train, inp_res, out_res, sigma, skeleton, augmentation, seed, on_bad_image)
        if not len(self.annotations):
            raise DataError("the data set is empty: the annotations hold no image")
        found = self.annotations.landmarks.shape[1]
        if found != len(skeleton):
            raise DataError(f"the annotations have {found} joints an image, the skeleton has {len(skeleton)}")
        check_images((1, 3, inp_res, inp_res))
        self.cache_dir = cache_dir
        self.centers, self.scales = center_and_scale(self.annotations.landmarks)

    def __len__(self):
        return len(self.annotations)

    def __getitem__(self, index):
        return self.finish(*self.crop(index))

    @property
    def labelled(self):
        """(K,) bool: which joints have a label in any image."""
        return np.isfinite(self.annotations.landmarks).any(axis=(0, 2))

    @property
    def fingerprint(self):
        """A number that tells these images and labels from others."""
        return fingerprint(self.annotations)

    def name(self, row):
        """What to call an image in a message."""
        return self.annotations.name(row)

    def crops(self):
        """The data set of `crop(index)`: samples as they leave the processes that load them."""
        self.share_epoch()
        return _Crops(self)

    def crop(self, index):
        """The crop (inp_res, inp_res, 3) uint8 RGB and the `info` of one image; see `make_crop`."""
        index = range(len(self))[index]  # a negative one counts from the end
        for row in chain(range(index, len(self)), range(index)) if self.is_train else [index]:
            if self.is_train and self.unreadable[row]:
                continue
            path, center, scale = self.annotations.paths[row], self.centers[row], self.scales[row]
            try:
                picture = self._picture(path, center, scale)
            except ImageError as error:
                self.bad_images.add(row, self.annotations.place(row), error)
            else:
                return self.make_crop(row, path, picture, self.annotations.landmarks[row], center, scale)
        if self.is_train:
            raise ImageError("not a single image can be read")
        return self.make_crop(index, path, NO_PICTURE, np.full((len(self.skeleton), 2), np.nan), np.nan, np.nan)

    def _picture(self, path, center, scale):
        """The `Picture` of one image: where somebody is labelled, at the resolution that the crop needs."""
        shrink = self.shrink(scale)
        if self.cache_dir is None:
            return read_picture(path, shrink)
        reach = PIXELS_PER_SCALE * scale * (self.augmentation.reach if self.is_train else 1)

        def read():
            picture = read_picture(path, shrink)
            return picture.part(center, reach) if np.isfinite(scale) else picture

        return cached_picture(self.cache_dir, path, (shrink, *center, reach), read)


class _Crops(Dataset):
    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.data.crop(index)
