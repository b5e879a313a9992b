"""Run folders pose_001, pose_002, …: creating them, describing a training in config.json, and comparing runs."""

import csv
import html
import json
import platform
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt

from pose.plotting import drawable
from pose.runtime import VERSION
from pose.runtime.device import machine
from pose.runtime.errors import DataError
from pose.runtime.files import not_written, printable, write_atomically

PACKAGES = ("torch", "torchvision", "numpy", "opencv-python")
SCORES = ("valid_pck@0.1", "valid_pck@0.2", "valid_auc", "valid_accuracy", "valid_loss")


def new_run(parent, kind="pose"):
    """Creates the next free folder `kind_NNN` in `parent`; returns its path. Raises FileError.

    A new training never touches an old one's folder.
    """
    runs = _runs(parent, kind)
    run = Path(parent) / f"{kind}_{_number(runs[-1]) + 1 if runs else 1:03d}"
    try:
        run.mkdir(parents=True)
    except OSError as error:
        raise not_written(run, error) from None
    return run


def latest_run(parent, kind="pose"):
    """The latest run in `parent` that has a best.safetensors, or None."""
    finished = [path for path in _runs(parent, kind) if (path / "best.safetensors").exists()]
    return finished[-1] if finished else None


def _runs(parent, kind):
    runs = Path(parent).glob(f"{kind}_*")
    return sorted((run for run in runs if run.name.removeprefix(f"{kind}_").isdecimal()), key=_number)


def _number(run):
    return int(run.name.rpartition("_")[2])


def write_description(run_dir, config, data):
    """Writes config.json: all that is needed to cite or repeat a training.

    config: its dataclass of hyperparameters; data: describes its data, JSON-able.
    """
    description = {
        "started": time.strftime("%Y-%m-%d %H:%M"),
        "seed": config.seed,
        "hyperparameters": asdict(config),
        "data": data,
        "versions": {"kinect-pose": VERSION, "python": platform.python_version()}
        | {package: _version(package) for package in PACKAGES},
        "machine": machine(),
    }
    write_atomically(run_dir / "config.json", json.dumps(description, indent=1, ensure_ascii=False) + "\n")


def _version(package):
    try:
        return version(package)
    except ImportError:  # installed under another name, such as opencv-python-headless
        return "unknown"


def read_description(run_dir):
    """What `write_description` left in the folder; an empty dictionary if it is missing or damaged."""
    try:
        description = dict(json.loads((Path(run_dir) / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}
    return description if isinstance(description.get("hyperparameters"), dict) else {}


def compare_runs(parent, kind="pose"):
    """The trainings in the folders of `parent` side by side: a `RunComparison`, with a table and `.plot()`.

    kind: "pose" or "activity". Raises DataError if there is no training with a finished epoch.
    """
    score = {"pose": "train_pck@0.2", "activity": "train_accuracy"}[kind]
    folders = sorted(path.parent for path in Path(parent).glob("*/history.csv"))
    runs = [(folder, _history(folder)) for folder in folders]
    runs = [(folder.name, read_description(folder), rows) for folder, rows in runs if rows and score in rows[0]]
    if not runs:
        raise DataError(f"{parent}: contains no {kind} training with a finished epoch; train one first")
    return RunComparison(runs)


def _history(run):
    """The rows of history.csv as dictionaries of numbers; an empty list if it is missing or damaged."""
    try:
        with open(run / "history.csv", newline="", encoding="utf-8-sig") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError, csv.Error):
        return []
    return rows if all("epoch" in row for row in rows) else []


class RunComparison:
    """A comparison of trainings.

    runs: (name, description, history) of each. rows: a dictionary for each, with the hyperparameters that differ and
    the scores of the best epoch.
    """

    def __init__(self, runs):
        self.runs = runs
        settings = [_flat(description.get("hyperparameters", {})) for _, description, _ in runs]
        names = dict.fromkeys(name for some in settings for name in some)
        changed = [name for name in names if name != "epochs" and len({str(some.get(name)) for some in settings}) > 1]
        self.rows = [
            {"run": name, "started": description.get("started", ""), "epochs": len(history)}
            | {key: some.get(key, "") for key in changed}
            | {key: f"{value:.3f}" for key, value in _best(history).items() if key in SCORES}
            for (name, description, history), some in zip(runs, settings, strict=True)
        ]

    def _table(self):
        """The column titles, and the rows as lists of text."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        return columns, [[printable(row.get(name, "")) for name in columns] for row in self.rows]

    def __str__(self):
        columns, rows = self._table()
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in (columns, *rows))

    def _repr_html_(self):
        columns, rows = self._table()
        lines = ["<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in line) + "</tr>"
                 for tag, line in (("th", columns), *(("td", row) for row in rows))]  # fmt: skip
        return f"<table>{''.join(lines)}</table>"

    def plot(self):
        """Validation loss and accuracy over the epochs, a curve for each run. Returns the figure."""
        figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
        accuracy = "valid_accuracy" if "valid_accuracy" in self.runs[0][2][0] else "valid_pck@0.2"
        for ax, key in zip(axes, ("valid_loss", accuracy), strict=True):
            for name, _, history in self.runs:
                points = [(row["epoch"], row[key]) for row in history if key in row]
                if points:
                    ax.plot(*zip(*points, strict=True), marker=".", label=drawable(name))
            ax.set(xlabel="epoch", title=key.replace("valid_", "validation ").replace("pck", "PCK"))
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.grid(alpha=0.3)
        axes[1].set_ylim(0, 1)
        figure.legend(*axes[1].get_legend_handles_labels(), fontsize=8, loc="outside right upper")
        return figure


def _flat(hyperparameters):
    """The hyperparameters, with those of the augmentation flattened: {"augmentation.rot": 30.0}."""
    inner = hyperparameters.get("augmentation") or {}
    rest = {name: value for name, value in hyperparameters.items() if name != "augmentation"}
    return rest | {f"augmentation.{name}": value for name, value in inner.items()}


def _best(history):
    """The row of the best epoch: the highest validation AUC or, for a recogniser, the lowest validation loss."""
    if "valid_auc" in history[0]:
        return max(history, key=lambda row: row["valid_auc"])
    return min(history, key=lambda row: row.get("valid_loss", -row["epoch"]))
