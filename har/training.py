"""The training loop of the recogniser: on landmarks, or end to end."""

import math
import sys
import zlib
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm import tqdm

from har.checkpoints import save_model
from har.datasets import ClipDataset, SequenceDataset, collate_clips
from har.evaluation import evaluate
from har.hourglass_lstm import HourglassLSTM
from pose.annotations import fingerprint
from pose.checkpoints import load_tensors
from pose.device import default_device, keep_freed_memory
from pose.heatmaps import landmarks_to_heatmaps
from pose.loss import heatmap_loss
from pose.training.state import TrainingState

LARGEST_GRADIENT = 1.0  # its norm is cut to this, since an LSTM's can explode (Pascanu et al. 2013)


def fit(model, train_data, valid_data, config, run_dir=None, resume=False, on_epoch=None):
    """Trains an `ActivityHead` on landmarks, or a `HourglassLSTM` end to end.

    train_data, valid_data: two `SequenceDataset`, or for a `HourglassLSTM` two `ClipDataset`, with the same actions.
        Without valid_data (None) the averaged weights of the last epoch are the result.
    config: `HarConfig`.
    run_dir: the folder of this training, or None to keep nothing. After each epoch it holds last.safetensors
        (everything needed to go on), best.safetensors (the averaged weights of the epoch with the lowest validation
        loss, for `load_model`) and history.csv.
    resume: go on from last.safetensors; the result is that of a training that was never interrupted.
    on_epoch: called with the history after each epoch.
    Returns the history, a dictionary an epoch. `model` then holds the best averaged weights, is in evaluation mode, and
    has `model.actions`.
    Raises FileExistsError where `run_dir` holds a training already and `resume` is false, FileNotFoundError where the
    best weights of the training to resume are gone; ValueError where the data do not fit, or the training to resume had
    other hyperparameters or data; FloatingPointError where the loss is no longer finite.
    """
    _check(model, train_data, valid_data)
    keep_freed_memory()
    device = default_device()
    model.to(device)
    state = _state(model, train_data, valid_data, config)
    if run_dir is not None:
        run_dir = Path(run_dir)
        state.start(run_dir, resume)
    best = None
    with (
        torch.random.fork_rng(_devices(device)),
        _progress(config, state, quiet=on_epoch is None and run_dir is None) as bar,
    ):
        while not state.finished:
            epoch = len(state.history)
            # So the dropout of an epoch does not depend on the epochs before, which a resumed training has not seen.
            torch.manual_seed(config.seed * 100_003 + epoch)
            train_data.set_epoch(epoch)
            row = {"epoch": epoch + 1} | _train_epoch(state, train_data, device)
            if valid_data is not None:
                scores = evaluate(state.average, valid_data, config.batch_size, config.workers, device)
                row |= {"valid_loss": scores.loss, "valid_accuracy": scores.accuracy}
            state.history.append(row)
            if run_dir is not None:
                state.save(run_dir)
            elif state.best is row:
                best = deepcopy(state.average.state_dict())
            if on_epoch:
                on_epoch(state.history)
            bar.update()
            bar.set_postfix({name: f"{value:.3f}" for name, value in row.items() if "accuracy" in name}, refresh=False)
    model.load_state_dict(best or load_tensors(run_dir / "best.safetensors")[0])
    model.eval().actions = train_data.actions
    return state.history


def _devices(device):
    """Whose random numbers are used, beside the CPU's."""
    return [device] if device.type == "cuda" else []


def _check(model, train_data, valid_data):
    wanted = ClipDataset if isinstance(model, HourglassLSTM) else SequenceDataset
    for data in (train_data, valid_data):
        if data is not None and not isinstance(data, wanted):
            raise ValueError(
                f"a {type(model).__name__} learns from a {wanted.__name__}, not from a {type(data).__name__}"
            )
    if valid_data is not None and valid_data.is_train:
        raise ValueError("validate on a data set without augmentation: is_train=False")
    if valid_data is not None and valid_data.actions != train_data.actions:
        raise ValueError("training and validation have other actions; pass both data sets the same actions=")
    head = model
    if isinstance(model, HourglassLSTM):
        head = model.head
        model.check(train_data)
    if head.settings["num_actions"] != len(train_data.actions):
        raise ValueError(f"the model knows {head.settings['num_actions']} actions, the data {len(train_data.actions)}")


def _state(model, train_data, valid_data, config):
    """The `TrainingState`, with a learning rate of its own for the hourglass."""
    groups = [{"params": list(model.parameters()), "share": 1.0}]
    about = {"window": round(float(np.median([len(clip) for clip in train_data.clips])))}
    if isinstance(model, HourglassLSTM):
        groups = [
            {"params": list(model.head.parameters()), "share": 1.0},
            {"params": list(model.pose_model.parameters()), "share": config.pose_rate},
        ]
        about["inp_res"] = train_data.inp_res
    return TrainingState(
        model,
        config,
        groups,
        data=_fingerprint(train_data),
        goodness=lambda row: -row["valid_loss"] if valid_data is not None else row["epoch"],
        save_best=partial(save_model, actions=train_data.actions, **about),
    )


def _fingerprint(data):
    """A number that tells training data from others, in everything that the result depends on."""
    facts = (
        data.clips,
        data.actions,
        data.augmentation,
        data.seed,
        getattr(data, "inp_res", 0),
        getattr(data, "frames", 0),
    )
    number = zlib.crc32(repr(facts).encode(), fingerprint(data.annotations))
    if getattr(data, "joints_3d", None) is not None:
        number = zlib.crc32(data.joints_3d.points.tobytes(), number)
    if getattr(data, "pose_labels", None) is not None:
        number = zlib.crc32(data.pose_labels.landmarks.tobytes(), number)
    return number


def _train_epoch(state, train_data, device):
    """One pass over the training clips; returns the epoch's last learning rate, mean loss and accuracy."""
    model, config, optimizer = state.model, state.config, state.optimizer
    epoch = len(state.history)
    loader = _loader(train_data, config, epoch)
    total, right, seen = torch.zeros((), device=device), torch.zeros((), device=device), 0
    model.train()
    for step, (padded, lengths, labels, *more) in enumerate(loader, start=epoch * len(loader)):
        rate = config.rate_at(step, config.epochs * len(loader))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
        labels = labels.to(device)
        logits, loss = _logits_and_loss(model, padded.to(device), lengths, labels, more, config)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        state.update_average(step)
        total += loss.detach()
        right += (logits.argmax(dim=1) == labels).sum()
        seen += len(labels)
    loss = total.item() / len(loader)
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the loss of epoch {epoch + 1} is {loss}; lower learning_rate (now {config.learning_rate}). "
            "build the model anew and choose another run_dir"
        )
    return {"learning_rate": rate, "train_loss": loss, "train_accuracy": right.item() / seen}


def _logits_and_loss(model, padded, lengths, labels, more, config):
    """The scores (N, A), and the loss of the action; end to end also of the pose, where landmarks are labelled."""
    if not isinstance(model, HourglassLSTM):
        logits = model(padded, lengths)
        return logits, F.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
    tpts, to_image = (tensor.to(padded.device) for tensor in more)
    logits, heatmaps = model.logits_and_heatmaps(padded, lengths, to_image)
    loss = F.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
    valid = torch.arange(padded.shape[1], device=padded.device) < lengths.to(padded.device)[:, None]
    targets = landmarks_to_heatmaps(tpts[valid], heatmaps[-1].shape[-1], model.pose_model.sigma)
    pose_loss = heatmap_loss(heatmaps, targets, model.pose_model.loss, model.pose_model.sigma)
    return logits, loss + config.pose_weight * pose_loss


def _loader(train_data, config, epoch):
    """Batches in an order that the seed and the epoch fix; the last is dropped where it is not full."""
    batch_size = min(config.batch_size, len(train_data))
    order = torch.Generator().manual_seed(config.seed * 100_003 + epoch)
    return DataLoader(train_data, batch_size, shuffle=True, generator=order, num_workers=config.workers,
                      collate_fn=collate_clips, drop_last=True)  # fmt: skip


def _progress(config, state, quiet):
    """A bar over the epochs, on standard output."""
    return tqdm(total=config.epochs, initial=len(state.history), desc="training", unit="epoch", file=sys.stdout,
                mininterval=0.5, disable=quiet)  # fmt: skip
