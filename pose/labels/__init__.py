"""Labels from a ready-made pose model."""

from pose.labels.blazepose import Person, ReadyMade
from pose.labels.mediapipe_files import fetch_models

__all__ = ["Person", "ReadyMade", "fetch_models"]
