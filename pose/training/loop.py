"""The training loop."""

import copy
import math
import sys
import time
from pathlib import Path

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader, DistributedSampler
from tqdm import tqdm

from pose import distributed
from pose.checkpoints import load_tensors
from pose.device import autocast, default_device, has_bf16, keep_freed_memory
from pose.evaluation import evaluate
from pose.heatmaps import heatmaps_to_landmarks
from pose.loss import heatmap_loss
from pose.metrics import normalised_distances, pck
from pose.training.state import best_epoch, restore, save

LOOK_EVERY = 10  # steps between two looks at the training batch's loss and PCK


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
    history = restore(run_dir, resume, config, model, average, optimizer)
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
                save(run_dir, history, config, model, average, optimizer, train_data.skeleton)
            if on_epoch:
                on_epoch(history)
    model.load_state_dict(distributed.from_first(lambda: load_tensors(run_dir / "best.safetensors")[0]))
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
    scores = distributed.from_first(
        lambda: evaluate(average, valid_data, config.batch_size, config.workers, device, bf16).summary()
    )
    return {f"valid_{name}": value for name, value in scores.items()}


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


def _stopped(history, config):
    """Whether early stopping has ended this training."""
    return (
        bool(config.patience and history)
        and history[-1]["epoch"] - best_epoch(history)["epoch"] >= config.patience
    )
