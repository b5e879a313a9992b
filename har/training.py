"""The training loop of the recogniser: on landmarks, or end to end."""

import math
import sys
import traceback
import zlib
from contextlib import suppress
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import BatchSampler, RandomSampler
from tqdm import tqdm

from har.checkpoints import save_model
from har.config import HarConfig
from har.datasets import ClipDataset, SequenceDataset, collate_clips
from har.evaluation import evaluate
from har.head import ActivityHead
from har.hourglass_lstm import HourglassLSTM
from pose.annotations import fingerprint
from pose.checkpoints import load_tensors
from pose.dataset import tell_skipped
from pose.heatmaps import landmarks_to_heatmaps
from pose.loss import heatmap_loss
from pose.runtime.data_loader import Loader
from pose.runtime.device import default_device, is_out_of_memory, keep_freed_memory, largest_that_fits
from pose.runtime.errors import DataError, Interrupted, OutOfMemory, PoseError
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
    has `model.actions`; so it does after an interruption or a failure, if an epoch was finished.
    Raises ExistsError where `run_dir` holds a training already and `resume` is false, MissingError where the
    best weights of the training to resume are gone; DataError where the data do not fit, or that training had
    other hyperparameters or data; LossError where the loss is no longer finite; OutOfMemory, which says what batch
    would fit; ImageError for a frame that cannot be read, unless the data set skips such.
    """
    _check(model, train_data, valid_data, config)
    keep_freed_memory()
    device = default_device()
    model.to(device)
    state = _state(model, train_data, valid_data, config)
    if run_dir is not None:
        run_dir = Path(run_dir)
        state.start(run_dir, resume)
    best = None
    try:
        with (
            torch.random.fork_rng(_devices(device)),
            _progress(config, state, quiet=on_epoch is None and run_dir is None) as bar,
        ):
            while not state.finished:
                row = _epoch(state, train_data, valid_data, device)
                if run_dir is not None:
                    state.save(run_dir)
                elif state.best is row:
                    best = deepcopy(state.average.state_dict())
                if on_epoch:
                    on_epoch(state.history)
                bar.update()
                shown = {name: f"{value:.3f}" for name, value in row.items() if "accuracy" in name}
                bar.set_postfix(shown, refresh=False)
    except (KeyboardInterrupt, PoseError) as error:
        traceback.clear_frames(error.__traceback__)  # a notebook keeps it, and with it all memory of this training
        if isinstance(error, KeyboardInterrupt):
            kept = f"{run_dir} keeps all finished epochs; fit(…, resume=True) with it goes on" if run_dir else ""
            raise Interrupted(kept) from None
        raise
    finally:  # also after an interruption
        with suppress(PoseError if sys.exc_info()[0] else ()):  # then it may be missing, and the first error matters
            best = load_tensors(run_dir / "best.safetensors")[0] if run_dir else best
        if best:
            model.load_state_dict(best)
            model.eval().actions = train_data.actions
        history = state.history
        del state
    if isinstance(train_data, ClipDataset):
        tell_skipped(*(data for data in (train_data, valid_data) if data is not None))
    return history


def _epoch(state, train_data, valid_data, device):
    """One epoch of training and validation; its row of the history, which is then the last."""
    config, epoch = state.config, len(state.history)
    # So the dropout of an epoch does not depend on the epochs before, which a resumed training has not seen.
    torch.manual_seed(config.seed * 100_003 + epoch)
    train_data.set_epoch(epoch)
    row = {"epoch": epoch + 1} | _train_epoch(state, train_data, device)
    if valid_data is not None:
        scores = evaluate(state.average, valid_data, config.batch_size, config.workers, device)
        row |= {"valid_loss": scores.loss, "valid_accuracy": scores.accuracy}
    state.history.append(row)
    return row


def _devices(device):
    """Whose random numbers are used, beside the CPU's."""
    return [device] if device.type == "cuda" else []


def _check(model, train_data, valid_data, config):
    if not isinstance(config, HarConfig):
        raise DataError(f"fit wants a HarConfig, not a {type(config).__name__}")
    if not isinstance(model, (ActivityHead, HourglassLSTM)):
        raise DataError(f"fit wants an ActivityHead or a HourglassLSTM, not a {type(model).__name__}")
    wanted = ClipDataset if isinstance(model, HourglassLSTM) else SequenceDataset
    for data in [train_data] if valid_data is None else [train_data, valid_data]:
        if not isinstance(data, wanted):
            raise DataError(
                f"a {type(model).__name__} learns from a {wanted.__name__}, not from a {type(data).__name__}"
            )
    if valid_data is not None and valid_data.is_train:
        raise DataError("validate on a data set without augmentation: is_train=False")
    if valid_data is not None and valid_data.actions != train_data.actions:
        raise DataError("training and validation have other actions; pass both data sets the same actions=")
    head = model
    if isinstance(model, HourglassLSTM):
        head = model.head
        model.check(train_data)
    if head.settings["num_actions"] != len(train_data.actions):
        raise DataError(f"the model knows {head.settings['num_actions']} actions, the data {len(train_data.actions)}")


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
    losses, right, seen = torch.zeros(len(loader), device=device), torch.zeros((), device=device), 0
    model.train()
    for number, batch in enumerate(loader):
        step = epoch * len(loader) + number
        rate = config.rate_at(step, config.epochs * len(loader))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
        logits, loss = _gradients_that_fit(model, batch, config, device)
        nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        state.update_average(step)
        losses[number] = loss.detach()
        right += (logits.argmax(dim=1) == batch[2].to(device)).sum()
        seen += len(batch[2])
    loss = losses.sum().item() / len(loader)
    if not math.isfinite(loss):
        names = [[train_data.clips[index].name for index in drawn] for drawn in loader.batch_sampler.drawn]
        raise state.loss_error(losses, dict(enumerate(names)))
    return {"learning_rate": rate, "train_loss": loss, "train_accuracy": right.item() / seen}


def _gradients_that_fit(model, batch, config, device):
    """The scores (N, A) and the loss of a batch, and its gradients, in the parameters.

    Raises OutOfMemory, with the batch size that would fit, where the memory does not suffice.
    """
    try:
        return _gradients(model, batch, config, device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    # Only here, where the error is gone, are the tensors gone that it held.
    clips = len(batch[0])
    fits = largest_that_fits(lambda size: _gradients(model, [part[:size] for part in batch], config, device), clips)
    model.zero_grad()
    advice = f"batch_size={fits} fits" if fits else "not even one fits"
    raise OutOfMemory(
        f"a batch of {clips} clips does not fit into the memory of {device}: {advice}. Build the model anew"
    )


def _gradients(model, batch, config, device):
    padded, lengths, labels, *more = batch
    logits, loss = _logits_and_loss(model, padded.to(device), lengths, labels.to(device), more, config)
    model.zero_grad()
    loss.backward()
    return logits, loss


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
    batches = _Batches(RandomSampler(train_data, generator=order), batch_size, drop_last=True)
    return Loader(train_data, batch_sampler=batches, generator=order, num_workers=config.workers,
                  collate_fn=collate_clips)  # fmt: skip


class _Batches(BatchSampler):
    """A `BatchSampler` that keeps what it has `drawn`."""

    def __iter__(self):
        self.drawn = []
        for batch in super().__iter__():
            self.drawn.append(batch)
            yield batch


def _progress(config, state, quiet):
    """A bar over the epochs, on standard output."""
    return tqdm(total=config.epochs, initial=len(state.history), desc="training", unit="epoch", file=sys.stdout,
                mininterval=0.5, disable=quiet)  # fmt: skip
