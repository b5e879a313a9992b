"""How accurate a hourglass gets in how many minutes, from nothing and from ready weights. Prints a line per training.

    python benchmarks/time_to_accuracy.py sample --out runs/time
    python benchmarks/time_to_accuracy.py utd_mhad --data data/utd_mhad --start WITHOUT_UTD --out runs/time
    python benchmarks/time_to_accuracy.py lsp --data data/lsp --start WITHOUT_LSP --out runs/time
    python benchmarks/time_to_accuracy.py --picture benchmarks/pictures/time_to_accuracy.png --out runs/time

Each point is a training of its own, whose learning rate falls to zero at its end, at 128 px. A minute is so many images
(IMAGES_PER_MINUTE), not a clock's minute, so that the same seed gives the same result on any machine, however busy. The
epoch is chosen on the training images; the people tested are never trained on. Trainings that have a line in OUT/SET.csv
are not repeated.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import photographs
from pose_accuracy import split_utd_mhad
from torch.utils.data import ConcatDataset

import pose

IMAGES_PER_MINUTE = 1900  # at 128 px on two cores of an AMD EPYC with nothing else running: see busy_machine.py
ALL = 0
# (labels, minutes, seeds): from nothing, from the weights
TRAININGS = {
    "": [(count, 3, 1) for count in (20, 100, 200)] + [(50, 3, 3), (50, 30, 3), (ALL, 3, 3), (ALL, 30, 1)],
    "start": [(count, 3, 1) for count in (20, 100, 200)] + [(50, 1, 1), (50, 3, 3), (ALL, 3, 3), (ALL, 30, 1)],
}
CONFIG = pose.TrainConfig(inp_res=128)
EPOCH = 800  # images: with fewer labels, each is seen several times in an epoch, augmented anew
TESTED = 600  # images, at most
FIELDS = ("set", "start", "labels", "minutes", "seed", "pck@0.2", "pck@0.1", "images_per_s")


def read_sample(_):
    """The drawn people: those of the sample's split."""
    split = pose.split_dataset(pose.SAMPLE / "joints.txt", pose.SAMPLE / "images", None)
    return split.train, split.valid


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
    copies = max(1, round(EPOCH / len(train_set)))
    images = ConcatDataset([replace(config, seed=seed).build_dataset(train_set, True) for seed in range(copies)])
    choose = train_set.select(range(min(50, len(train_set))))
    config = replace(config, epochs=max(1, round(minutes * IMAGES_PER_MINUTE / len(images))))
    model = config.build_model(train_set.skeleton)
    history = pose.fit(model, images, config.build_dataset(choose, False), config, run, resume=True)
    return model, np.mean([row["images_per_s"] for row in history])


def measure(name, people, start, out):
    """Runs the trainings of a set that are not yet in the table."""
    table, done = out / f"{name}.csv", set()
    if table.exists():
        done = {tuple(row[field] for field in FIELDS[1:5]) for row in csv.DictReader(table.open())}
    train_set, test = people
    for kind, trainings in TRAININGS.items():
        for count, minutes, seeds in trainings:
            for seed in range(seeds):
                labels = count or len(train_set)
                if (kind, str(labels), str(minutes), str(seed)) in done:
                    continue
                rows = np.random.default_rng(seed).permutation(len(train_set))[:labels]
                config = replace(CONFIG, start=start if kind else "", seed=seed)
                run = out / name / f"{kind or 'nothing'}_{labels}_{minutes}_{seed}"
                model, rate = train(train_set.select(rows), config, minutes, run)
                scores = pose.evaluate(model, config.build_dataset(test, False)).summary()
                values = (name, kind, labels, minutes, seed, *(round(scores[key], 4) for key in FIELDS[5:7]))
                write_line(table, (*values, round(rate, 1)))


def write_line(table, values):
    print(*values, flush=True)
    new = not table.exists()
    with table.open("a", newline="") as file:
        csv.writer(file).writerows([FIELDS, values] if new else [values])


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--data", type=Path, help="folder with images/ and joints.txt of a public set")
    parser.add_argument("--start", default="pretrained", help="weights that have not seen this set")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables and the runs")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    measure(args.set, SETS[args.set](args.data), args.start, args.out)


if __name__ == "__main__":
    main()
