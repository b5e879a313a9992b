"""Trains the hourglass on a prepared public data set and prints its accuracy on unseen people.

    python data/utd_mhad/prepare.py --raw RAW --out data/utd_mhad
    python benchmarks/pose_accuracy.py utd_mhad --data data/utd_mhad --run runs/utd_mhad [--start pretrained]

From scratch, most epochs use small crops, where a step costs a fraction; a second stage may continue with larger ones.
From weights, there are two epochs. Running the same command again resumes an interrupted training.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import photographs
from sklearn.model_selection import GroupShuffleSplit

from pose.annotations import read_annotations
from pose.augmentation import Augmentation
from pose.evaluation import ARMS, evaluate, mean_pose, score
from pose.runtime.device import machine
from pose.training import TrainConfig, fit

SEED = 0
STAGES = {
    "utd_mhad": [TrainConfig(inp_res=128, epochs=4, seed=SEED)],
    "lsp": [
        TrainConfig(inp_res=128, epochs=24, seed=SEED, augmentation=Augmentation(rot=40)),
        TrainConfig(
            inp_res=192,
            epochs=6,
            seed=SEED,
            learning_rate=7e-4,
            weight_decay=0.05,
            augmentation=Augmentation(scale=0.3, rot=45, rot_share=0.8, shift=0.08, light=0.4),
        ),
    ],
}
FROM_WEIGHTS = TrainConfig(inp_res=128, epochs=2, seed=SEED)


def split_utd_mhad(annotations):
    """Rows to train on (subjects 1, 3, 5), to choose the epoch (a twentieth of their clips), to test (2, 4, 6)."""
    names = [Path(path).name for path in annotations.paths]
    subjects = np.array([int(name.split("_")[1][1:]) for name in names])
    clips = np.array([name.rpartition("_")[0] for name in names])
    odd = np.flatnonzero(subjects % 2 == 1)
    train, choose = next(GroupShuffleSplit(1, test_size=0.05, random_state=SEED).split(odd, groups=clips[odd]))
    return odd[train], odd[choose][::5], np.flatnonzero(subjects % 2 == 0)


def split_lsp(annotations):
    """Rows to train on and to choose the epoch (4,500 of the first 5,000 images, of which 150 choose), and to test on
    (500)."""
    rows, choose, test = photographs.split(annotations)
    return rows[rows < 5000], choose, test


def train(annotations, rows, run, stages):
    """Trains in stages, each from the best weights of the previous one; returns the model and the seconds.

    The seconds are those of the training steps, from the history, so that interruptions do not count.
    """
    fit_rows, choose_rows = rows
    model, seconds = stages[0].build_model(), 0.0
    for number, config in enumerate(stages, start=1):
        train_data = config.build_dataset(annotations.select(fit_rows), is_train=True)
        choose_data = config.build_dataset(annotations.select(choose_rows), is_train=False)
        history = fit(model, train_data, choose_data, config, run / f"stage_{number}", resume=True)
        seconds += sum(len(train_data) / row["images_per_s"] for row in history)
    return model, seconds


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=STAGES)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and joints.txt")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints and the table")
    parser.add_argument("--start", default="", help="weights to begin from; by default from scratch")
    args = parser.parse_args(argv)

    annotations = read_annotations(args.data / "joints.txt", args.data / "images")
    split = {"utd_mhad": split_utd_mhad, "lsp": split_lsp}[args.set]
    *rows, test_rows = split(annotations)
    stages = [replace(FROM_WEIGHTS, start=args.start)] if args.start else STAGES[args.set]
    model, seconds = train(annotations, rows, args.run, stages)

    test, final = annotations.select(test_rows), stages[-1]
    trained = evaluate(model, final.build_dataset(test, is_train=False))
    baseline = score(mean_pose(annotations.landmarks[rows[0]], test.landmarks), test.landmarks)
    epochs = sum(config.epochs for config in stages)
    lines = [
        f"{args.set}: {len(rows[0])} images to train, {len(rows[1])} to choose the epoch, {len(test)} to test",
        f"from {args.start or 'scratch'}, seed {SEED}; {epochs} epochs in {seconds / 60:.0f} minutes on {machine()}",
        "",
        str(trained),
        "",
    ]
    for name, scores in (("hourglass", trained), ("mean pose", baseline)):
        arms = scores.mean(scores.pck[0.2], ARMS)
        shares = "  ".join(f"{key} {value:.3f}" for key, value in scores.summary().items())
        lines.append(f"{name}: {shares}  arms pck@0.2 {arms:.3f}")
    print("\n".join(lines))
    (args.run / "table.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
