"""`fit`: trains a `StackedHourglass`."""

import math
import time
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate
from torch.utils.data import Dataset, DistributedSampler, IterableDataset

from pose.checkpoints import save_model
from pose.dataset import Samples, describe, identify, skeleton_in, sources, warn_of_skipped_images
from pose.evaluation import evaluate, normalised_distances, pck
from pose.heatmaps import heatmaps_to_landmarks
from pose.hourglass import StackedHourglass, check_images
from pose.loss import heatmap_loss
from pose.runtime import distributed
from pose.runtime.data_loader import Loader
from pose.runtime.device import AsyncCopy, autocast, compiles, default_device, one_thread, to_device
from pose.runtime.errors import DataError, optional_package
from pose.runtime.files import write_atomically
from pose.runtime.precision import default_bf16
from pose.training.config import TrainConfig
from pose.training.loop import WATCH_EVERY, Task, train
from pose.training.run_folders import read_description
from pose.training.start import describe_start, exchange_sides

BATCHES_TO_COMPARE = 4  # to find out whether left and right are exchanged
USED_INFO = ("center", "scale", "rot", "pts", "tpts", "img_paths")


def fit(model, train_data, valid_data, config, run_dir, resume=False, on_epoch=None):
    """Trains a `StackedHourglass`.

    train_data, valid_data: two `Generic`, the second with `is_train=False`, or any other `Dataset` of samples
        `(image, heatmaps, info)`: your own class, a `Subset`, a `ConcatDataset`; the first may be a `ShardedGeneric`.
    config: `TrainConfig`, from which the model was built. With a start, what was taken over is printed and kept in
        config.json.
    run_dir: the folder of this training. It gets config.json (hyperparameters, versions, data), and after each epoch
        last.safetensors (everything needed to resume), best.safetensors (the averaged weights of the epoch with the
        best validation AUC, for `load_model`), scores.txt (its scores per joint) and history.csv.
    resume: continue from last.safetensors; the result equals that of an uninterrupted training (on a CPU to the last
        bit).
    on_epoch: called with the history after each epoch, for example to draw curves.
    Returns the history, a dictionary per epoch. `model` then has the weights of best.safetensors; if the training is
    interrupted or fails, those of the best epoch so far, if one was finished (not under torchrun).
    Raises ExistsError if `run_dir` already contains a training and `resume` is false; DataError if model, data and
    configuration do not fit each other, or the training to resume had other hyperparameters or images; LossError if the
    loss is no longer finite; OutOfMemory; ImageError for an image that cannot be read, unless the configuration says to
    skip it; FileError if `run_dir` cannot be written.
    """
    distributed.start()
    _check(model, train_data, valid_data, config, run_dir)
    config = _with_precision(config, run_dir, resume)
    with warn_of_skipped_images(train_data, valid_data):
        task = PoseTask(model, train_data, valid_data, config)
        if config.start and not distributed.from_first((Path(run_dir) / "last.safetensors").exists):
            task.begin()
        return train(task, config, run_dir, resume, on_epoch)


def _with_precision(config, run_dir, resume):
    """The configuration with bf16 decided: as in the training to resume, else what is faster on this machine."""

    def choose():
        settings = read_description(run_dir).get("hyperparameters", {}) if resume else {}
        return settings["bf16"] if "bf16" in settings else default_bf16(default_device())

    return config if config.bf16 is not None else replace(config, bf16=distributed.from_first(choose))


class PoseTask(Task):
    """The `Task` of training a `StackedHourglass`."""

    unit = "images"
    memory_advice = ". TrainConfig(recompute=True) needs less memory, too"

    def __init__(self, model, train_data, valid_data, config):
        self.device = default_device()
        self.bf16 = self.tf32 = config.bf16
        self.config, self.valid_data = config, valid_data
        self.batch_size = min(config.batch_size, len(train_data))
        self.steps = _steps(train_data, config)
        self.data = _identity(train_data, config)
        self.about_data = {"train": describe(train_data), "valid": describe(valid_data)}
        self.skeleton = skeleton_in(train_data) or model.skeleton
        model.recompute = config.recompute
        self.model = model.to(self.device, memory_format=torch.channels_last)
        self.network = distributed.wrap(self.model)
        wanted = config.compile if config.compile is not None else compiles(self.device) and not config.recompute
        if wanted:
            self.network = torch.compile(self.network)
        self.tensorboard = config.tensorboard
        self.groups = [{"params": list(model.parameters()), "share": 1.0}]
        self.labelled = torch.zeros(model.num_joints, dtype=torch.bool, device=self.device)
        self.loader = self._loader(train_data)

    def _loader(self, train_data):
        """Batches in an order determined by seed and epoch; each process gets its share of every batch."""
        processes = distributed.size()
        sampler = None  # shards have their own order
        if not isinstance(train_data, IterableDataset):
            sampler = DistributedSampler(
                train_data, processes, distributed.rank(), seed=self.config.seed, drop_last=True
            )
        return Loader(
            train_data,
            self.batch_size // processes,
            sampler=sampler,
            worker_init_fn=one_thread,
            num_workers=self.config.workers,
            persistent_workers=self.config.workers > 0,
            pin_memory=self.device.type == "cuda",
            drop_last=True,
        )

    def begin(self):
        """Exchanges left and right if the labels are better explained so, and says what was taken over."""
        exchange = distributed.from_first(self._sides_are_exchanged)
        if exchange:
            exchange_sides(self.model)
        self.about_data["start"] = about = describe_start(self.model, self.config.inp_res, exchange)
        if distributed.rank() == 0:
            print(about)

    @torch.no_grad()
    def _sides_are_exchanged(self):
        """Whether the labels of some batches fit the predictions better if left is right, as in mirrored images."""
        if not self.model.skeleton.is_two_sided:
            return False
        self.model.eval()
        losses, res = torch.zeros(2), self.model.start_res or self.config.inp_res  # px, that of the weights
        for images, heatmaps, _ in islice(self.batches(0), BATCHES_TO_COMPARE):
            images = interpolate(images, res, mode="area") if images.shape[-1] != res else images
            with autocast(self.device, self.bf16):
                output = self.model(to_device(images, self.device))[-1].float().cpu()
            output = interpolate(output, heatmaps.shape[-1], mode="bilinear")
            for i, seen in enumerate((output, output[:, self.model.skeleton.mirrored])):
                losses[i] += heatmap_loss([seen], heatmaps, self.model.loss, self.model.sigma)
        return bool(losses[1] < losses[0])

    def prepare(self, model):
        model.inp_res = self.config.inp_res

    def batches(self, epoch):
        self.loader.set_epoch(epoch)
        return self.loader

    def loss(self, batch):
        images, heatmaps, _ = batch
        heatmaps = heatmaps.to(self.device, non_blocking=True)
        self.labelled |= (heatmaps.amax(dim=(2, 3)) > 0).any(dim=0)
        with autocast(self.device, self.bf16):
            outputs = self.network(to_device(images, self.device))
        return heatmap_loss(outputs, heatmaps, self.model.loss, self.model.sigma), outputs[-1]

    def names(self, number, batch):
        return batch[2]["img_paths"]

    def scores(self):
        return _BatchScores(self.skeleton, self.steps * self.batch_size)

    def validate(self, average, first):
        """Validation scores. Also updates which joints the averaged model has seen labels of."""
        labelled = torch.from_numpy(distributed.any_of(self.labelled.cpu().numpy()))
        if not first or self.model.start:  # a new network's are all true, which means nothing yet
            labelled |= average.trained_joints.cpu()
        average.trained_joints.copy_(labelled)
        if not average.trained_joints.any():
            raise DataError("no training image has a labelled joint; there is nothing to learn from")
        config = self.config
        loss = partial(heatmap_loss, kind=average.loss, sigma=average.sigma)
        scores = distributed.from_first(
            lambda: evaluate(average, self.valid_data, config.batch_size, config.workers, self.device, self.bf16, loss)
        )
        self.scored = scores
        row = {"loss": scores.loss} | scores.summary()
        if math.isnan(row["auc"]):
            raise DataError("no validation image can be scored: none could be read, or none has a labelled torso")
        return {f"valid_{name}": value for name, value in row.items()}

    def metric(self, row):
        return row["valid_auc"]

    def save(self, run_dir, average, **about):
        save_model(run_dir / "best.safetensors", average, **about)
        write_atomically(run_dir / "scores.txt", f"{self.scored}\n")


class _BatchScores:
    """PCK@0.2 of every tenth training batch, and the speed of an epoch of `images` images."""

    def __init__(self, skeleton, images):
        self.skeleton, self.images, self.started = skeleton, images, time.perf_counter()
        self.snapshots = []

    def add(self, number, batch, heatmaps):
        if number % WATCH_EVERY == 0:
            places, _ = heatmaps_to_landmarks(heatmaps)
            self.snapshots.append((AsyncCopy(places), batch[2]["tpts"]))

    def latest(self):
        """For the progress bar: the last snapshot but one, whose copy has long finished."""
        return {"PCK": f"{self._pck(*self.snapshots[-2]):.3f}"} if len(self.snapshots) > 1 else {}

    def mean(self):
        shares = [self._pck(*snapshot) for snapshot in self.snapshots]
        known = [share for share in shares if not math.isnan(share)]
        speed = self.images / (time.perf_counter() - self.started)
        return {"train_pck@0.2": float(np.mean(known or [math.nan])), "images_per_s": round(speed, 2)}

    def _pck(self, places, tpts):
        distances = normalised_distances(places.read()[0].numpy(), tpts.numpy(), self.skeleton)
        return float(pck(distances.reshape(-1, 1), 0.2)[0])


def _check(model, train_data, valid_data, config, run_dir):
    """Raises DataError if model, data and configuration do not fit each other."""
    _check_types(model, train_data, valid_data, config)
    if run_dir is None:
        raise DataError("run_dir is missing: pass a folder for this training, such as pose.new_run('runs')")
    if config.tensorboard:
        optional_package("torch.utils.tensorboard", "tensorboard=True", "tensorboard")
    for name in ("start", "num_stacks", "channels", "loss", "sigma"):
        if getattr(model, name) != getattr(config, name):
            raise DataError(
                f"the model has {name}={getattr(model, name)!r}, the configuration {getattr(config, name)!r}: after "
                "a change rebuild the model, that is, rerun the cell with config.build_model"
            )
    for data in (train_data, valid_data):
        _check_samples(model, data, config)
    images = min(config.batch_size, len(train_data)) // distributed.size()
    check_images((images, 3, config.inp_res, config.inp_res), training=True)
    _check_labels(sources(train_data), sources(valid_data))


def _check_types(model, train_data, valid_data, config):
    for found, kind, wanted in (
        (model, StackedHourglass, "StackedHourglass"),
        (train_data, Dataset, "Dataset (a Generic, say)"),
        (valid_data, Dataset, "Dataset (a Generic, say)"),
        (config, TrainConfig, "TrainConfig"),
    ):
        if not isinstance(found, kind):
            raise DataError(
                f"fit(model, train_data, valid_data, config, run_dir) expects a {wanted}, not {found!r:.60}: "
                "create model and data with config.build_model() and config.build_dataset(annotations, is_train=…)"
            )
    if isinstance(valid_data, IterableDataset):
        raise DataError("validate on a Generic; shards are for training")
    if isinstance(train_data, IterableDataset) and not isinstance(train_data, Samples):
        raise DataError("an IterableDataset of your own has no order that could be resumed; use a Dataset with indices")
    if not (len(train_data) and len(valid_data)):
        raise DataError("a data set is empty: training and validation need at least one image each")
    if any(source.is_train for source in sources(valid_data)):
        raise DataError("validate on a data set without augmentation: Generic(..., is_train=False)")


def _check_labels(train_sources, valid_sources):
    """Raises DataError if there is nothing to learn from, or nothing to score."""
    if train_sources and not any(source.labelled.any() for source in train_sources):
        raise DataError("no training image has a labelled joint; there is nothing to learn from")
    labels = [(source.annotations.landmarks, source.skeleton) for source in valid_sources]
    if labels and all(np.isnan(normalised_distances(some, some, skeleton)).all() for some, skeleton in labels):
        raise DataError(
            f"no validation image has {' and '.join(labels[0][1].torso)} labelled, whose distance is the unit of PCK; "
            "add such images, or use a Skeleton with another torso"
        )


def _check_samples(model, data, config):
    """Raises DataError if the samples of a data set, wrapped or not, do not fit the model and the configuration."""
    for source in sources(data):
        theirs = (source.inp_res, source.out_res, source.sigma, source.bad_images.on_bad_image)
        if theirs != (config.inp_res, config.out_res, config.sigma, config.on_bad_image):
            raise DataError(
                "the data have another inp_res, out_res, sigma or on_bad_image than the configuration: after a change "
                "rebuild them, that is, rerun the cell with config.build_dataset (or build_sharded)"
            )
        model.skeleton.check_same(source.skeleton, "the model", "the data")
        if source is not data and source.bad_images.on_bad_image == "skip" and source.is_train:
            raise DataError(
                "on_bad_image='skip' would draw substitutes from outside a wrapper such as Subset; leave it at 'raise'"
            )
    if not isinstance(data, IterableDataset):
        _check_sample(data[0], model, config)


def _check_sample(sample, model, config):
    """Raises DataError if a sample, of whatever data set, is not what the model learns from."""
    try:
        image, heatmaps, info = sample
        found = [(tuple(tensor.shape), tensor.dtype) for tensor in (image, heatmaps)]
        missing = [key for key in USED_INFO if key not in info]
    except (TypeError, ValueError, AttributeError):
        raise DataError(f"a sample is (image, heatmaps, info), as Generic makes it, not {sample!r:.80}") from None
    shapes = (3, config.inp_res, config.inp_res), (model.num_joints, config.out_res, config.out_res)
    if found != [(shape, torch.float32) for shape in shapes]:
        raise DataError(f"expected an image {shapes[0]} and heatmaps {shapes[1]}, both float32, got {found}")
    if missing:
        raise DataError(f"the info of a sample lacks {', '.join(missing)}; the docstring of Generic explains them")


def _steps(train_data, config):
    """Steps per epoch; all batches have the same size. Raises DataError if there is not a single one."""
    processes, images = distributed.size(), len(train_data)
    batch = min(config.batch_size, images)
    if config.batch_size % processes or images < processes:
        raise DataError(
            f"batch_size {config.batch_size} must be divisible by the {processes} processes, "
            f"and the {images} training images be at least as many"
        )
    if not isinstance(train_data, IterableDataset):
        return images // processes // (batch // processes)
    loading = max(1, config.workers)  # each reads its own shards, and makes its own batches
    if len(train_data.names) < processes * loading:
        raise DataError(
            f"{len(train_data.names)} shards cannot be read by {processes} processes with {loading} workers each; "
            "write smaller shards (images_per_shard), or use fewer workers"
        )
    steps = loading * (images // (processes * loading) // (batch // processes))
    if not steps:
        raise DataError(
            f"{images} images do not make a batch of {batch} for each of {loading} workers; use fewer workers"
        )
    return steps


def _identity(train_data, config):
    """Identifies everything about the training data that the result depends on."""
    if not isinstance(train_data, IterableDataset):
        return identify(train_data)
    return f"{train_data.fingerprint} in shards, {config.workers} workers, {distributed.size()} processes"
