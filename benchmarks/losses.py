"""Compares cross-entropy with squared error: the accuracy of each with the same data, steps and seed.

python benchmarks/losses.py data/sample data/lsp --images 2000 --epochs 4
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from pose.evaluation import mean_pose, score
from pose.split import split_dataset
from pose.training import TrainConfig, fit


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path, help="folders with images/ and joints.txt")
    parser.add_argument("--images", type=int, default=2000, help="train on this many, evenly spaced (0: all)")
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args(argv)

    config = TrainConfig(inp_res=128, epochs=args.epochs)
    rows = []
    for folder in args.data:
        with tempfile.TemporaryDirectory() as scratch:
            train, valid, *_ = split_dataset(folder / "joints.txt", folder / "images", scratch)
            train, valid = evenly(train, args.images), evenly(valid, args.images // 4)
            baseline = score(mean_pose(train.landmarks, valid.landmarks), valid.landmarks).summary()
            rows.append((folder.name, len(train), "mean pose", baseline))
            for loss in ("mse", "cross_entropy"):
                scores = result(train, valid, replace(config, loss=loss), Path(scratch) / loss)
                rows.append((folder.name, len(train), loss, scores))
    print(f"\nseed {config.seed}, {config.inp_res} px, {config.epochs} epochs\n")
    print("| data | images | loss | PCK@0.1 | PCK@0.2 |\n|---|---|---|---|---|")
    for name, images, loss, scores in rows:
        shares = f"{scores['pck@0.1']:.3f} | {scores['pck@0.2']:.3f}"
        print(f"| {name} | {images} | {loss} | {shares} |")


def evenly(annotations, count):
    """At most `count` of the annotations, evenly spaced; all of them if count is 0."""
    if not 0 < count < len(annotations):
        return annotations
    return annotations.select(np.linspace(0, len(annotations) - 1, count).astype(int))


def result(train, valid, config, run):
    """The validation scores of the last averaged weights."""
    valid_data = config.build_dataset(valid, is_train=False)
    history = fit(config.build_model(), config.build_dataset(train, is_train=True), valid_data, config, run)
    return {name.removeprefix("valid_"): value for name, value in history[-1].items()}


if __name__ == "__main__":
    main()
