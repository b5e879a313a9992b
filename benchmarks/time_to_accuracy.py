"""How accurate an hourglass gets in how many minutes, from scratch and from ready weights. Prints a line per training.

    python benchmarks/time_to_accuracy.py sample --out runs/time
    python benchmarks/time_to_accuracy.py utd_mhad --data data/utd_mhad --start WITHOUT_UTD --out runs/time
    python benchmarks/time_to_accuracy.py lsp --data data/lsp --start WITHOUT_LSP --out runs/time
    python benchmarks/time_to_accuracy.py picture --out runs/time

Each point is a training of its own, whose learning rate falls to zero at its end, at 128 px. A minute is so many images
(IMAGES_PER_MINUTE), not a clock's minute, so that a busy machine does not change the result. The epoch is chosen on the
training images; the people tested are never trained on. What has a line in OUT/SET.csv is not repeated, so the command
continues after an interruption.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import photographs
from pose_accuracy import split_utd_mhad
from torch.utils.data import ConcatDataset

import pose
from pose.split import read_and_split

IMAGES_PER_MINUTE = 1900  # at 128 px on two cores of an AMD EPYC with nothing else running: see busy_machine.py
SCRATCH, WEIGHTS = "scratch", "weights"
ALL = 0
COUNTS = (50, ALL, 20, 100, 200)  # labelled images
# (begun from, labels, minutes, seed), the most telling first
TRAININGS = [
    (WEIGHTS, 50, 1, 0),
    (SCRATCH, 50, 10, 0),
    *((start, count, 1, 0) for count in COUNTS for start in (WEIGHTS, SCRATCH) if (start, count) != (WEIGHTS, 50)),
    *((WEIGHTS, count, 3, 0) for count in COUNTS),
    *((WEIGHTS, count, 1, seed) for seed in (1, 2) for count in COUNTS[:2]),
    (SCRATCH, ALL, 10, 0),
    *((SCRATCH, count, 10, seed) for seed in (1, 2) for count in COUNTS[:2]),
]
CONFIG = pose.TrainConfig(inp_res=128, bf16=True)
EPOCH = 800  # images: with fewer labels, each is seen several times in an epoch, augmented anew
TESTED = 600  # frames of UTD-MHAD, about
FIELDS = ("set", "from", "labels", "minutes", "seed", "pck@0.2", "pck@0.1", "images_per_s")


def read_sample(_):
    """The drawn people: those of the sample's split."""
    return read_and_split(pose.SAMPLE / "joints.txt", pose.SAMPLE / "images")


def read_utd_mhad(folder):
    """Subjects 1, 3, 5 to train on; frames of subjects 2, 4, 6 to test on."""
    annotations = pose.read_annotations(folder / "joints.txt", folder / "images")
    train, _, test = split_utd_mhad(annotations)
    return annotations.select(train), annotations.select(test[:: len(test) // TESTED])


def read_lsp(folder):
    """The photographs that are neither in lsp_test.txt nor in lsp_choose.txt; those of lsp_test.txt to test on."""
    annotations = pose.read_annotations(folder / "joints.txt", folder / "images")
    train, _, test = photographs.split(annotations)
    return annotations.select(train), annotations.select(test)


SETS = {"sample": read_sample, "utd_mhad": read_utd_mhad, "lsp": read_lsp}


def train(train_set, config, minutes, run):
    """Trains for so many minutes' worth of images; returns the model and images/s."""
    budget = round(minutes * IMAGES_PER_MINUTE)
    train_set = train_set.select(range(min(len(train_set), budget)))
    copies = max(1, round(EPOCH / len(train_set)))
    images = ConcatDataset([replace(config, seed=seed).build_dataset(train_set, True) for seed in range(copies)])
    choose = train_set.select(range(min(50, len(train_set))))
    config = replace(config, epochs=max(1, round(budget / len(images))))
    model = config.build_model(train_set.skeleton)
    history = pose.fit(model, images, config.build_dataset(choose, False), config, run, resume=True)
    return model, np.mean([row["images_per_s"] for row in history])


def measure(name, people, start, out):
    """Runs the trainings of a set that are not yet in its table."""
    table = out / f"{name}.csv"
    train_set, test = people
    for begun, count, minutes, seed in TRAININGS:
        labels = count or len(train_set)
        key = (name, begun, labels, minutes, seed)
        if [str(value) for value in key] in [[row[field] for field in FIELDS[:5]] for row in read_table(table)]:
            continue
        rows = np.random.default_rng(seed).permutation(len(train_set))[:labels]
        config = replace(CONFIG, start=start if begun == WEIGHTS else "", seed=seed)
        run = out / name / "_".join(map(str, key[1:]))
        model, rate = train(train_set.select(rows), config, minutes, run)
        scores = pose.evaluate(model, config.build_dataset(test, False)).summary()
        values = (*key, round(scores["pck@0.2"], 4), round(scores["pck@0.1"], 4), round(rate, 1))
        print(*values, flush=True)
        new = not table.exists()
        with table.open("a", newline="") as file:
            csv.writer(file).writerows([FIELDS, values] if new else [values])


def read_table(path):
    """The lines of a table, as dictionaries; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def draw(out):
    """Draws the tables: PCK@0.2 against minutes, a panel per set and a colour per number of labels."""
    tables = {name: read_table(out / f"{name}.csv") for name in SETS if (out / f"{name}.csv").exists()}
    figure, axes = plt.subplots(1, len(tables), figsize=(4.2 * len(tables), 3.6), sharey=True, squeeze=False)
    for ax, (name, rows) in zip(axes[0], tables.items(), strict=True):
        counts = sorted({int(row["labels"]) for row in rows})
        for begun, style in ((WEIGHTS, "o-"), (SCRATCH, "s--")):
            for count, color in zip(counts, plt.cm.viridis(np.linspace(0, 0.85, len(counts))), strict=True):
                scores = {}
                for row in rows:
                    if (row["from"], int(row["labels"])) == (begun, count):
                        scores.setdefault(float(row["minutes"]), []).append(float(row["pck@0.2"]))
                means = [np.mean(scores[minutes]) for minutes in sorted(scores)]
                ax.plot(sorted(scores), means, style, color=color, label=f"{count} labels, from {begun}")
        ax.set(xscale="log", xlabel="minutes on two cores", title=name, xticks=(1, 3, 10), xticklabels=("1", "3", "10"))
        ax.minorticks_off()
        ax.grid(alpha=0.3)
        ax.legend(fontsize=6)
    axes[0, 0].set(ylabel="PCK@0.2 on other people", ylim=(0, 1))
    figure.savefig(out / "time_to_accuracy.png", dpi=120, bbox_inches="tight")
    print(out / "time_to_accuracy.png")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=(*SETS, "picture"))
    parser.add_argument("--data", type=Path, help="folder with images/ and joints.txt of a public set")
    parser.add_argument(
        "--start", help="weights that have not seen this set; those of the package have not seen the sample"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables and the runs")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.set == "picture":
        return draw(args.out)
    if args.set != "sample" and not (args.data and args.start):
        parser.error(f"{args.set} needs --data, and --start: the package's own weights have seen it")
    measure(args.set, SETS[args.set](args.data), args.start or "pretrained", args.out)


if __name__ == "__main__":
    main()
