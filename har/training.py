"""`fit`: trains a recogniser, an `ActivityHead` on landmarks or a `HourglassLSTM` end to end."""

import zlib

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import BatchSampler, RandomSampler

from har.checkpoints import save_model
from har.config import HarConfig
from har.datasets import ClipDataset, SequenceDataset, collate_clips
from har.evaluation import evaluate
from har.head import ActivityHead, Mix
from har.hourglass_lstm import HourglassLSTM
from pose.annotations import fingerprint
from pose.dataset import warn_of_skipped_images
from pose.heatmaps import landmarks_to_heatmaps
from pose.loss import heatmap_loss
from pose.runtime.data_loader import Loader
from pose.runtime.device import default_device
from pose.runtime.errors import DataError
from pose.runtime.files import write_atomically
from pose.training.loop import Task, train


def fit(model, train_data, valid_data, config, run_dir=None, resume=False, on_epoch=None):
    """Trains an `ActivityHead` on landmarks, or a `HourglassLSTM` end to end.

    train_data, valid_data: two `SequenceDataset`, or for a `HourglassLSTM` two `ClipDataset`, with the same actions.
        Without valid_data (None) the averaged weights of the last epoch are the result.
    config: `HarConfig`.
    run_dir: the folder of this training, or None to save nothing. It gets config.json (hyperparameters, versions,
        data), and after each epoch last.safetensors (everything needed to resume), best.safetensors (the averaged
        weights of the epoch with the lowest validation loss, for `load_model`), scores.txt (its scores per
        action) and history.csv.
    resume: continue from last.safetensors; the result equals that of an uninterrupted training.
    on_epoch: called with the history after each epoch.
    Returns the history, a dictionary per epoch. `model` then has the best averaged weights, is in evaluation mode, and
    knows its actions and the usual length of a clip; also after an interruption or a failure, if an epoch was finished.
    Raises ExistsError if `run_dir` already contains a training and `resume` is false, MissingError if the best weights
    of the training to resume are gone; DataError if the data do not fit, or that training had other hyperparameters or
    data; LossError if the loss is no longer finite; OutOfMemory; ImageError for a frame that cannot be read, unless the
    data set skips it.
    """
    _check(model, train_data, valid_data, config)
    data_sets = [data for data in (train_data, valid_data) if isinstance(data, ClipDataset)]
    with warn_of_skipped_images(*data_sets):
        task = EndToEndTask if isinstance(model, HourglassLSTM) else HeadTask
        return train(task(model, train_data, valid_data, config), config, run_dir, resume, on_epoch)


class HeadTask(Task):
    """The `Task` of training an `ActivityHead`."""

    unit = "clips"
    max_gradient_norm = 1.0  # an LSTM's can explode (Pascanu et al. 2013)

    def __init__(self, model, train_data, valid_data, config):
        self.device = default_device()
        self.train_data, self.valid_data, self.config = train_data, valid_data, config
        self.batch_size = min(config.batch_size, len(train_data))
        self.steps = len(train_data) // self.batch_size
        self.data = _fingerprint(train_data)
        self.about_data = {"train": _describe(train_data), "valid": valid_data and _describe(valid_data)}
        self.model = model.to(self.device)
        self.groups = self._groups()

    def _groups(self):
        return [{"params": list(self.model.parameters()), "share": 1.0}]

    def prepare(self, model):
        model.actions = list(self.train_data.actions)
        model.window = round(float(np.median([len(clip) for clip in self.train_data.clips])))

    def batches(self, epoch):
        """Batches in an order determined by seed and epoch; an incomplete last batch is dropped."""
        order = torch.Generator().manual_seed(self.config.seed * 100_003 + epoch)
        self.drawn = []
        sampler = _Batches(RandomSampler(self.train_data, generator=order), self.batch_size, self.drawn)
        loader = Loader(self.train_data, batch_sampler=sampler, generator=order, num_workers=self.config.workers,
                        collate_fn=collate_clips)  # fmt: skip
        loader.set_epoch(epoch)
        return loader

    def loss(self, batch):
        landmarks, lengths, labels = batch
        mix = Mix.draw(len(labels)) if torch.rand(()) < self.config.mix else None
        logits = self.model(landmarks.to(self.device), lengths, mix)
        loss = self._action_loss(logits, labels)
        if mix is not None:
            loss = mix.share * loss + (1 - mix.share) * self._action_loss(logits, labels[mix.partners])
        return loss, logits

    def _action_loss(self, logits, labels):
        return F.cross_entropy(logits, labels.to(self.device), label_smoothing=self.config.label_smoothing)

    def names(self, number, batch):
        return [self.train_data.clips[index].name for index in self.drawn[number]]

    def scores(self):
        return _Accuracy(self.device)

    def validate(self, average, first):
        if self.valid_data is None:
            return {}
        scores = evaluate(average, self.valid_data, self.config.batch_size, self.config.workers, self.device)
        self.scored = scores
        return {"valid_loss": scores.loss, "valid_accuracy": scores.accuracy}

    def metric(self, row):
        return row["epoch"] if self.valid_data is None else -row["valid_loss"]

    def save(self, run_dir, average, **about):
        save_model(run_dir / "best.safetensors", average, **about)
        if self.valid_data is not None:
            write_atomically(run_dir / "scores.txt", f"{self.scored}\n")


class EndToEndTask(HeadTask):
    """The `Task` of training a `HourglassLSTM`: adds the pose loss, and a learning rate for the hourglass."""

    def _groups(self):
        return [
            {"params": list(self.model.head.parameters()), "share": 1.0},
            {"params": list(self.model.pose_model.parameters()), "share": self.config.pose_rate},
        ]

    def prepare(self, model):
        super().prepare(model)
        model.pose_model.inp_res = self.train_data.inp_res

    def loss(self, batch):
        frames, lengths, labels, tpts, to_image = batch
        frames, tpts, to_image = (tensor.to(self.device) for tensor in (frames, tpts, to_image))
        logits, heatmaps = self.model.logits_and_heatmaps(frames, lengths, to_image)
        valid = torch.arange(frames.shape[1], device=self.device) < lengths.to(self.device)[:, None]
        hourglass = self.model.pose_model
        targets = landmarks_to_heatmaps(tpts[valid], heatmaps[-1].shape[-1], hourglass.sigma)
        pose_loss = heatmap_loss(heatmaps, targets, hourglass.loss, hourglass.sigma)
        return self._action_loss(logits, labels) + self.config.pose_weight * pose_loss, logits


class _Batches(BatchSampler):
    """Full batches of indices, each recorded in the list `drawn`."""

    def __init__(self, sampler, batch_size, drawn):
        super().__init__(sampler, batch_size, drop_last=True)
        self.drawn = drawn

    def __iter__(self):
        for batch in super().__iter__():
            self.drawn.append(batch)
            yield batch


class _Accuracy:
    """The share of an epoch's clips that were recognised correctly."""

    def __init__(self, device):
        self.right, self.seen = torch.zeros((), device=device), 0

    def add(self, number, batch, logits):
        self.right += (logits.argmax(dim=1) == batch[2].to(logits.device)).sum()
        self.seen += len(logits)

    def latest(self):
        return {"accuracy": f"{self.right.item() / self.seen:.3f}"} if not self.right.is_cuda else {}

    def mean(self):
        return {"train_accuracy": self.right.item() / self.seen}


def _check(model, train_data, valid_data, config):
    if not isinstance(config, HarConfig):
        raise DataError(f"fit expects a HarConfig, not a {type(config).__name__}")
    if not isinstance(model, (ActivityHead, HourglassLSTM)):
        raise DataError(f"fit expects an ActivityHead or a HourglassLSTM, not a {type(model).__name__}")
    wanted = ClipDataset if isinstance(model, HourglassLSTM) else SequenceDataset
    for data in [train_data] if valid_data is None else [train_data, valid_data]:
        if not isinstance(data, wanted):
            raise DataError(f"a {type(model).__name__} is trained on a {wanted.__name__}, not a {type(data).__name__}")
        model.check(data)
    if valid_data is not None and valid_data.is_train:
        raise DataError("validate on a data set without augmentation: is_train=False")
    if valid_data is not None and valid_data.actions != train_data.actions:
        raise DataError("training and validation have different actions; pass the same actions= to both data sets")
    if model.num_actions != len(train_data.actions):
        raise DataError(
            f"the model knows {model.num_actions} actions, the data {len(train_data.actions)}; build it with "
            "config.build_head(len(data.actions), data.skeleton)"
        )


def _describe(data):
    """A human-readable description of a data set."""
    subjects = sorted({clip.subject for clip in data.clips})
    return {
        "clips": len(data.clips),
        "subjects": subjects,
        "actions": data.actions,
        "joints_file": str(data.annotations.source or "(an array)"),
        "fingerprint": fingerprint(data.annotations),
    }


def _fingerprint(data):
    """A checksum of everything about the training data that the result depends on."""
    settings = (
        data.clips,
        data.actions,
        data.augmentation,
        data.seed,
        getattr(data, "inp_res", 0),
        getattr(data, "frames", 0),
    )
    number = zlib.crc32(repr(settings).encode(), fingerprint(data.annotations))
    if getattr(data, "joints_3d", None) is not None:
        number = zlib.crc32(data.joints_3d.points.tobytes(), number)
    if getattr(data, "pose_labels", None) is not None:
        number = zlib.crc32(data.pose_labels.landmarks.tobytes(), number)
    return number
