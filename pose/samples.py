"""What a sample is, and how it is made of a picture and its landmarks."""

import warnings

import numpy as np
import torch

from pose import distributed
from pose.augmentation import Augmentation
from pose.errors import DataError
from pose.geometry import (
    PIXELS_PER_SCALE,
    compose,
    crop_matrix,
    mirror_landmarks,
    mirror_matrix,
    transform_landmarks,
    whole_image_box,
)
from pose.heatmaps import landmarks_to_heatmaps
from pose.images import ImageError
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
