"""Recognisers on disk, as safetensors: weights, settings, the skeleton, and the names of the actions."""

from dataclasses import asdict

from har.head import ActivityHead
from har.hourglass_lstm import HourglassLSTM
from pose.checkpoints import filled, hourglass_of, load_tensors, save_tensors
from pose.runtime.device import chosen_device
from pose.runtime.errors import DataError
from pose.skeleton import Skeleton

LONGEST_WINDOW = 100_000  # frames
HEAD, WHOLE = "activity head", "hourglass with LSTM"


def save_model(path, model, actions, **about):
    """Writes an `ActivityHead` or a `HourglassLSTM`.

    actions: the names of its classes, in order. about: whatever else, JSON-able, is to be known of it; `window` is
    taken by `SlidingWindow` as the number of frames to look at, `inp_res` as the side of the hourglass's input.
    """
    whole = isinstance(model, HourglassLSTM)
    head = model.head if whole else model
    if head.settings["num_actions"] != len(actions):
        raise DataError(f"the model knows {head.settings['num_actions']} actions, there are {len(actions)} names")
    about = {
        "kind": WHOLE if whole else HEAD,
        "actions": list(actions),
        "settings": head.settings,
        "skeleton": asdict(head.skeleton),
        **about,
    }
    if whole:
        about |= {"pose_settings": model.pose_model.settings, "keep_statistics": model.keep_statistics}
    save_tensors(path, model.state_dict(), about)


def load_model(path, device="cpu"):
    """The model of a file from `save_model`, in evaluation mode.

    `model.actions` are the names of its classes, and `model.about` is all that was saved with it.
    Raises MissingError, and DataError where the file is something else.
    """
    tensors, about = load_tensors(path)
    if about.get("kind") not in (HEAD, WHOLE):
        kind = about.get("kind", "a training to resume")
        raise DataError(f"{path}: holds no recogniser but: {kind}; give best.safetensors of an activity training")
    model = filled(path, lambda: _unfilled(about, tensors), tensors)
    model.about, model.actions = about, about["actions"]
    return model.to(chosen_device(device))


def _unfilled(about, tensors):
    """The model that a file says it holds."""
    parts = about["skeleton"]
    limbs = tuple((a, b) for a, b in parts["limbs"])
    skeleton = Skeleton(tuple(parts["names"]), limbs, tuple(parts["torso"]))
    if about["settings"]["layers"] > len(tensors):
        raise DataError(f"{about['settings']['layers']} layers of {len(tensors)} weights")
    head = ActivityHead(**about["settings"], skeleton=skeleton)
    actions, window = about["actions"], about.get("window", 1)
    if (
        not isinstance(actions, list)
        or head.settings["num_actions"] != len(set(actions))
        or not all(isinstance(name, str) for name in actions)
    ):
        raise DataError(f"{head.settings['num_actions']} classes, actions {actions!r:.80}")
    if not (isinstance(window, int) and 1 <= window <= LONGEST_WINDOW):
        raise DataError(f"window {window!r:.80}")
    if about["kind"] == HEAD:
        return head
    model = HourglassLSTM(hourglass_of(about["pose_settings"], tensors), head, keep_statistics=about["keep_statistics"])
    model.pose_model.about = {"config": {name: about[name] for name in ("inp_res",) if name in about}}
    return model
