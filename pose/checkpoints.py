"""Checkpoints: weights on disk in safetensors, without pickle, written atomically."""

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from pose.hourglass import StackedHourglass
from pose.runtime.ctrl_c import defer_ctrl_c
from pose.runtime.device import chosen_device
from pose.runtime.errors import DataError, FileError, MissingError
from pose.runtime.files import write_atomically
from pose.skeleton import KINECT20, Skeleton


def save_tensors(path, tensors, about):
    """Writes {name: tensor} and a JSON-able dictionary `about`; a kill at any moment leaves the old or the new file."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(tensors, metadata={"about": json.dumps(about)}))


def load_tensors(path):
    """{name: tensor} and `about` of a file from `save_tensors`. Raises MissingError and DataError."""
    if not isinstance(path, (str, os.PathLike)):
        raise DataError(f"expected the path of a checkpoint, not {path!r:.80}; has nothing been trained yet?")
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"{path}: there is no such checkpoint; train one first or check the path")
    try:
        with defer_ctrl_c(), safe_open(path, framework="pt") as file:
            about = dict(json.loads((file.metadata() or {})["about"]))
            return {name: file.get_tensor(name).clone() for name in file.keys()}, about  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: is not a checkpoint of this project, or is damaged ({error})") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None


def with_weights(path, build, tensors):
    """The model from `build()` with the weights {name: tensor} of the file `path`, in evaluation mode.

    It is built on the meta device, so it takes no more memory than the weights, whatever the settings ask for.
    Raises DataError if settings and weights do not fit each other.
    """
    try:
        with torch.device("meta"):
            model = build()
        weights = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
        model.load_state_dict(weights, assign=True)
        return model.eval()
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path}: its settings and its weights do not fit each other ({reason}); was it written by another version?"
        ) from None


def save_model(path, model, **about):
    """Writes a `StackedHourglass`: its weights, its settings, and JSON-able metadata `about` its training."""
    if not isinstance(model, StackedHourglass):
        raise DataError(
            f"expected a StackedHourglass, not a {type(model).__name__}; har.save_model writes a recogniser"
        )
    save_tensors(path, model.state_dict(), {"kind": "hourglass", "settings": as_json(model.settings), **about})


def as_json(settings):
    """A model's settings with the skeleton as a dictionary, for JSON."""
    return settings | {"skeleton": settings["skeleton"].settings()}


def from_json(settings):
    """The inverse of `as_json`."""
    return settings | {"skeleton": Skeleton.of(settings["skeleton"])}


def load_model(path, device="cpu"):
    """The `StackedHourglass` of a file from `save_model`, in evaluation mode; `model.about` is what was saved with it.

    Raises MissingError, and DataError if the file is something else.
    """
    tensors, about = load_tensors(path)
    if about.get("kind") != "hourglass":
        kind = about.get("kind", "a training to resume")
        raise DataError(f"{path}: holds no hourglass but: {kind}; pass best.safetensors of a pose training")
    tensors = renamed(tensors)
    model = with_weights(path, lambda: hourglass_of(_settings(about), tensors), tensors)
    model.about = about
    return model.to(chosen_device(device), memory_format=torch.channels_last)


def hourglass_of(settings, tensors):
    """A `StackedHourglass` with these settings; DataError if there are fewer weights than stacks."""
    if settings["num_stacks"] > len(tensors):
        raise DataError(f"{settings['num_stacks']} stacks of {len(tensors)} weights")
    if not (settings["inp_res"] is None or isinstance(settings["inp_res"], int)):
        raise DataError(f"inp_res {settings['inp_res']!r:.80}")
    return StackedHourglass(**settings)


# Version 0.1 stored the joint names and the input size outside the settings, and called `trained_joints` `learnt`.


def _settings(about):
    settings = about["settings"]
    if "skeleton" in settings:
        return from_json(settings)
    names = tuple(about.get("joints", KINECT20.names))
    skeleton = KINECT20 if names == KINECT20.names else Skeleton(names, limbs=())
    return settings | {"skeleton": skeleton, "inp_res": about.get("config", {}).get("inp_res")}


def renamed(tensors):
    """{name: tensor} with the names of version 0.1 replaced by the current ones."""
    return {
        name.replace("learnt", "trained_joints"): tensor.bool() if name.endswith("learnt") else tensor
        for name, tensor in tensors.items()
    }
