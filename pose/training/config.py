"""`TrainConfig`: all hyperparameters of a pose training."""

from dataclasses import dataclass, field

import torch

from pose.augmentation import Augmentation
from pose.dataset import ON_BAD_IMAGE, Generic
from pose.hourglass import LOSSES, StackedHourglass
from pose.runtime.errors import DataError
from pose.runtime.settings import check
from pose.skeleton import KINECT20
from pose.training.shards import ShardedGeneric
from pose.training.start import take_over


@dataclass
class TrainConfig:
    """All hyperparameters of a training.

    start: where the weights come from: "" (from scratch), "pretrained" (`pose.pretrained`) or the path of a checkpoint,
        whose joints are found by name and whose stacks, channels and loss must be these
    num_stacks: number of stacked hourglasses: 1, 2, 8 or any other number
    channels: the network's width
    loss: "cross_entropy" or "mse"
    sigma: standard deviation of the heatmaps' Gaussians, heatmap px
    inp_res: side of the network's input, px; divisible by 64
    epochs: passes over the training images
    batch_size: images per step, over all processes together
    learning_rate: the maximum: it rises over the first steps, then decays to zero as a cosine
    warmup: share of the steps over which it rises
    weight_decay: of AdamW
    ema_decay: of the averaged weights, which are the ones evaluated and saved
    patience: stop after this many epochs without a better validation AUC; 0: never
    bf16: multiply in bf16; None: if a GPU has instructions for it, or if a CPU has proved faster with them; a resumed
        training keeps what it began with
    compile: use `torch.compile`; None: on a GPU; cannot be combined with recompute
    recompute: recompute activations for the gradient: a fraction of the memory, a third more time
    workers: processes that load images
    cache: a folder for caching decoded images between epochs; empty: no cache
    on_bad_image: "raise" an error if an image cannot be read, or "skip" it and warn at the end
    seed: determines the initial weights, the order of the images and their augmentation
    tensorboard: also write TensorBoard files into the run's folder
    augmentation: of the training images, see `Augmentation`
    """

    start: str = ""
    num_stacks: int = 1
    channels: int = 256
    loss: str = "cross_entropy"
    sigma: float = 1.0
    inp_res: int = 256
    epochs: int = 30
    batch_size: int = 16
    learning_rate: float = 1e-3
    warmup: float = 0.1
    weight_decay: float = 0.01
    ema_decay: float = 0.998
    patience: int = 0
    bf16: bool | None = None
    compile: bool | None = None
    recompute: bool = False
    workers: int = 0
    cache: str = ""
    on_bad_image: str = "raise"
    seed: int = 0
    tensorboard: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self):
        check(
            self,
            counts=("num_stacks", "epochs", "batch_size"),
            positive=("sigma", "learning_rate"),
            not_negative=("weight_decay", "patience", "workers", "seed"),
            below_one=("warmup", "ema_decay"),
        )
        if self.inp_res < 64 or self.inp_res % 64:
            raise DataError(f"inp_res must be divisible by 64 (128, 256 …), not {self.inp_res}")
        if self.channels < 2 or self.channels % 2:
            raise DataError(f"channels must be even, not {self.channels}")
        if self.loss not in LOSSES:
            raise DataError(f"loss is {' or '.join(map(repr, LOSSES))}, not {self.loss!r}")
        if self.on_bad_image not in ON_BAD_IMAGE:
            raise DataError(f"on_bad_image is 'raise' or 'skip', not {self.on_bad_image!r}")
        if self.compile and self.recompute:
            raise DataError("compile and recompute cannot be combined; turn one off")

    @property
    def out_res(self):
        """Side of the heatmaps, px."""
        return self.inp_res // 4

    def build_model(self, skeleton=KINECT20):
        """A new `StackedHourglass` for these joints: initialised as the seed determines, then with `start`'s weights.

        Raises MissingError if there is no such checkpoint, DataError if its weights do not fit.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = StackedHourglass(
                self.num_stacks, len(skeleton), self.channels, self.loss, self.sigma, skeleton, self.inp_res
            )
        if self.start:
            take_over(model, self.start)
        return model

    def build_dataset(self, annotations, is_train):
        """`Generic` with this configuration's sizes and augmentation."""
        return Generic(annotations, is_train, cache_dir=self.cache or None, **self._sample_options())

    def build_sharded(self, folder):
        """`ShardedGeneric` of a folder of shards, for training, with this configuration's sizes and augmentation."""
        return ShardedGeneric(folder, **self._sample_options())

    def _sample_options(self):
        names = ("inp_res", "out_res", "sigma", "augmentation", "seed", "on_bad_image")
        return {name: getattr(self, name) for name in names}
