"""`HarConfig`: all hyperparameters of a recogniser's training."""

from dataclasses import dataclass, field
from numbers import Integral

import torch

from har.augmentation import MotionAugmentation
from har.datasets import SequenceDataset
from har.head import MAX_FRAMES, POOLINGS, ActivityHead
from pose.runtime.errors import DataError
from pose.runtime.settings import check
from pose.skeleton import KINECT20


@dataclass
class HarConfig:
    """All hyperparameters of a training.

    hidden: width of the LSTM, in each direction
    layers: number of stacked LSTMs
    bidirectional: also read the clip backwards
    pooling: "attention_max", "attention", "max", "mean" or "last", see `ActivityHead`
    bones: add the vectors along the limbs to the features
    velocities: add the changes from step to step to the features
    frames: time steps that each clip is resampled to
    dropout: of the pooled states, and between layers
    epochs: passes over the training clips
    batch_size: clips per step
    learning_rate: the maximum: it rises over the first steps, then decays to zero as a cosine
    warmup: share of the steps over which it rises
    weight_decay: of AdamW
    label_smoothing: this share of the target is spread evenly over all actions
    mix: share of the batches in which each clip is blended with another one, label included, see `Mix`; the training
        accuracy then counts the label of the larger share. Not end to end
    ema_decay: of the averaged weights, which are the ones evaluated and saved
    patience: stop after this many epochs without a lower validation loss; 0: never
    pose_rate: end to end: the hourglass's learning rate relative to the head's
    pose_weight: end to end: weight of the pose loss, relative to the action loss
    workers: processes that load clips
    seed: determines the initial weights, the order of the clips and their augmentation
    augmentation: of the training clips, see `MotionAugmentation`
    """

    hidden: int = 128
    layers: int = 1
    bidirectional: bool = True
    pooling: str = "attention_max"
    bones: bool = False
    velocities: bool = True
    frames: int = 32
    dropout: float = 0.7
    epochs: int = 100
    batch_size: int = 16
    learning_rate: float = 8e-3
    warmup: float = 0.3
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    mix: float = 0.5
    ema_decay: float = 0.99
    patience: int = 0
    pose_rate: float = 0.1
    pose_weight: float = 1.0
    workers: int = 0
    seed: int = 0
    augmentation: MotionAugmentation = field(default_factory=MotionAugmentation)

    def __post_init__(self):
        check(
            self,
            counts=("hidden", "layers", "epochs", "batch_size"),
            positive=("learning_rate",),
            not_negative=("weight_decay", "patience", "pose_rate", "pose_weight", "workers", "seed"),
            shares=("mix",),
            below_one=("dropout", "label_smoothing", "ema_decay", "warmup"),
        )
        if not 2 <= self.frames <= MAX_FRAMES:
            raise DataError(f"frames must be 2 to {MAX_FRAMES}, not {self.frames}")
        if self.pooling not in POOLINGS:
            raise DataError(f"pooling must be one of {', '.join(POOLINGS)}, not {self.pooling!r}")

    def build_head(self, num_actions, skeleton=KINECT20):
        """A newly initialised `ActivityHead`, determined by the seed."""
        if not isinstance(num_actions, Integral) or num_actions < 1:
            raise DataError(f"num_actions must be the number of actions, len(actions), not {num_actions!r:.80}")
        names = ("hidden", "layers", "bidirectional", "pooling", "bones", "velocities", "frames", "dropout")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            options = {name: getattr(self, name) for name in names}
            return ActivityHead(num_actions, len(skeleton), skeleton=skeleton, **options)

    def build_dataset(self, annotations, clips, actions=None, is_train=False, joints_3d=None):
        """`SequenceDataset` with this configuration's augmentation and seed."""
        return SequenceDataset(annotations, clips, actions, is_train, self.augmentation, joints_3d, seed=self.seed)
