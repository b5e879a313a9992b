"""Training, from a notebook, `python -m pose.training` or `torchrun`: `TrainConfig` and `fit`."""

from pose.training.config import TrainConfig
from pose.training.hourglass import fit

__all__ = ["TrainConfig", "fit"]
