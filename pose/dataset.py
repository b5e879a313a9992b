"""`Generic`: annotations and images as the samples that the hourglass learns from."""

import numpy as np
import torch
from torch.utils.data import Dataset

from pose.annotations import as_annotations
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
from pose.images import read_picture
from pose.picture_cache import cached_picture
from pose.skeleton import KINECT20


class Generic(Dataset):
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
        from the second epoch on they come sooner. It grows to about 1 MB an image (at 256 px, large images).
    An image without any label is shown whole.
    """

    def __init__(self, annotations, is_train=True, inp_res=256, out_res=None, sigma=1.0, skeleton=KINECT20,
                 augmentation=None, seed=0, cache_dir=None):  # fmt: skip
        self.annotations = as_annotations(annotations)
        if not len(self.annotations):
            raise ValueError("the data set is empty: the annotations hold no image")
        found = self.annotations.landmarks.shape[1]
        if found != len(skeleton):
            raise ValueError(f"the annotations have {found} joints an image, the skeleton has {len(skeleton)}")
        self.is_train = is_train
        self.inp_res = inp_res
        self.out_res = out_res or inp_res // 4
        self.sigma = sigma
        self.skeleton = skeleton
        self.augmentation = augmentation or Augmentation()
        self.seed = seed
        self.cache_dir = cache_dir
        self.epoch = 0
        self.centers, self.scales = center_and_scale(self.annotations.landmarks)

    def __len__(self):
        return len(self.annotations)

    def set_epoch(self, epoch):
        """Another epoch, other augmentations. Call it before the epoch's loader starts its workers."""
        self.epoch = epoch

    def __getitem__(self, index):
        crop, info = self.crop(index)
        image = torch.from_numpy(crop).permute(2, 0, 1).float() / 255
        return image, landmarks_to_heatmaps(info["tpts"], self.out_res, self.sigma), info

    def crop(self, index):
        """The image (inp_res, inp_res, 3) uint8 RGB and `info`: all that `fit` needs to finish a batch on the device."""
        index = range(len(self))[index]  # a negative one counts from the end
        picture = self._picture(index)
        landmarks, center, scale = self._box(index, picture)
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
            "img_paths": self.annotations.paths[index],
        }
        return crop, info

    def _picture(self, index):
        """The `Picture` of one image: where somebody is labelled, at the resolution that the crop needs."""
        path, side = self.annotations.paths[index], PIXELS_PER_SCALE * self.scales[index]
        labelled = np.isfinite(side)
        shrink = side / self.inp_res if labelled else 1.0
        if self.cache_dir is None:
            return read_picture(path, shrink)
        center, reach = self.centers[index], side * (self.augmentation.reach if self.is_train else 1)

        def read():
            picture = read_picture(path, shrink)
            return picture.part(center, reach) if labelled else picture

        return cached_picture(self.cache_dir, path, (shrink, *center, reach), read)

    def _box(self, index, picture):
        """The landmarks of one row, and the crop's center and scale."""
        landmarks = self.annotations.landmarks[index]
        if np.isfinite(landmarks).any():
            return landmarks, self.centers[index], self.scales[index]
        return landmarks, *whole_image_box(picture.width, picture.height)


class Crops(Dataset):
    """`Generic.crop` of each index: samples as they leave the processes that load them."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.data.crop(index)


def on_device(crops, device):
    """A batch of crops (N, S, S, 3) uint8 as the network's input (N, 3, S, S) float32 in 0 … 1, channels_last."""
    return crops.to(device, non_blocking=True).permute(0, 3, 1, 2).float() / 255
