"""How many joints need no correction after a model has labelled first. Prints a line per model.

    python benchmarks/labelling.py utd_mhad --data data/utd_mhad --start WITHOUT_UTD --out runs/labelling
    python benchmarks/labelling.py lsp --data data/lsp --start WITHOUT_LSP --out runs/labelling

A joint needs no correction if it is nearer than 0.1 torsos to its label; people who are not trained on are tested.
First, on photographs, the models that need no labels: MediaPipe's on the whole image, and the weights to start from.
Then hourglasses trained for half a minute (see time_to_accuracy.py) on 20, 50, 100 and 200 labels: added at random, or
as `next_to_label` chooses them with the hourglass of the labels before. What has a line in OUT/SET.csv is not repeated.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from time_to_accuracy import CONFIG, SETS, read_table, train

import pose
from pose.labels import ReadyMade, fetch_models
from pose.labels.blazepose import NOBODY
from pose.labels.next_to_label import in_box, most_useful
from pose.labels.prelabel import SOMEBODY

COUNTS = (20, 50, 100, 200)  # labels
POOL = 2000  # images to choose from
MINUTES = 0.5
SEEDS = (0, 1, 2)
FIELDS = ("set", "chosen", "labels", "seed", "correct")


def random_rows(model, pool, rows, count, rng):
    """`count` more rows of the pool, at random."""
    return rng.permutation(np.setdiff1d(np.arange(len(pool)), rows))[:count]


def useful_rows(model, pool, rows, count, rng):
    """`count` more rows of the pool, as `next_to_label` chooses them."""
    others = np.setdiff1d(np.arange(len(pool)), rows)
    landmarks, confidence = pose.predict_dataset(model, CONFIG.build_dataset(pool.select(others), False))
    known = in_box(pool.landmarks[rows])
    return others[most_useful(1 - confidence.mean(axis=1), in_box(landmarks), known, count)]


CHOICES = {"at random": random_rows, "next_to_label": useful_rows}


def correct(model, test):
    """The share of joints nearer than 0.1 torsos."""
    return pose.evaluate(model, CONFIG.build_dataset(test, False)).summary()["pck@0.1"]


def mediapipe(test):
    """The same of MediaPipe's model, as `prelabel` uses it: its surest person in the whole image."""
    ready = ReadyMade(fetch_models(), SOMEBODY)
    found = [(ready.predict(path) or [NOBODY])[0].landmarks for path in test.paths]
    return pose.score(np.array(found, float), test.landmarks, test.skeleton).summary()["pck@0.1"]


def measure(name, people, start, out):
    train_set, test = people
    table = Table(out / f"{name}.csv", name)
    if name == "lsp":
        table.add("MediaPipe", 0, 0, lambda: mediapipe(test))
        table.add("weights", 0, 0, lambda: correct(replace(CONFIG, start=start).build_model(test.skeleton), test))
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        pool = train_set.select(rng.permutation(len(train_set))[:POOL])
        for choice, more in CHOICES.items():
            rng, rows, model = np.random.default_rng(seed), np.arange(0), None
            for count in COUNTS:
                more_rows = random_rows if model is None else more
                rows = np.concatenate([rows, more_rows(model, pool, rows, count - len(rows), rng)]).astype(int)
                config = replace(CONFIG, start=start, seed=seed)
                run = out / name / f"{choice}_{count}_{seed}".replace(" ", "_")
                model, _ = train(pool.select(rows), config, MINUTES, run)
                table.add(choice, count, seed, lambda model=model: correct(model, test))


class Table:
    """The lines measured so far, in a file."""

    def __init__(self, path, name):
        self.path, self.name = path, name

    def add(self, choice, count, seed, value):
        """Prints and writes a line, unless it is there; value: a function that measures it."""
        key = [self.name, choice, str(count), str(seed)]
        if key in [[row[field] for field in FIELDS[:4]] for row in read_table(self.path)]:
            return
        line, new = [*key, round(value(), 4)], not self.path.exists()
        print(*line, flush=True)
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerows([FIELDS, line] if new else [line])


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=("utd_mhad", "lsp"))
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and joints.txt of the set")
    parser.add_argument("--start", required=True, help="weights that have not seen this set")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables and the runs")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    measure(args.set, SETS[args.set](args.data), args.start, args.out)


if __name__ == "__main__":
    main()
