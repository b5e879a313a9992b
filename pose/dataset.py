"""`Generic`: annotations and images as the samples that the hourglass learns from."""

from itertools import chain

import numpy as np
from torch.utils.data import Dataset

from pose.annotations import as_annotations, fingerprint
from pose.errors import DataError
from pose.geometry import PIXELS_PER_SCALE, center_and_scale
from pose.hourglass import check_images
from pose.images import NO_PICTURE, ImageError, read_picture
from pose.picture_cache import cached_picture
from pose.samples import Samples
from pose.skeleton import KINECT20


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
