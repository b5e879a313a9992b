"""The stacked hourglass of Newell, Yang and Deng, "Stacked Hourglass Networks for Human Pose Estimation", ECCV 2016.

The modules are named as in the widely used PyTorch implementation, so that its MPII checkpoints can be loaded.
"""

import math
from contextlib import contextmanager, nullcontext

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from pose.runtime.errors import DataError
from pose.skeleton import skeleton_of

LOSSES = ("mse", "cross_entropy")
DEPTH = 4  # how many times an hourglass halves its input


class Bottleneck(nn.Module):
    """A pre-activation residual unit: 1×1, 3×3, 1×1 convolutions from `inputs` to 2·`planes` channels."""

    def __init__(self, inputs, planes):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, planes, 1)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 2 * planes, 1)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, 2 * planes, 1)) if inputs != 2 * planes else None

    def forward(self, x):
        y = self.conv1(F.relu(self.bn1(x), inplace=True))
        y = self.conv2(F.relu(self.bn2(y), inplace=True))
        y = self.conv3(F.relu(self.bn3(y), inplace=True))
        y += x if self.downsample is None else self.downsample(x)
        return y


def residual(inputs, planes):
    return nn.Sequential(Bottleneck(inputs, planes))


class Hourglass(nn.Module):
    """Halves its input `DEPTH` times and upsamples it again, with a skip branch at each size."""

    def __init__(self, channels):
        super().__init__()
        # At each size: the skip branch, before the smaller size, after it; the smallest has one more in the middle.
        levels = [4] + [3] * (DEPTH - 1)
        self.hg = nn.ModuleList(
            nn.ModuleList(residual(channels, channels // 2) for _ in range(count)) for count in levels
        )

    def forward(self, x, level=DEPTH - 1):
        branch, before, after, *middle = self.hg[level]
        y = before(F.max_pool2d(x, 2))
        y = middle[0](y) if level == 0 else self(y, level - 1)
        x = branch(x)
        x += F.interpolate(after(y), scale_factor=2, mode="nearest")
        return x


class StackedHourglass(nn.Module):
    """A stack of hourglasses, each with its own supervised heatmaps, which are fed to the next.

    num_stacks: number of hourglasses; num_joints: heatmaps of each; channels: the width (256 in the paper).
    skeleton: the joints of the heatmaps, in their order; by default KINECT20 for 20 joints.
    inp_res: the side of its training images, px; None before training.
    loss: the training loss, which determines what the last layer means.
        "mse": the scores are the heatmaps, Gaussians of height 1 (as in the paper and in MPII checkpoints).
        "cross_entropy": the softmax of the scores over all positions is the probability of the joint's position. It is
        scaled by 2π·sigma², so that a perfect prediction is the same Gaussian of height 1.
    sigma: that Gaussian's standard deviation in heatmap px.

    If the attribute `recompute` is set, training keeps only the stacks' inputs in memory and recomputes the rest for
    the gradient (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016).

    Of a network that took over another's weights, `start` says where they are from, and `new_joints` names those it did
    not get from there; otherwise they are empty.

    The image's normalisation (`mean`, `std`, of RGB in 0 … 1) is part of the network, and so is `trained_joints`
    (num_joints,) bool, true for each joint that had labels in training; the heatmaps of the others are zero.
    """

    def __init__(self, num_stacks=1, num_joints=20, channels=256, loss="cross_entropy", sigma=1.0,
                 skeleton=None, inp_res=None):  # fmt: skip
        super().__init__()
        if loss not in LOSSES:
            raise DataError(f"loss is {' or '.join(map(repr, LOSSES))}, not {loss!r}")
        if num_stacks < 1 or num_joints < 1 or channels < 2 or channels % 2 or not 0 < sigma < 100:
            raise DataError("num_stacks, num_joints and sigma must be above 0 (sigma below 100), channels even")
        self.num_stacks, self.num_joints, self.channels = num_stacks, num_joints, channels
        self.loss, self.sigma = loss, sigma
        self.skeleton, self.inp_res = skeleton_of(num_joints, skeleton), inp_res
        self.recompute = False
        self.start, self.start_res, self.new_joints = "", None, ()
        self.register_buffer("mean", torch.full((3, 1, 1), 0.5))
        self.register_buffer("std", torch.full((3, 1, 1), 0.25))
        self.register_buffer("trained_joints", torch.ones(num_joints, dtype=torch.bool))

        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = residual(64, 64)
        self.layer2 = residual(128, 128)
        self.layer3 = residual(256, channels // 2)

        self.hg = nn.ModuleList(Hourglass(channels) for _ in range(num_stacks))
        self.res = nn.ModuleList(residual(channels, channels // 2) for _ in range(num_stacks))
        self.fc = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
            for _ in range(num_stacks)
        )
        self.score = nn.ModuleList(nn.Conv2d(channels, num_joints, 1) for _ in range(num_stacks))
        self.fc_ = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(num_stacks - 1))
        self.score_ = nn.ModuleList(nn.Conv2d(num_joints, channels, 1) for _ in range(num_stacks - 1))

    @property
    def settings(self):
        """The arguments that build the same network, `StackedHourglass(**settings)`, as a dictionary."""
        names = ("num_stacks", "num_joints", "channels", "loss", "sigma", "skeleton", "inp_res")
        return {name: getattr(self, name) for name in names}

    def forward(self, images):
        """The heatmaps of each stack; the last is the prediction.

        images: (N, 3, S, S') float, RGB in 0 … 1, sides divisible by 64.
        Returns a list of num_stacks tensors (N, num_joints, S/4, S'/4) float32, rows y and columns x.
        Raises DataError for images of another shape, and in training for a single image of 64 px, of which batch norm
        would see a single value.
        """
        check_images(images.shape, self.training)
        x = self._run(self._stem, images)
        heatmaps = []
        for i in range(self.num_stacks):
            y, score = self._run(self._stack, x, i)
            heatmaps.append(self._heatmaps(score))
            if i + 1 < self.num_stacks:
                x = x + self.fc_[i](y) + self.score_[i](score)
        return heatmaps

    def _stem(self, images):
        """Features (N, channels, S/4, S'/4) of images (N, 3, S, S')."""
        x = (images - self.mean) / self.std
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # (N, 64, S/2, S'/2)
        x = F.max_pool2d(self.layer1(x), 2)  # (N, 128, S/4, S'/4)
        return self.layer3(self.layer2(x))

    def _stack(self, x, i):
        """Features and scores (N, num_joints, …) of stack i."""
        y = self.fc[i](self.res[i](self.hg[i](x)))
        return y, self.score[i](y)

    def _run(self, part, *inputs):
        """part(*inputs); if `recompute` is set, without storing activations for the gradient."""
        if not (self.recompute and self.training and torch.is_grad_enabled()):
            return part(*inputs)
        contexts = lambda: (nullcontext(), _frozen_statistics(self))  # noqa: E731
        return checkpoint(part, *inputs, use_reentrant=False, context_fn=contexts)

    def _heatmaps(self, score):
        score = score.to(self.mean.dtype)  # bf16 is too coarse for the softmax
        if self.loss == "cross_entropy":
            probability = score.flatten(2).softmax(dim=2).reshape(score.shape)
            score = probability * (2 * math.pi * self.sigma**2)
        return score if self.training else score * self.trained_joints[:, None, None].to(score.dtype)


@contextmanager
def _frozen_statistics(model):
    """Keeps batch norms from counting a recomputed batch twice."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    saved = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, torch.zeros_like(norm.num_batches_tracked)
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, saved, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


def check_images(shape, training=False):
    """Raises DataError if the network cannot take images of this shape."""
    if len(shape) != 4 or shape[1] != 3:
        raise DataError(f"expected images of shape (N, 3, height, width), got {tuple(shape)}")
    number, _, height, width = shape
    if height % 64 or width % 64 or not height or not width:
        raise DataError(f"the sides of an image must be divisible by 64 (such as 256), got {height} × {width}")
    if training and number * (height // 64) * (width // 64) == 1:
        raise DataError("batch norm cannot learn from a batch of one image of 64 px; use batch_size 2, or 128 px")


def hg1(num_joints=20, **settings):
    """One stack (3.6 M parameters)."""
    return StackedHourglass(1, num_joints, **settings)


def hg2(num_joints=20, **settings):
    """Two stacks (6.7 M parameters)."""
    return StackedHourglass(2, num_joints, **settings)


def hg8(num_joints=20, **settings):
    """Eight stacks (25.6 M parameters), the paper's network."""
    return StackedHourglass(8, num_joints, **settings)
