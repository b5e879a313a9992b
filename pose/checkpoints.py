"""Weights on disk, in safetensors: no pickle, and a file is whole or not there at all."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from pose.files import write_whole
from pose.hourglass import StackedHourglass
from pose.skeleton import KINECT20


def save_tensors(path, tensors, about):
    """Writes {name: tensor} and a JSON-able dictionary `about`; a kill at any moment leaves the old or the new file."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_whole(path, save(tensors, metadata={"about": json.dumps(about)}))


def load_tensors(path):
    """{name: tensor} and `about` of a file from `save_tensors`. Raises FileNotFoundError and ValueError."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such checkpoint; train one first or check the path")
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            return {name: file.get_tensor(name).clone() for name in file.keys()}, about  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: is not a checkpoint of this project ({error})") from None


def save_model(path, model, skeleton=KINECT20, **about):
    """Writes a `StackedHourglass`: weights, settings, joint names, and whatever JSON-able `about` says of it."""
    about = {"kind": "hourglass", "settings": model.settings, "joints": list(skeleton.names), **about}
    save_tensors(path, model.state_dict(), about)


def load_model(path, device="cpu"):
    """The `StackedHourglass` of a file from `save_model`, in evaluation mode; `model.about` is what was saved with it.

    Raises FileNotFoundError, and ValueError where the file is something else.
    """
    tensors, about = load_tensors(path)
    if about.get("kind") != "hourglass":
        kind = about.get("kind", "a training to resume")
        raise ValueError(f"{path}: holds no hourglass but: {kind}; give best.safetensors of a pose training")
    model = StackedHourglass(**about["settings"])
    model.load_state_dict(tensors)
    model.about = about
    return model.to(torch.device(device), memory_format=torch.channels_last).eval()
