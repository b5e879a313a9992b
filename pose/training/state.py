"""What a training leaves in its folder, and going on from it."""

import csv
import io
import json
from dataclasses import asdict

from pose import distributed
from pose.checkpoints import load_tensors, save_model, save_tensors, write_whole


def best_epoch(history):
    """The row of the best validation AUC."""
    return max(history, key=lambda row: row["valid_auc"])


def restore(run_dir, resume, config, model, average, optimizer):
    """The history so far: empty for a new run, else that of last.safetensors, whose state is loaded."""
    last = run_dir / "last.safetensors"
    if not distributed.from_first(last.exists):
        return []
    if not resume:
        raise FileExistsError(
            f"{run_dir} holds a training already; pass resume=True to go on with it, or choose another run_dir"
        )
    tensors, about = distributed.from_first(lambda: load_tensors(last))
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
    return {
        name.partition(".")[2]: tensor for name, tensor in tensors.items() if name.startswith(prefix + ".")
    }


def _same_hyperparameters(path, saved, now):
    free = {"workers", "tensorboard"}  # what may change without changing the result
    changed = [
        f"{name} {saved.get(name)} → {now[name]}"
        for name in now
        if saved.get(name) != now[name] and name not in free
    ]
    if changed:
        raise ValueError(
            f"{path} was trained with other hyperparameters ({', '.join(changed)}); restore them or choose another run_dir"
        )


def save(run_dir, history, config, model, average, optimizer, skeleton):
    """Writes best.safetensors if this epoch is the best, last.safetensors, and history.csv."""
    about = {"config": asdict(config), "history": history}
    if best_epoch(history) is history[-1]:
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
