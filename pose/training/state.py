"""The state of a training: everything that changes, saved in the run's folder and resumed from there."""

import json
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pose.checkpoints import load_tensors, save_tensors
from pose.runtime import distributed
from pose.runtime.errors import DataError, ExistsError, LossError, MissingError
from pose.runtime.files import temporary_path, write_csv
from pose.training.run_folders import write_description

# Hyperparameters that may change when a training is resumed.
RESULT_UNCHANGED_BY = {"workers", "cache", "recompute", "tensorboard", "on_bad_image"}


class TrainingState:
    """The model, its averaged weights, the optimiser and the history of one training.

    task: the `Task`, config: its dataclass of hyperparameters, run_dir: the training's folder or None.
    average: a copy of the model with the exponential moving average of its weights and batch-norm statistics.
    history: a dictionary per epoch.
    """

    def __init__(self, task, config, run_dir=None):
        self.task, self.model, self.config = task, task.model, config
        self.run_dir = None if run_dir is None else Path(run_dir)
        self.settings = asdict(config) | {"data": task.data}
        self.average = deepcopy(task.model).eval()
        self.optimizer = torch.optim.AdamW(
            task.groups, config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.history = []
        self._averaged, self._current = _floating(self.average), _floating(self.model)
        self._best_weights = None  # if there is no folder to save them

    def update_average(self, step):
        """Moves the averaged weights towards the model's, faster in the first steps, when they are still noise."""
        decay = min(self.config.ema_decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(self._averaged, self._current, None)

    @property
    def best(self):
        """The history's best row."""
        return max(self.history, key=self.task.metric)

    @property
    def finished(self):
        """Whether all epochs are done, or early stopping has ended the training."""
        if len(self.history) >= self.config.epochs:
            return True
        patience = self.config.patience
        return bool(patience and self.history) and self.history[-1]["epoch"] - self.best["epoch"] >= patience

    def loss_error(self, losses, samples):
        """The LossError that says in which step of this epoch the loss (steps,) was no longer finite.

        samples: {step: names of its samples}, for at least the last steps.
        """
        epoch = len(self.history) + 1
        where, shown = f"epoch {epoch}", ""
        wrong = (~losses.isfinite()).nonzero().flatten().tolist()  # empty if it happened in another process
        if wrong:
            where += f", step {wrong[0] + 1}"
            names = samples.get(wrong[0])
            shown = f" In that step: {', '.join(names)}." if names else ""
        kept = f"last.safetensors has epoch {epoch - 1}" if epoch > 1 else "no epoch was finished"
        return LossError(
            f"the loss is no longer finite in {where}; {kept}. Lower learning_rate (now {self.config.learning_rate}), "
            f"rebuild the model and choose another run_dir.{shown}"
        )

    def start(self, resume):
        """Resumes the training in the folder if there is one, else claims the folder; see `fit` for what is raised."""
        if self.run_dir is None:
            return
        last = self.run_dir / "last.safetensors"
        if not distributed.from_first(last.exists):
            self._claim(resume)
            return
        if not resume:
            raise ExistsError(
                f"{self.run_dir} already contains a training; resume it with resume=True (--resume), or choose another "
                "run_dir"
            )
        tensors, about = distributed.from_first(lambda: load_tensors(last))
        if "history" not in about:
            raise DataError(f"{last}: is not a training that can be resumed; choose another run_dir")
        if any(name.endswith("learnt") for name in tensors):
            raise DataError(f"{last}: is from version 0.1, whose trainings cannot be resumed; choose another run_dir")
        best = self.run_dir / "best.safetensors"
        if about["history"] and not distributed.from_first(best.exists):
            raise MissingError(f"{best} is gone; the training cannot continue without it")
        if about["history"]:
            distributed.from_first(partial(self._check_best, best))  # report damage before training continues
        self._check_same(last, about.get("config"))
        try:
            self._restore(tensors, about["history"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"{last}: is damaged ({reason}); choose another run_dir") from None
        self._clean()
        if self.history and distributed.rank() == 0:
            write_csv(self.run_dir / "history.csv", self.history)  # it may have been changed

    def _claim(self, resume):
        """Starts in a folder without a training."""
        for name in ("best.safetensors", "history.csv"):
            if distributed.from_first((self.run_dir / name).exists):
                raise ExistsError(
                    f"{self.run_dir / name} exists, but no last.safetensors to resume; choose another run_dir"
                )
        self._clean()
        if distributed.rank() == 0:
            if resume:
                print(f"nothing to resume in {self.run_dir}: starting a new training")
            write_description(self.run_dir, self.config, self.task.about_data)
            self._save()  # the untrained state: even an interrupted first epoch can be resumed

    def _check_best(self, path):
        """Raises DataError if the file has other weights than this model's."""
        tensors, wanted = load_tensors(path)[0], self.average.state_dict()
        if {name: tensor.shape for name, tensor in tensors.items()} != {name: wanted[name].shape for name in wanted}:
            raise DataError(f"{path}: has other weights than this training's; put the file back, or start again")

    def _clean(self):
        """Deletes temporary files that a kill may have left."""
        if distributed.rank() == 0 and self.run_dir.is_dir():
            for name in ("best.safetensors", "last.safetensors", "history.csv", "config.json", "scores.txt"):
                temporary_path(self.run_dir / name).unlink(missing_ok=True)

    def _restore(self, tensors, history):
        """Restores the state from {name: tensor} and the history."""
        self.model.load_state_dict(_part(tensors, "model"))
        self.average.load_state_dict(_part(tensors, "average"))
        self._restore_optimizer(_part(tensors, "optimizer"))
        moments = self.optimizer.state_dict()["state"].values()
        if history and not (moments and all({"step", "exp_avg", "exp_avg_sq"} <= set(part) for part in moments)):
            raise DataError("the optimiser's state is missing")
        for row in history:  # raises if either is missing
            float(self.task.metric(row)), int(row["epoch"])
        self.history = history

    def _restore_optimizer(self, tensors):
        state = self.optimizer.state_dict()
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        for name, tensor in tensors.items():
            parameter, value = name.split(".")
            if tensor.ndim:  # in the parameter's memory layout, as fused optimisers require
                tensor = torch.empty_like(parameters[int(parameter)]).copy_(tensor)
            state["state"].setdefault(int(parameter), {})[value] = tensor
        self.optimizer.load_state_dict(state)

    def _check_same(self, path, saved):
        """Raises DataError if the hyperparameters or images differ from those of the saved training."""
        now = json.loads(json.dumps(self.settings))
        if not isinstance(saved, dict):
            raise DataError(f"{path}: is damaged; choose another run_dir")
        if set(now) - set(saved):
            raise DataError(
                f"{path}: is from an earlier version, whose trainings cannot be resumed; choose another run_dir"
            )
        names = [name for name in now if saved[name] != now[name] and name not in RESULT_UNCHANGED_BY]
        if names:
            changed = ", ".join(f"{name} was {saved.get(name)}, now {now[name]}" for name in names)
            raise DataError(
                f"{path} was trained with other settings ({changed}); restore those or choose another run_dir"
            )

    def add(self, row):
        """Adds the row of a finished epoch to the history, and saves everything."""
        self.history.append(row)
        if self.run_dir is None:
            if self.best is row:
                self._best_weights = deepcopy(self.average.state_dict())
        elif distributed.rank() == 0:
            self._save()
            if self.task.tensorboard:
                _write_tensorboard(self.run_dir, row)

    def _save(self):
        """Writes best.safetensors if the last epoch is the best, history.csv, and last.safetensors."""
        if self.history and self.best is self.history[-1]:
            self.task.save(self.run_dir, self.average, config=self.settings, scores=self.best)
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        for parameter, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{parameter}.{name}": tensor for name, tensor in values.items()}
        if self.history:
            write_csv(self.run_dir / "history.csv", self.history)
        # Last, so that a training killed between two files repeats this epoch and writes all of them.
        save_tensors(self.run_dir / "last.safetensors", tensors, {"config": self.settings, "history": self.history})

    def use_best(self):
        """Gives the model the averaged weights of the best epoch. Raises MissingError if there are none."""
        weights = self._best_weights
        if self.run_dir is not None:
            weights = distributed.from_first(lambda: load_tensors(self.run_dir / "best.safetensors")[0])
        if weights:
            self.model.load_state_dict(weights)
            self.model.eval()


def _floating(model):
    """The parameters and floating-point buffers themselves, since cuDNN may move an LSTM's to other memory."""
    return [tensor for tensor in (*model.parameters(), *model.buffers()) if tensor.is_floating_point()]


def _part(tensors, prefix):
    return {name.partition(".")[2]: tensor for name, tensor in tensors.items() if name.startswith(prefix + ".")}


def _write_tensorboard(run_dir, row):
    from torch.utils.tensorboard import SummaryWriter  # an optional package

    with SummaryWriter(run_dir) as writer:
        for name, value in row.items():
            writer.add_scalar(name, value, row["epoch"])
