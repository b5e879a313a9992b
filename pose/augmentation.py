"""Random changes of a training sample: the crop's place, size and turn, mirroring, and the light."""

import sys
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch


@dataclass(frozen=True)
class Augmentation:
    """How far a training crop may differ from the labelled one.

    scale: the crop's side changes by a factor of 1 ± scale.
    rot: it turns by up to ± rot degrees, in `rot_share` of the samples.
    shift: its middle moves by up to ± shift of its side, along x and along y.
    mirror: the share of samples mirrored left to right.
    light: brightness, contrast and saturation change by a factor of 1 ± light.
    """

    scale: float = 0.25
    rot: float = 30.0
    rot_share: float = 0.6
    shift: float = 0.05
    mirror: float = 0.5
    light: float = 0.3

    def move_box(self, center, scale, rng):
        """A randomly moved crop: center (..., 2) px, scale (...), rot in degrees; several crops move alike."""
        side = 200 * np.asarray(scale)[..., None]
        center = center + rng.uniform(-self.shift, self.shift, 2) * side
        scale = scale * (1 + rng.uniform(-self.scale, self.scale))
        rot = rng.uniform(-self.rot, self.rot) if rng.random() < self.rot_share else 0.0
        return center, scale, rot

    def change_light(self, image, rng):
        """The image (3, H, W) uint8 tensor under another light."""
        v2 = _torchvision_transforms()
        brightness, contrast, saturation = rng.uniform(1 - self.light, 1 + self.light, 3)
        image = v2.functional.adjust_brightness(image, brightness)
        image = v2.functional.adjust_contrast(image, contrast)
        return v2.functional.adjust_saturation(image, saturation)


@cache
def _torchvision_transforms():
    """torchvision.transforms.v2, imported only where it is used.

    PyPI's torchvision is built for CUDA; beside a CPU-only torch its import fails for want of two operators that
    nothing here calls. Only then are their schemas declared: beside its own torch a second declaration would be fatal.
    """
    try:
        from torchvision.transforms import v2
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        _declare_torchvision_operators()
        from torchvision.transforms import v2
    return v2


@cache
def _declare_torchvision_operators():
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library  # the declarations live as long as this object
