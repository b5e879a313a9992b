"""Everything that changes while training: kept in the run's folder, and taken up again from there."""

import csv
import io
import json
from copy import deepcopy
from dataclasses import asdict
from functools import partial

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pose.checkpoints import load_tensors, save_tensors
from pose.runtime import distributed
from pose.runtime.errors import DataError, ExistsError, LossError, MissingError
from pose.runtime.files import unfinished, write_whole

# Hyperparameters that may differ when a training goes on.
RESULT_UNCHANGED_BY = {"workers", "cache", "recompute", "tensorboard", "on_bad_image"}


class TrainingState:
    """The model, its averaged weights, the optimiser and the history of one training.

    model: the network that learns, on its device.
    config: its dataclass of hyperparameters.
    groups: parameter groups for the optimiser; data: a number that tells these training data from others.
    goodness: of a row of the history; the epoch where it is highest is the best.
    save_best: called with a path, the averaged model, and keywords `config` and `scores` to say of it.
    average: a copy of the model with the exponential moving average of its weights and batch-norm statistics.
    history: a dictionary an epoch.
    """

    def __init__(self, model, config, groups, data, goodness, save_best):
        self.model = model
        self.config = config
        self.goodness = goodness
        self.save_best = save_best
        self.facts = asdict(config) | {"data": data}
        self.average = deepcopy(model).eval()
        self.optimizer = torch.optim.AdamW(groups, config.learning_rate, weight_decay=config.weight_decay, fused=True)
        self.history = []
        self._averaged, self._current = _floating(self.average), _floating(model)

    def update_average(self, step):
        """Moves the averaged weights towards the model's; faster in the first steps, when they still are noise."""
        decay = min(self.config.ema_decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(self._averaged, self._current, None)

    @property
    def best(self):
        """The history's best row."""
        return max(self.history, key=self.goodness)

    @property
    def finished(self):
        """Whether all epochs are done, or early stopping has ended the training."""
        if len(self.history) >= self.config.epochs:
            return True
        patience = self.config.patience
        return bool(patience and self.history) and self.history[-1]["epoch"] - self.best["epoch"] >= patience

    def loss_error(self, losses, samples):
        """The LossError that says in which step of this epoch the loss (steps,) was no longer finite.

        samples: {step: the names of what was learnt from} of the last steps at least.
        """
        epoch = len(self.history) + 1
        where, shown = f"epoch {epoch}", ""
        wrong = (~losses.isfinite()).nonzero().flatten().tolist()  # none where another process has it
        if wrong:
            where += f", step {wrong[0] + 1}"
            names = samples.get(wrong[0])
            shown = f" In that step: {', '.join(names)}." if names else ""
        kept = f"last.safetensors keeps epoch {epoch - 1}" if epoch > 1 else "no epoch was finished"
        return LossError(
            f"the loss is no longer finite in {where}; {kept}. Lower learning_rate (now {self.config.learning_rate}), "
            f"build the model anew and choose another run_dir.{shown}"
        )

    def start(self, run_dir, resume):
        """Takes up the training in `run_dir` if there is one, else claims the folder; see `fit` for what is raised."""
        last = run_dir / "last.safetensors"
        if not distributed.from_first(last.exists):
            self._refuse_results(run_dir)
            self._clean(run_dir)
            if resume and distributed.rank() == 0:
                print(f"nothing to resume in {run_dir}: a new training begins")
            if distributed.rank() == 0:
                self.save(run_dir)  # the untrained state: even an interrupted first epoch can be resumed
            return
        if not resume:
            raise ExistsError(
                f"{run_dir} holds a training already; resume=True (--resume) goes on with it, or choose another run_dir"
            )
        tensors, about = distributed.from_first(lambda: load_tensors(last))
        if "history" not in about:
            raise DataError(f"{last}: is no training that could go on; choose another run_dir")
        best = run_dir / "best.safetensors"
        if about["history"] and not distributed.from_first(best.exists):
            raise MissingError(f"{best} is gone; the training cannot go on without it")
        if about["history"]:
            distributed.from_first(partial(self._check_best, best))  # where it is damaged, say so before training on
        self._check_same(last, about.get("config"))
        try:
            self._take_up(tensors, about["history"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"{last}: is damaged ({reason}); choose another run_dir") from None
        self._clean(run_dir)
        if self.history and distributed.rank() == 0:
            write_whole(run_dir / "history.csv", _as_csv(self.history))  # somebody may have changed it

    def _check_best(self, path):
        """Raises DataError where the file holds other weights than this model's."""
        tensors, wanted = load_tensors(path)[0], self.average.state_dict()
        if {name: tensor.shape for name, tensor in tensors.items()} != {name: wanted[name].shape for name in wanted}:
            raise DataError(f"{path}: holds other weights than this training's; put the file back, or begin anew")

    def _clean(self, run_dir):
        """Deletes what a kill may have left."""
        if distributed.rank() == 0 and run_dir.is_dir():
            for name in ("best.safetensors", "last.safetensors", "history.csv"):
                unfinished(run_dir / name).unlink(missing_ok=True)

    def _refuse_results(self, run_dir):
        for name in ("best.safetensors", "history.csv"):
            if distributed.from_first((run_dir / name).exists):
                raise ExistsError(
                    f"{run_dir / name} is there, but no last.safetensors to go on; choose another run_dir"
                )

    def _take_up(self, tensors, history):
        """The state that {name: tensor} and the history describe."""
        self.model.load_state_dict(_part(tensors, "model"))
        self.average.load_state_dict(_part(tensors, "average"))
        self._restore_optimizer(_part(tensors, "optimizer"))
        learnt = self.optimizer.state_dict()["state"].values()
        if history and not (learnt and all({"step", "exp_avg", "exp_avg_sq"} <= set(part) for part in learnt)):
            raise DataError("the optimiser's state is missing")
        for row in history:  # one that lacks either raises
            float(self.goodness(row)), int(row["epoch"])
        self.history = history

    def _restore_optimizer(self, tensors):
        state = self.optimizer.state_dict()
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        for name, tensor in tensors.items():
            parameter, value = name.split(".")
            if tensor.ndim:  # in the parameter's memory layout, as fused optimisers want it
                tensor = torch.empty_like(parameters[int(parameter)]).copy_(tensor)
            state["state"].setdefault(int(parameter), {})[value] = tensor
        self.optimizer.load_state_dict(state)

    def _check_same(self, path, saved):
        """Refuses to go on with other hyperparameters or other images than those of the saved training."""
        now = json.loads(json.dumps(self.facts))
        if not isinstance(saved, dict):
            raise DataError(f"{path}: is damaged; choose another run_dir")
        names = [name for name in now if saved.get(name) != now[name] and name not in RESULT_UNCHANGED_BY]
        if names:
            changed = ", ".join(f"{name} was {saved.get(name)}, now {now[name]}" for name in names)
            raise DataError(f"{path} was trained otherwise ({changed}); restore that or choose another run_dir")

    def save(self, run_dir):
        """Writes best.safetensors if the last epoch is the best, history.csv, and last.safetensors."""
        if self.history and self.best is self.history[-1]:
            self.save_best(run_dir / "best.safetensors", self.average, config=self.facts, scores=self.best)
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        for parameter, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{parameter}.{name}": tensor for name, tensor in values.items()}
        if self.history:
            write_whole(run_dir / "history.csv", _as_csv(self.history))
        # Last, so that a training that was killed between two files does this epoch again, and writes all of them.
        save_tensors(run_dir / "last.safetensors", tensors, {"config": self.facts, "history": self.history})


def _floating(model):
    """The parameters and floating-point buffers themselves: cuDNN moves an LSTM's to other memory when it likes."""
    return [tensor for tensor in (*model.parameters(), *model.buffers()) if tensor.is_floating_point()]


def _part(tensors, prefix):
    return {name.partition(".")[2]: tensor for name, tensor in tensors.items() if name.startswith(prefix + ".")}


def _as_csv(history):
    text = io.StringIO()
    writer = csv.DictWriter(text, history[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
