"""Training: one configuration, one loop, from a notebook cell, `python -m pose.training`, or `torchrun`."""

from pose.training.config import TrainConfig
from pose.training.hourglass import fit

__all__ = ["TrainConfig", "fit"]
