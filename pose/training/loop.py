"""The training loop. The hourglass and the recogniser go through the same one; what differs they bring as a `Task`."""

import math
import traceback
from collections import deque
from contextlib import suppress

import torch
from torch import nn

from pose.runtime import distributed
from pose.runtime.device import Arriving, default_device, is_out_of_memory, keep_freed_memory, tuned
from pose.runtime.errors import DataError, Interrupted, OutOfMemory, PoseError
from pose.runtime.progress import progress_bar
from pose.training.state import TrainingState

WATCH_EVERY = 10  # steps between two looks at the newest loss


class Task:
    """What a training brings to the loop: a model, its data, its loss and its scores.

    model: the network that learns, on its device.
    groups: parameter groups for AdamW, each with its "share" of the learning rate.
    unit: what a batch is made of, "images" or "clips"; batch_size: how many in a step, over all processes together.
    steps: batches of an epoch. data: what tells the training data from others; about_data: for people, as JSON.
    largest_gradient: the norm that gradients are cut to. tf32: whether a GPU may multiply in TF32.
    """

    largest_gradient = math.inf
    tf32 = True

    def batches(self, epoch):
        """The batches of an epoch, in an order that the seed and the epoch fix."""
        raise NotImplementedError

    def loss(self, batch):
        """The loss (), and what the network predicted."""
        raise NotImplementedError

    def names(self, number, batch):
        """What batch `number` of the epoch is made of, as a list of names."""
        raise NotImplementedError

    def scores(self):
        """An object that scores the batches of an epoch: `add(number, batch, predicted)`, `newest()` and `mean()`."""
        raise NotImplementedError

    def validate(self, average, first):
        """The scores of the averaged weights, as a dictionary; first: whether this is the first epoch."""
        raise NotImplementedError

    def metric(self, row):
        """Of a row of the history, the number that is highest in the best epoch."""
        raise NotImplementedError

    def save(self, run_dir, average, **about):
        """Writes best.safetensors, with what is known `about` the training, and scores.txt."""
        raise NotImplementedError


def train(task, config, run_dir=None, resume=False, on_epoch=None):
    """Trains the model of a task until all epochs are done or early stopping ends it; returns the history.

    config: `TrainConfig` or `HarConfig`. run_dir: the folder of this training, or None to keep nothing.
    resume, on_epoch, and what is raised: as in `pose.fit`.
    The model then holds the averaged weights of the best epoch; after an interruption or a failure likewise, if an
    epoch was finished.
    """
    keep_freed_memory()
    device = default_device()
    state = TrainingState(task, config, run_dir)
    state.start(resume)
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
            traceback.clear_frames(error.__traceback__)  # a notebook keeps it, and with it all memory of this training
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
    # An epoch's random numbers must not depend on the epochs before it, which a resumed training has not drawn.
    torch.manual_seed(config.seed * 100_003 + epoch)
    scores, losses = task.scores(), torch.zeros(task.steps, device=device)
    watched, newest = None, deque(maxlen=2 * WATCH_EVERY)
    task.model.train()
    for number, batch in enumerate(task.batches(epoch)):
        step = epoch * task.steps + number
        rate = rate_at(step, config.epochs * task.steps, config.learning_rate, config.warmup)
        for group in state.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        losses[number], predicted = train_step(task, state.optimizer, batch)
        state.update_average(step)
        newest.append((number, task.names(number, batch)))
        scores.add(number, batch, predicted)
        if number % WATCH_EVERY == 0:
            if watched and not watched.read()[0].isfinite():  # computed long ago, so that nothing waits for it
                raise state.loss_error(losses, dict(newest))
            watched = Arriving(losses[number])
            bar.set_postfix(scores.newest(), refresh=False)
        bar.update(task.batch_size)
    if number + 1 != task.steps:
        raise DataError(f"the loader gave {number + 1} of {task.steps} batches; is a shard damaged?")
    loss = distributed.mean(losses.sum()).item() / task.steps
    if not math.isfinite(loss):
        raise state.loss_error(losses, dict(newest))
    return {"epoch": epoch + 1, "learning_rate": rate, "train_loss": loss} | scores.mean()


def train_step(task, optimizer, batch):
    """One step of the optimiser; returns the loss () and what the network predicted, without gradients."""
    loss, predicted = task.loss(batch)
    optimizer.zero_grad()
    loss.backward()
    if task.largest_gradient < math.inf:
        nn.utils.clip_grad_norm_(task.model.parameters(), task.largest_gradient)
    optimizer.step()
    return loss.detach(), predicted.detach()


def rate_at(step, steps, highest, warmup):
    """The learning rate of step 0 … steps−1: it rises linearly in a share `warmup` of them, then falls as half a
    cosine from `highest` to zero (one cycle: Smith & Topin 2018)."""
    rise = max(1, round(warmup * steps))
    if step < rise:
        return highest * (step + 1) / rise
    return highest * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _explained(error, task, run_dir, device):
    """What to raise in place of an interruption, or of an error for lack of memory: it says how to go on."""
    if isinstance(error, KeyboardInterrupt):
        kept = f"{run_dir} keeps all finished epochs; fit(…, resume=True) with it goes on" if run_dir else ""
        return Interrupted(kept)
    if isinstance(error, RuntimeError) and is_out_of_memory(error):
        advice = f"take batch_size={task.batch_size // 2}" if task.batch_size > 1 else "take smaller images or models"
        return OutOfMemory(
            f"a batch of {task.batch_size} {task.unit} does not fit into the memory of {device}: {advice}, and "
            "another run_dir. A TrainConfig(recompute=True) needs less memory, too"
        )
    return None
