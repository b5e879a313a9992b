"""Checkpoints of recognisers, as safetensors: weights and settings."""

from har.head import ActivityHead
from har.hourglass_lstm import HourglassLSTM
from pose.checkpoints import as_json, from_json, hourglass_of, load_tensors, renamed, save_tensors, with_weights
from pose.runtime.device import chosen_device
from pose.runtime.errors import DataError

MAX_WINDOW = 100_000  # frames
HEAD, WHOLE = "activity head", "hourglass with LSTM"


def save_model(path, model, **about):
    """Writes an `ActivityHead` or a `HourglassLSTM`: weights, settings, and JSON-able metadata `about` it.

    Raises DataError if the model's actions are unknown: training sets them, or `model.actions = [...]`.
    """
    whole = isinstance(model, HourglassLSTM)
    if model.actions is None:
        raise DataError("the model's actions are unknown: set those of its training, model.actions = [...]")
    if model.num_actions != len(set(model.actions)):
        raise DataError(f"the model knows {model.num_actions} actions, there are {len(set(model.actions))} names")
    about = {"kind": WHOLE if whole else HEAD, "settings": as_json((model.head if whole else model).settings), **about}
    if whole:
        about |= {"pose_settings": as_json(model.pose_model.settings), "keep_statistics": model.keep_statistics}
    save_tensors(path, model.state_dict(), about)


def load_model(path, device="cpu"):
    """The model of a file from `save_model`, in evaluation mode; `model.about` is what was saved with it.

    Raises MissingError, and DataError if the file is something else.
    """
    tensors, about = load_tensors(path)
    if about.get("kind") not in (HEAD, WHOLE):
        kind = about.get("kind", "a training to resume")
        raise DataError(f"{path}: holds no recogniser but: {kind}; pass best.safetensors of an activity training")
    tensors = renamed(tensors)
    model = with_weights(path, lambda: _build(_current_format(about), tensors), tensors)
    model.about = about
    return model.to(chosen_device(device))


def _build(about, tensors):
    """The model that a file describes, without its weights."""
    settings = from_json(about["settings"])
    if settings["layers"] > len(tensors):
        raise DataError(f"{settings['layers']} layers of {len(tensors)} weights")
    actions, window = settings["actions"], settings["window"]
    if (
        not isinstance(actions, list)
        or settings["num_actions"] != len(set(actions))
        or not all(isinstance(name, str) for name in actions)
    ):
        raise DataError(f"{settings['num_actions']} classes, actions {actions!r:.80}")
    if not (window is None or (isinstance(window, int) and 1 <= window <= MAX_WINDOW)):
        raise DataError(f"window {window!r:.80}")
    head = ActivityHead(**settings)
    if about["kind"] == HEAD:
        return head
    hourglass = hourglass_of(from_json(about["pose_settings"]), tensors)
    return HourglassLSTM(hourglass, head, keep_statistics=about["keep_statistics"])


def _current_format(about):
    """A file's metadata in the current format; version 0.1 stored skeleton, actions and sizes outside the settings."""
    if "skeleton" in about["settings"]:
        return about
    head = {"skeleton": about["skeleton"], "actions": about["actions"], "window": about.get("window")}
    about = about | {"settings": about["settings"] | head}
    if about["kind"] == WHOLE:
        hourglass = {"skeleton": about["skeleton"], "inp_res": about.get("inp_res")}
        about |= {"pose_settings": about["pose_settings"] | hourglass}
    return about
