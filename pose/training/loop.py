"""The training loop shared by the hourglass and the recogniser; a `Task` provides what differs."""

import math
import traceback
from collections import deque
from contextlib import suppress

import torch
from torch import nn

from pose.runtime import distributed
from pose.runtime.device import AsyncCopy, default_device, is_out_of_memory, keep_freed_memory, tuned
from pose.runtime.errors import Interrupted, OutOfMemory, PoseError
from pose.runtime.progress import progress_bar
from pose.training.state import TrainingState

WATCH_EVERY = 10  # steps between two checks of the loss


class Task:
    """What a training provides to the loop: a model, its data, its loss and its scores.

    model: the network to train, on its device.
    groups: parameter groups for AdamW, each with its "share" of the learning rate.
    unit: what a batch consists of, "images" or "clips"; batch_size: how many per step, over all processes together.
    steps: batches per epoch. data: identifies the training data; about_data: describes them for people, JSON-able.
    max_gradient_norm: the norm that gradients are clipped to. tf32: whether a GPU may multiply in TF32.
    tensorboard: whether to write its files, too. memory_advice: what else helps when memory runs out.
    """

    max_gradient_norm = math.inf
    tf32 = True
    tensorboard = False
    memory_advice = ""

    def prepare(self, model):
        """Writes into a model's settings what this training decides: its input size, say, or its actions."""
        raise NotImplementedError

    def batches(self, epoch):
        """The batches of an epoch, in an order determined by seed and epoch."""
        raise NotImplementedError

    def loss(self, batch):
        """The loss (), and what the network predicted."""
        raise NotImplementedError

    def names(self, number, batch):
        """The contents of batch `number` of the epoch, as a list of names."""
        raise NotImplementedError

    def scores(self):
        """An object that scores the batches of an epoch: `add(number, batch, predicted)`, `latest()` and `mean()`."""
        raise NotImplementedError

    def validate(self, average, first):
        """The scores of the averaged weights, as a dictionary; first: whether this is the first epoch."""
        raise NotImplementedError

    def metric(self, row):
        """The score of a row of the history; it is highest in the best epoch."""
        raise NotImplementedError

    def save(self, run_dir, average, **about):
        """Writes best.safetensors, with metadata `about` the training, and scores.txt."""
        raise NotImplementedError


def train(task, config, run_dir=None, resume=False, on_epoch=None):
    """Trains the model of a task until all epochs are done or early stopping ends it; returns the history.

    config: `TrainConfig` or `HarConfig`. run_dir: the folder of this training, or None to save nothing.
    resume, on_epoch, and what is raised: as in `pose.fit`.
    The model then has the averaged weights of the best epoch, also after an interruption or a failure, if an epoch was
    finished.
    """
    keep_freed_memory()
    device = default_device()
    state = TrainingState(task, config, run_dir)
    state.start(resume)
    for model in (task.model, state.average):
        task.prepare(model)
    quiet = distributed.rank() > 0 or (run_dir is None and on_epoch is None)
    epoch_size = task.steps * task.batch_size
    try:
        with (
            torch.random.fork_rng([device] if device.type == "cuda" else []),
            tuned(device, task.tf32),
            progress_bar(
                config.epochs * epoch_size, "training", task.unit, len(state.history) * epoch_size, quiet
            ) as bar,
        ):
            while not state.finished:
                row = _train_epoch(task, state, device, bar)
                row |= task.validate(state.average, first=not state.history)
                state.add(row)
                if on_epoch:
                    on_epoch(state.history)
    except BaseException as error:
        if distributed.size() == 1:
            with suppress(PoseError):  # there may be no weights yet: the first error matters
                state.use_best()
        if isinstance(error, (KeyboardInterrupt, PoseError)):
            traceback.clear_frames(error.__traceback__)  # a notebook keeps it, and with it all of the training's memory
        explained = _explained(error, task, run_dir, device)
        del state, task
        if explained:
            raise explained from None
        raise
    state.use_best()
    return state.history


def _train_epoch(task, state, device, bar):
    """One pass over the training data; returns the epoch's row of the history without the validation."""
    config, epoch = state.config, len(state.history)
    # An epoch's random numbers must not depend on earlier epochs, which a resumed training has not run.
    torch.manual_seed(config.seed * 100_003 + epoch)
    scores, losses = task.scores(), torch.zeros(task.steps, device=device)
    watched, recent = None, deque(maxlen=2 * WATCH_EVERY)
    task.model.train()
    for number, batch in enumerate(task.batches(epoch)):
        step = epoch * task.steps + number
        rate = rate_at(step, config.epochs * task.steps, config.learning_rate, config.warmup)
        for group in state.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        losses[number], predicted = train_step(task, state.optimizer, batch)
        state.update_average(step)
        recent.append((number, task.names(number, batch)))
        scores.add(number, batch, predicted)
        if number % WATCH_EVERY == 0:
            if watched and not watched.read()[0].isfinite():  # computed long ago, so nothing waits
                raise state.loss_error(losses, dict(recent))
            watched = AsyncCopy(losses[number])
            bar.set_postfix(scores.latest(), refresh=False)
        bar.update(task.batch_size)
    loss = distributed.mean(losses.sum()).item() / task.steps
    if not math.isfinite(loss):
        raise state.loss_error(losses, dict(recent))
    return {"epoch": epoch + 1, "learning_rate": rate, "train_loss": loss} | scores.mean()


def train_step(task, optimizer, batch):
    """One step of the optimiser; returns the loss () and what the network predicted, without gradients."""
    loss, predicted = task.loss(batch)
    optimizer.zero_grad()
    loss.backward()
    if task.max_gradient_norm < math.inf:
        nn.utils.clip_grad_norm_(task.model.parameters(), task.max_gradient_norm)
    optimizer.step()
    return loss.detach(), predicted.detach()


def rate_at(step, steps, highest, warmup):
    """The learning rate of step 0 … steps−1.

    It rises linearly over a share `warmup` of them, then decays from `highest` to zero as half a cosine (one cycle:
    Smith & Topin 2018).
    """
    rise = max(1, round(warmup * steps))
    if step < rise:
        return highest * (step + 1) / rise
    return highest * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _explained(error, task, run_dir, device):
    """What to raise instead of an interruption or an out-of-memory error: it says how to continue."""
    if isinstance(error, KeyboardInterrupt):
        kept = f"{run_dir} has all finished epochs; fit(…, resume=True) with it continues" if run_dir else ""
        return Interrupted(kept)
    if isinstance(error, RuntimeError) and is_out_of_memory(error):
        advice = f"use batch_size={task.batch_size // 2}" if task.batch_size > 1 else "use smaller images or models"
        return OutOfMemory(
            f"a batch of {task.batch_size} {task.unit} does not fit into the memory of {device}: {advice}, and "
            f"another run_dir{task.memory_advice}"
        )
    return None
