"""Training: one configuration, one loop, from a notebook cell, the command line, or `torchrun`."""

import copy
import csv
import io
import json
import math
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader, DistributedSampler
from tqdm import tqdm

from pose import distributed
from pose.augmentation import Augmentation
from pose.checkpoints import load_tensors, save_model, save_tensors, write_whole
from pose.dataset import Generic
from pose.device import autocast, default_device, has_bf16, keep_freed_memory
from pose.evaluation import evaluate
from pose.heatmaps import heatmaps_to_landmarks
from pose.hourglass import StackedHourglass
from pose.loss import heatmap_loss
from pose.metrics import normalised_distances, pck

LOOK_EVERY = 10  # steps between two looks at the training batch's loss and PCK


@dataclass
class TrainConfig:
    """Every hyperparameter of a training."""

    num_stacks: int = 1  # 1, 2, 8 or any other number of hourglasses
    channels: int = 256  # the network's width
    loss: str = "cross_entropy"  # or "mse"
    sigma: float = 1.0  # of the Gaussians, heatmap px
    inp_res: int = 256  # side of the network's input, px; divisible by 64
    epochs: int = 30
    batch_size: int = 16  # over all processes together
    learning_rate: float = 1e-3  # the highest: it rises over the first steps and falls as a cosine
    warmup: float = 0.1  # share of the steps in which it rises
    weight_decay: float = 0.01
    ema_decay: float = 0.998  # of the averaged weights, which are the ones evaluated and kept
    patience: int = 0  # stop after so many epochs without a better validation AUC; 0: never
    bf16: bool | None = None  # None: where the device multiplies bf16 in hardware
    workers: int = 0  # processes that load samples
    seed: int = 0
    tensorboard: bool = False  # also write TensorBoard's files into the run's folder
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def out_res(self):
        """Side of the heatmaps, px."""
        return self.inp_res // 4

    def build_model(self):
        """A freshly initialised `StackedHourglass`, the same for the same seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return StackedHourglass(self.num_stacks, channels=self.channels, loss=self.loss, sigma=self.sigma)

    def build_dataset(self, annotations, is_train):
        """`Generic` with this configuration's sizes and augmentation."""
        return Generic(annotations, is_train, self.inp_res, self.out_res, self.sigma,
                       augmentation=self.augmentation, seed=self.seed)  # fmt: skip

    def rate_at(self, step, steps):
        """The learning rate of step 0 … steps−1: linear rise, then half a cosine down to zero."""
        rise = max(1, round(self.warmup * steps))
        if step < rise:
            return self.learning_rate * (step + 1) / rise
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def fit(model, train_data, valid_data, config, run_dir, resume=False, on_epoch=None):
    """Trains a `StackedHourglass`.

    train_data, valid_data: `Generic` data sets, the second with `is_train=False`.
    run_dir: the folder of this training. After each epoch it holds last.safetensors (everything needed to go on),
        best.safetensors (the averaged weights of the epoch with the best validation AUC, for `load_model`) and
        history.csv.
    resume: go on from last.safetensors; the result is that of a training that was never interrupted.
    on_epoch: called with the history after each epoch, to draw curves, say.
    Returns the history, a dictionary an epoch. `model` then holds the weights of best.safetensors.
    Raises FileExistsError where `run_dir` holds a training already and `resume` is false; ValueError where the
    training to resume had other hyperparameters; FloatingPointError where the loss is no longer finite.
    """
    distributed.start()
    keep_freed_memory()
    device = default_device()
    bf16 = has_bf16(device) if config.bf16 is None else config.bf16
    run_dir = Path(run_dir)
    model.to(device, memory_format=torch.channels_last)
    network = distributed.wrap(model)
    average = copy.deepcopy(model).eval()
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay,
                                  fused=device.type == "cuda")  # fmt: skip
    history = _start(run_dir, resume, config, model, average, optimizer)
    loader = _loader(train_data, config, device)

    with _progress(config, loader, len(history)) as bar:
        for epoch in range(len(history), config.epochs):
            if _stopped(history, config):
                break
            started = time.perf_counter()
            train_data.set_epoch(epoch)
            loader.sampler.set_epoch(epoch)
            row = {"epoch": epoch + 1} | _train_epoch(
                network, model, average, optimizer, loader, config, epoch, device, bf16, bar
            )
            row["images_per_s"] = round(len(train_data) / (time.perf_counter() - started), 2)
            row |= _validate(average, valid_data, config, device, bf16)
            history.append(row)
            if distributed.rank() == 0:
                _save(run_dir, history, config, model, average, optimizer, train_data.skeleton)
            if on_epoch:
                on_epoch(history)
    model.load_state_dict(load_tensors(run_dir / "best.safetensors")[0])
    return history


def _train_epoch(network, model, average, optimizer, loader, config, epoch, device, bf16, bar):
    """One pass over the training images; returns the epoch's learning rate, mean loss and PCK."""
    network.train()
    steps, total, looks = len(loader), torch.zeros((), device=device), []
    for step, (images, heatmaps, info) in enumerate(loader, start=epoch * steps):
        for group in optimizer.param_groups:
            group["lr"] = config.rate_at(step, config.epochs * steps)
        images = images.to(device, memory_format=torch.channels_last, non_blocking=True)
        heatmaps = heatmaps.to(device, non_blocking=True)
        with autocast(device, bf16):
            outputs = network(images)
        loss = heatmap_loss(outputs, heatmaps, model.loss, model.sigma)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        _average(average, model, min(config.ema_decay, (1 + step) / (10 + step)))
        total += loss.detach()
        if step % LOOK_EVERY == 0:
            looks.append(_batch_pck(outputs[-1], info["tpts"], loader.dataset.skeleton))
            bar.set_postfix(loss=f"{loss.item():.4f}", PCK=f"{looks[-1]:.3f}", refresh=False)
        bar.update(len(images) * distributed.size())
    loss = distributed.mean(total).item() / steps
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the loss of epoch {epoch + 1} is {loss}; lower learning_rate (now {config.learning_rate}); "
            "last.safetensors in the run's folder holds the epoch before"
        )
    rate = config.rate_at((epoch + 1) * steps - 1, config.epochs * steps)
    return {"learning_rate": rate, "train_loss": loss, "train_pck@0.2": sum(looks) / max(1, len(looks))}


def _batch_pck(heatmaps, tpts, skeleton):
    """PCK@0.2 over the labelled joints of one training batch, (N, K, H, W) against (N, K, 2) heatmap px."""
    places, _ = heatmaps_to_landmarks(heatmaps.detach())
    distances = normalised_distances(places.cpu().numpy(), tpts.numpy(), skeleton).reshape(-1, 1)
    return float(pck(distances, 0.2)[0])


def _average(average, model, decay):
    """Moves the averaged weights and batch-norm statistics towards the model's by a share of 1 − decay."""
    pairs = zip(average.state_dict().values(), model.state_dict().values(), strict=True)
    averaged, current = zip(*((a, c) for a, c in pairs if a.is_floating_point()), strict=True)
    get_ema_multi_avg_fn(decay)(averaged, current, None)


def _validate(average, valid_data, config, device, bf16):
    scores = None
    if distributed.rank() == 0:
        summary = evaluate(average, valid_data, config.batch_size, config.workers, device, bf16).summary()
        scores = {f"valid_{name}": value for name, value in summary.items()}
    return distributed.from_first(scores)


def _loader(train_data, config, device):
    """Batches in an order that the seed and the epoch fix; each process gets its share of every batch."""
    processes = distributed.size()
    if config.batch_size % processes:
        raise ValueError(f"batch_size {config.batch_size} must be divisible by the {processes} processes")
    if len(train_data) < config.batch_size:
        raise ValueError(
            f"batch_size {config.batch_size} is larger than the {len(train_data)} training images; lower it"
        )
    sampler = DistributedSampler(train_data, processes, distributed.rank(), seed=config.seed)
    return DataLoader(train_data, config.batch_size // processes, sampler=sampler, num_workers=config.workers,
                      pin_memory=device.type == "cuda", drop_last=True)  # fmt: skip


def _progress(config, loader, epochs_done):
    images = len(loader) * config.batch_size
    return tqdm(total=config.epochs * images, initial=epochs_done * images, unit="img", file=sys.stdout,
                desc="training", mininterval=0.5, dynamic_ncols=True, disable=distributed.rank() > 0)  # fmt: skip


def _best(history):
    """The row of the best validation AUC."""
    return max(history, key=lambda row: row["valid_auc"])


def _stopped(history, config):
    """Whether early stopping has ended this training."""
    return bool(config.patience and history) and history[-1]["epoch"] - _best(history)["epoch"] >= config.patience


def _start(run_dir, resume, config, model, average, optimizer):
    """The history so far: empty for a new run, else that of last.safetensors, whose state is loaded."""
    last = run_dir / "last.safetensors"
    if not last.exists():
        return []
    if not resume:
        raise FileExistsError(
            f"{run_dir} holds a training already; pass resume=True to go on with it, or choose another run_dir"
        )
    tensors, about = load_tensors(last)
    _same_hyperparameters(last, about["config"], json.loads(json.dumps(asdict(config))))
    for name, module in (("model", model), ("average", average)):
        module.load_state_dict(_part(tensors, name))
    state = optimizer.state_dict()
    for name, tensor in _part(tensors, "optimizer").items():
        parameter, value = name.split(".")
        state["state"].setdefault(int(parameter), {})[value] = tensor
    optimizer.load_state_dict(state)
    return about["history"]


def _part(tensors, prefix):
    return {name.partition(".")[2]: tensor for name, tensor in tensors.items() if name.startswith(prefix + ".")}


def _same_hyperparameters(path, saved, now):
    free = {"workers", "tensorboard"}  # what may change without changing the result
    changed = [f"{name} {saved.get(name)} → {now[name]}" for name in now if saved.get(name) != now[name] and name not in free]
    if changed:
        raise ValueError(f"{path} was trained with other hyperparameters ({', '.join(changed)}); restore them or choose another run_dir")


def _save(run_dir, history, config, model, average, optimizer, skeleton):
    """Writes best.safetensors if this epoch is the best, last.safetensors, and history.csv."""
    about = {"config": asdict(config), "history": history}
    if _best(history) is history[-1]:
        save_model(run_dir / "best.safetensors", average, skeleton, config=asdict(config), scores=history[-1])
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for parameter, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{parameter}.{name}": tensor for name, tensor in values.items()}
    save_tensors(run_dir / "last.safetensors", tensors, about)
    _write_history(run_dir / "history.csv", history)
    if config.tensorboard:
        _write_tensorboard(run_dir, history[-1])


def _write_history(path, history):
    text = io.StringIO()
    writer = csv.DictWriter(text, history[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_whole(path, text.getvalue())


def _write_tensorboard(run_dir, row):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(run_dir) as writer:
        for name, value in row.items():
            writer.add_scalar(name, value, row["epoch"])
