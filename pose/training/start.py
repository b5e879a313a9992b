"""Starts a training from the weights of another network, matching joints by name."""

import torch

from pose.checkpoints import load_model
from pose.pretrained import pretrained
from pose.runtime.errors import DataError


def take_over(model, start):
    """Gives a new `StackedHourglass` the weights of another, and sets its `start`, `start_res` and `new_joints`.

    start: "pretrained" or the path of a checkpoint. Joints are found by name; those that the other network has no
        labels of keep the weights they have.
    Raises MissingError if there is no such checkpoint; DataError if its network has other stacks, another width or
    another loss.
    """
    other = pretrained() if start == "pretrained" else load_model(start)
    for name in ("num_stacks", "channels", "loss"):
        theirs, own = getattr(other, name), getattr(model, name)
        if theirs != own:
            raise DataError(
                f"start={start!r} has {name}={theirs!r}, the configuration {own!r}: the weights do not fit. Set "
                f"{name}={theirs!r}, or start='' to start from scratch"
            )
    trained = [name for name, known in zip(other.skeleton.names, other.trained_joints, strict=True) if known]
    shared = [name for name in model.skeleton.names if name in trained]
    _copy_weights(model, other, shared)
    model.start, model.start_res = start, other.inp_res
    model.new_joints = tuple(name for name in model.skeleton.names if name not in shared)


def _copy_weights(model, other, shared):
    """Copies all weights; in the layers that have a row or column for each joint, those of the shared joints."""
    own = [model.skeleton.index(name) for name in shared]
    theirs = [other.skeleton.index(name) for name in shared]
    source = other.state_dict()
    model.trained_joints.zero_()
    for name, tensor in model.state_dict().items():
        if name.startswith("score.") or name == "trained_joints":
            tensor[own] = source[name][theirs]
        elif name.startswith("score_.") and name.endswith("weight"):
            tensor[:, own] = source[name][:, theirs]
        else:
            tensor.copy_(source[name])


def describe_start(model, inp_res, exchanged):
    """A sentence about what a network took over and what is new.

    inp_res: of the training, px; exchanged: whether left and right were swapped.
    """
    count, new = len(model.skeleton), ", ".join(model.new_joints)
    taken = f"{count - len(model.new_joints)} of {count} joints" if new else f"all {count} joints"
    about = f"starting from {model.start}: the body and {taken} taken over"
    about += f"; new: {new}" if new else ""
    if model.start_res not in (None, inp_res):
        about += f"; these weights are for an input of {model.start_res} px, not {inp_res}, and have to adapt first"
    return about + ("; left and right exchanged, as in mirrored images" if exchanged else "")


def exchange_sides(model):
    """Exchanges what the network says about left and right, in place."""
    mirrored = model.skeleton.mirrored
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.startswith("score.") or name == "trained_joints":
                tensor.copy_(tensor[mirrored])
            elif name.startswith("score_.") and name.endswith("weight"):
                tensor.copy_(tensor[:, mirrored])
