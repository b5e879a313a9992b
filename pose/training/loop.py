"""The training loop."""

import math
import sys
import time
import traceback
from collections import deque
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DistributedSampler, IterableDataset
from tqdm import tqdm

from pose.checkpoints import load_tensors, save_model
from pose.dataset import Samples, tell_skipped
from pose.evaluation import evaluate, normalised_distances
from pose.hourglass import StackedHourglass, check_images
from pose.runtime import distributed
from pose.runtime.data_loader import Loader
from pose.runtime.device import compiles, default_device, has_bf16, keep_freed_memory, one_thread, tuned
from pose.runtime.errors import DataError, Interrupted, PackageError, PoseError
from pose.training.config import TrainConfig
from pose.training.state import TrainingState
from pose.training.step import Look, step_that_fits

LOOK_EVERY = 10  # steps between two looks at the training batch's loss and PCK


def fit(model, train_data, valid_data, config, run_dir, resume=False, on_epoch=None):
    """Trains a `StackedHourglass`.

    train_data, valid_data: `Generic` data sets, the second with `is_train=False`; the first may be a `ShardedGeneric`.
    config: `TrainConfig`; the kind of loss is the model's own.
    run_dir: the folder of this training. After each epoch it holds last.safetensors (everything needed to go on),
        best.safetensors (the averaged weights of the epoch with the best validation AUC, for `load_model`) and
        history.csv.
    resume: go on from last.safetensors; the result is that of a training that was never interrupted (on a processor to
        the last bit).
    on_epoch: called with the history after each epoch, to draw curves, say.
    Returns the history, a dictionary an epoch. `model` then holds the weights of best.safetensors, and `model.about`
    what is known of them: the input size, say, which `Predictor` needs.
    Where it is interrupted or fails, `model` holds those of the best epoch so far, if one was finished (of several
    processes under torchrun none does).
    Raises ExistsError where `run_dir` holds a training already and `resume` is false; DataError where model, data
    and configuration do not fit each other, or the training to resume had other hyperparameters or images; LossError
    where the loss is no longer finite; OutOfMemory, which says what batch would fit; ImageError for an image that
    cannot be read, unless the configuration says to skip such; FileError where `run_dir` cannot be written.
    """
    _check(model, train_data, valid_data, config)
    if run_dir is None:
        raise DataError("run_dir is missing: a folder for this training, pose.new_run('runs') makes one")
    distributed.start()
    steps = _steps(train_data, config)
    keep_freed_memory()
    device = default_device()
    bf16 = has_bf16(device) if config.bf16 is None else config.bf16
    run_dir = Path(run_dir)
    board = _tensorboard(run_dir, config)
    model.learnt.copy_(torch.from_numpy(train_data.labelled))
    model.recompute = config.recompute
    network = distributed.wrap(model.to(device, memory_format=torch.channels_last))
    if compiles(device) and not config.recompute if config.compile is None else config.compile:
        network = torch.compile(network)
    state = TrainingState(
        model,
        config,
        groups=[{"params": list(model.parameters())}],
        data=_data_facts(train_data, config),
        goodness=lambda row: row["valid_auc"],
        save_best=partial(save_model, skeleton=train_data.skeleton),
    )
    state.average.about = {}  # what is known of an earlier training
    state.start(run_dir, resume)
    loader = _loader(train_data, config, device)

    try:
        with (
            tuned(device, tf32=bf16),
            _progress(steps * _batch_size(train_data, config), config, len(state.history)) as bar,
        ):
            while not state.finished:
                epoch = len(state.history)
                started = time.perf_counter()
                train_data.set_epoch(epoch)
                if isinstance(loader.sampler, DistributedSampler):
                    loader.sampler.set_epoch(epoch)
                row = {"epoch": epoch + 1} | _train_epoch(state, network, train_data, loader, steps, device, bf16, bar)
                row["images_per_s"] = round(len(train_data) / (time.perf_counter() - started), 2)
                row |= _validate(state.average, valid_data, config, device, bf16)
                state.history.append(row)
                if distributed.rank() == 0:
                    state.save(run_dir)
                    board(row)
                if on_epoch:
                    on_epoch(state.history)
    except BaseException as error:
        _leave_usable(model, run_dir)
        if distributed.size() == 1:
            tell_skipped(train_data, valid_data)
        if isinstance(error, (KeyboardInterrupt, PoseError)):
            traceback.clear_frames(error.__traceback__)  # a notebook keeps it, and with it all memory of this training
        del state, network, loader
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(f"{run_dir} keeps all finished epochs; fit(…, resume=True) with it goes on") from None
        raise
    best, model.about = distributed.from_first(lambda: load_tensors(run_dir / "best.safetensors"))
    model.load_state_dict(best)
    tell_skipped(train_data, valid_data)
    return state.history


def _leave_usable(model, run_dir):
    """After an interruption or a failure: the best weights so far into the model."""
    if distributed.size() == 1:
        with suppress(PoseError):  # there is none yet, or it is damaged: the first error matters
            weights, model.about = load_tensors(run_dir / "best.safetensors")
            model.load_state_dict(weights)


def _check(model, train_data, valid_data, config):
    """Refuses a model, data and a configuration that do not fit each other."""
    for found, kind, wanted in (
        (model, StackedHourglass, "StackedHourglass"),
        (train_data, Samples, "Generic"),
        (valid_data, Samples, "Generic"),
        (config, TrainConfig, "TrainConfig"),
    ):
        if not isinstance(found, kind):
            raise DataError(
                f"fit(model, train_data, valid_data, config, run_dir) wants a {wanted}, not {found!r:.60}: "
                "config.build_model() and config.build_dataset(annotations, is_train=…) make model and data"
            )
    for name in ("num_stacks", "channels", "loss", "sigma"):
        if model.settings[name] != getattr(config, name):
            raise DataError(
                f"the model has {name}={model.settings[name]!r}, the configuration {getattr(config, name)!r}"
            )
    if isinstance(valid_data, IterableDataset):
        raise DataError("validate on a Generic; shards are for training")
    if valid_data.is_train:
        raise DataError("validate on a data set without augmentation: Generic(..., is_train=False)")
    if not train_data.labelled.any():
        raise DataError("no training image has a labelled joint; there is nothing to learn from")
    for data in (train_data, valid_data):
        if len(data.skeleton) != model.num_joints:
            raise DataError(f"the model predicts {model.num_joints} joints, the data have {len(data.skeleton)}")
        theirs = (data.inp_res, data.out_res, data.sigma, data.bad_images.on_bad_image)
        if theirs != (config.inp_res, config.out_res, config.sigma, config.on_bad_image):
            raise DataError(
                "the data have another inp_res, out_res, sigma or on_bad_image; make them with config.build_dataset "
                "or build_sharded"
            )
    images = min(config.batch_size, len(train_data)) // distributed.size()
    check_images((images, 3, config.inp_res, config.inp_res), training=True)
    labels = valid_data.annotations.landmarks
    if np.isnan(normalised_distances(labels, labels, valid_data.skeleton)).all():
        raise DataError(
            f"no validation image has {' and '.join(valid_data.skeleton.torso)} labelled, whose distance is the unit "
            "of PCK; add such images, or give the data a Skeleton with another torso"
        )


def _train_epoch(state, network, train_data, loader, steps, device, bf16, bar):
    """One pass over the training images; returns the epoch's last learning rate, mean loss and mean PCK."""
    config, skeleton = state.config, train_data.skeleton
    first_step, all_steps = len(state.history) * steps, config.epochs * steps
    losses, looks, newest = torch.zeros(steps, device=device), [], deque(maxlen=2 * LOOK_EVERY)
    network.train()
    for number, (crops, info) in enumerate(loader):
        for group in state.optimizer.param_groups:
            group["lr"] = config.rate_at(first_step + number, all_steps)
        loss, heatmaps = step_that_fits(state, network, crops, info["tpts"], device, bf16)
        state.update_average(first_step + number)
        losses[number] = loss
        newest.append((number, info["img_paths"]))
        if number % LOOK_EVERY == 0:
            if looks:  # what was seen last time has long been computed, so that reading it does not wait
                loss_then, pck_then = looks[-1].read(skeleton)
                bar.set_postfix(loss=f"{loss_then:.3f}", PCK=f"{pck_then:.3f}", refresh=False)
                if not math.isfinite(loss_then):
                    raise state.loss_error(losses, dict(newest))
            looks.append(Look(loss, heatmaps, info["tpts"]))
        bar.update(len(crops) * distributed.size())
    if number + 1 != steps:
        raise DataError(f"the loader gave {number + 1} of {steps} batches; is a shard damaged?")
    loss = distributed.mean(losses.sum()).item() / steps
    if not math.isfinite(loss):
        raise state.loss_error(losses, dict(newest))
    return {
        "learning_rate": config.rate_at(first_step + number, all_steps),
        "train_loss": loss,
        "train_pck@0.2": _mean([look.read(skeleton)[1] for look in looks]),
    }


def _mean(values):
    """The mean of those values that are no NaN."""
    return float(np.mean([value for value in values if not math.isnan(value)] or [math.nan]))


def _validate(average, valid_data, config, device, bf16):
    scores = distributed.from_first(
        lambda: evaluate(average, valid_data, config.batch_size, config.workers, device, bf16).summary()
    )
    if math.isnan(scores["auc"]):
        raise DataError("no validation image can be scored: none could be read, or none has its torso labelled")
    return {f"valid_{name}": value for name, value in scores.items()}


def _batch_size(train_data, config):
    """Images a step, over all processes together."""
    return min(config.batch_size, len(train_data))


def _steps(train_data, config):
    """Steps of an epoch; no batch is smaller than the others. Raises DataError where there is not a single one."""
    processes, images = distributed.size(), len(train_data)
    batch = _batch_size(train_data, config)
    if config.batch_size % processes or images < processes:
        raise DataError(
            f"batch_size {config.batch_size} must be divisible by the {processes} processes, "
            f"and the {images} training images be at least as many"
        )
    if not isinstance(train_data, IterableDataset):
        return images // processes // (batch // processes)
    loading = max(1, config.workers)  # each reads shards of its own, and makes batches of its own
    if len(train_data.names) < processes * loading:
        raise DataError(
            f"{len(train_data.names)} shards cannot be read by {processes} processes with {loading} workers each; "
            "write smaller shards (images_per_shard), or take fewer workers"
        )
    steps = loading * (images // (processes * loading) // (batch // processes))
    if not steps:
        raise DataError(f"{images} images are no batch of {batch} for each of {loading} workers; take fewer workers")
    return steps


def _data_facts(train_data, config):
    """What tells the training data from others, as the result depends on them."""
    if not isinstance(train_data, IterableDataset):
        return train_data.fingerprint
    return f"{train_data.fingerprint} in shards, {config.workers} workers, {distributed.size()} processes"


def _loader(train_data, config, device):
    """Batches in an order that the seed and the epoch fix; each process gets its share of every batch."""
    processes = distributed.size()
    sampler = None  # shards bring an order of their own
    if not isinstance(train_data, IterableDataset):
        sampler = DistributedSampler(train_data, processes, distributed.rank(), seed=config.seed, drop_last=True)
    return Loader(
        train_data.crops(),
        _batch_size(train_data, config) // processes,
        sampler=sampler,
        worker_init_fn=one_thread,
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
        pin_memory=device.type == "cuda",
        drop_last=True,
    )


def _progress(images, config, epochs_done):
    """One bar over the whole training, on standard output: images done, images/s and the time left.

    images: of an epoch, in all processes.
    """
    return tqdm(
        total=config.epochs * images,
        initial=epochs_done * images,
        desc="training",
        unit="img",
        file=sys.stdout,
        mininterval=0.5,
        disable=distributed.rank() > 0,
    )


def _tensorboard(run_dir, config):
    """A function that writes a row of the history for TensorBoard; it does nothing where that is not asked for."""
    if not config.tensorboard or distributed.rank() > 0:
        return lambda row: None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise PackageError("tensorboard=True needs another package: pip install tensorboard") from None

    def write(row):
        with SummaryWriter(run_dir) as writer:
            for name, value in row.items():
                writer.add_scalar(name, value, row["epoch"])

    return write
