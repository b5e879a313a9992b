"""Every hyperparameter in one place."""

import math
from dataclasses import dataclass, field

import torch

from pose.augmentation import Augmentation
from pose.dataset import Generic
from pose.hourglass import StackedHourglass
from pose.skeleton import KINECT20


@dataclass
class TrainConfig:
    """Every hyperparameter of a training."""

    num_stacks: int = 1  # 1, 2, 8 or any other number of hourglasses
    channels: int = 256  # the network's width
    loss: str = "cross_entropy"  # or "mse"
    sigma: float = 1.0  # of the Gaussians, heatmap px
    inp_res: int = 256  # side of the network's input, px; divisible by 64
    epochs: int = 30
    batch_size: int = 16  # over all processes together
    learning_rate: float = 1e-3  # the highest: it rises over the first steps and falls as a cosine
    warmup: float = 0.1  # share of the steps in which it rises
    weight_decay: float = 0.01
    ema_decay: float = 0.998  # of the averaged weights, which are the ones evaluated and kept
    patience: int = 0  # stop after so many epochs without a better validation AUC; 0: never
    bf16: bool | None = None  # None: where the device multiplies bf16 in hardware
    workers: int = 0  # processes that load samples
    seed: int = 0
    tensorboard: bool = False  # also write TensorBoard's files into the run's folder
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self):
        if self.inp_res < 64 or self.inp_res % 64:
            raise ValueError(f"inp_res must be divisible by 64 (128, 256 …), not {self.inp_res}")
        if self.channels < 2 or self.channels % 2:
            raise ValueError(f"channels must be even, not {self.channels}")
        for name in ("num_stacks", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

    @property
    def out_res(self):
        """Side of the heatmaps, px."""
        return self.inp_res // 4

    def build_model(self, skeleton=KINECT20):
        """A freshly initialised `StackedHourglass`, the same for the same seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return StackedHourglass(self.num_stacks, len(skeleton), self.channels, self.loss, self.sigma)

    def build_dataset(self, annotations, is_train, skeleton=KINECT20):
        """`Generic` with this configuration's sizes and augmentation."""
        return Generic(
            annotations,
            is_train,
            self.inp_res,
            self.out_res,
            self.sigma,
            skeleton=skeleton,
            augmentation=self.augmentation,
            seed=self.seed,
        )

    def rate_at(self, step, steps):
        """The learning rate of step 0 … steps−1: linear rise, then half a cosine down to zero."""
        rise = max(1, round(self.warmup * steps))
        if step < rise:
            return self.learning_rate * (step + 1) / rise
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
