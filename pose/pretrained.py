"""`pretrained`: the network whose weights come with this package."""

from functools import cache
from pathlib import Path

from pose.checkpoints import load_model

WEIGHTS = Path(__file__).parent / "weights" / "hourglass.safetensors"


def pretrained(device="cpu"):
    """The `StackedHourglass` of the 20 Kinect joints that comes with this package, in evaluation mode.

    It has one stack of 256 channels, was trained on photographs, depth images and drawings of people, and sees left and
    right as in a photograph: in a mirrored image, as a Kinect makes it, they are exchanged. How it was trained, how
    good it is and where it fails: weights/MODEL_CARD.md in the folder of this module. The weights are for research
    only, like the images they were trained on; the first call in a process says so.
    """
    _say_terms()
    return load_model(WEIGHTS, device)


@cache  # once per process
def _say_terms():
    print(
        "The weights of pose.pretrained() are for research only, like the images they were trained on (MODEL_CARD.md)."
    )
