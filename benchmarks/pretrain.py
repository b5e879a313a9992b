"""Makes the weights of `pose.pretrained()` from the raw sets.

    python data/lsp/prepare.py --raw RAW --out data/lsp
    python benchmarks/photographs.py --data data/lsp --out data/lsp/joints_20.txt
    python data/utd_mhad/prepare.py --raw RAW --out data/utd_mhad
    python data/sample/generator/generate.py --out data/drawn --subjects 40 --frames 4 --seed 1000
    python data/sample/generator/varied.py --out data/varied --count 1500 --seed 1000
    python benchmarks/pretrain.py --lsp data/lsp --utd data/utd_mhad --drawn data/drawn --varied data/varied --out runs

Nothing is trained on the 500 photographs of lsp_test.txt, on subjects 2, 4, 6 of UTD-MHAD, or on the sample's people.
Each training starts from the weights of the one before. The same command continues after an interruption.

For time_to_accuracy.py: photographs_4 has not seen UTD-MHAD, and without --lsp the weights have not seen a photograph.
"""

import argparse
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from photographs import add_trunk, split
from torch.utils.data import ConcatDataset

import pose
from pose.checkpoints import as_json, save_tensors

CHANGES = pose.Augmentation(scale=0.3, rot=45, rot_share=0.7, shift=0.06, light=0.4)
MILDER = replace(CHANGES, scale=0.25, rot=30, rot_share=0.6)
BASE = pose.TrainConfig(inp_res=128, augmentation=CHANGES)
# On photographs with 16 joints: the folder, the configuration, and how many of its epochs were trained.
PHOTOGRAPHS = (
    ("photographs_1", replace(BASE, epochs=10), 2),
    ("photographs_2", replace(BASE, epochs=4, learning_rate=8e-4, warmup=0.03), 4),
    ("photographs_3", replace(BASE, epochs=8, warmup=0.03, seed=1), 8),
    ("photographs_4", replace(BASE, epochs=12, warmup=0.03, seed=3, augmentation=MILDER), 12),
    ("photographs_5", replace(BASE, epochs=14, warmup=0.03, seed=5, augmentation=MILDER), 14),
)
WITHOUT_PHOTOGRAPHS = replace(BASE, epochs=4, augmentation=MILDER)
# On all photographs and every second image of the other sets, with 20 joints.
EVERYTHING = replace(BASE, epochs=2, learning_rate=4e-4, warmup=0.03, seed=2, augmentation=MILDER)


class Stopped(Exception):
    """Raised after the last epoch that is wanted of a training."""


def read_photographs(folder, joints_txt):
    """The photographs to train on, and those that choose the epoch; with the trunk's joints."""
    annotations = pose.read_annotations(folder / joints_txt, folder / "images")
    add_trunk(annotations)
    train, choose, _ = split(annotations)
    return annotations.select(train), annotations.select(choose)


def read_utd_mhad(folder):
    """Every 14th frame of subjects 1, 3 and 5; the last 75, all of them squats, choose the epoch.

    A Kinect mirrors its images. With left and right exchanged, the labels are those of a person in a photograph.
    """
    annotations = pose.read_annotations(folder / "joints.txt", folder / "images")
    annotations.landmarks[:] = annotations.landmarks[:, annotations.skeleton.mirrored]
    subject = np.array([int(Path(path).name.split("_")[1][1:]) for path in annotations.paths])
    rows = np.flatnonzero(subject % 2 == 1)[::14]
    return annotations.select(rows[:-75]), annotations.select(rows[-75:])


def read_drawn(folder):
    """Drawn people, of whom the last two, with 40 images each, choose the epoch."""
    annotations = pose.read_annotations(folder / "joints.txt", folder / "images")
    rows = np.arange(len(annotations))
    return annotations.select(rows[:-80]), annotations.select(rows[-80:])


def read_varied(folder):
    """More drawn people, all to train on."""
    annotations = pose.read_annotations(folder / "joints.txt", folder / "images")
    return annotations, None


def fit(config, parts, run, epochs):
    """Trains so many epochs on the (train, choose) annotations of `parts`; returns the path of the best weights."""

    def stop(history):
        if len(history) == epochs < config.epochs:
            raise Stopped

    train, choose = (
        ConcatDataset([config.build_dataset(part[i], is_train=i == 0) for part in parts if part[i]]) for i in (0, 1)
    )
    if finished_epochs(run) < epochs:
        with suppress(Stopped):
            pose.fit(config.build_model(), train, choose, config, run, resume=True, on_epoch=stop)
    return str(run / "best.safetensors")


def finished_epochs(run):
    history = run / "history.csv"
    return len(history.read_text().splitlines()) - 1 if history.exists() else 0


def write_halved(path, weights):
    """Writes the weights in half precision, except for the few that belong to channels, not to connections."""
    model = pose.load_model(weights)
    tensors = {name: t.half() if t.ndim > 1 else t for name, t in model.state_dict().items()}
    save_tensors(path, tensors, {"kind": "hourglass", "settings": as_json(model.settings)})


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lsp", type=Path, help="folder with images/, joints.txt and joints_20.txt")
    parser.add_argument("--utd", type=Path, required=True, help="folder with images/ and joints.txt of UTD-MHAD")
    parser.add_argument("--drawn", type=Path, required=True, help="folder with images/ and joints.txt of drawn people")
    parser.add_argument("--varied", type=Path, required=True, help="the same of varied.py")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs and the weights")
    args = parser.parse_args(argv)
    others = [read_utd_mhad(args.utd), read_drawn(args.drawn), read_varied(args.varied)]
    if not args.lsp:
        return print(fit(WITHOUT_PHOTOGRAPHS, others, args.out / "without_photographs", WITHOUT_PHOTOGRAPHS.epochs))
    best, photographs = "", read_photographs(args.lsp, "joints.txt")
    for name, config, epochs in PHOTOGRAPHS:
        best = fit(replace(config, start=best), [photographs], args.out / name, epochs)
    others = [(train.select(range(0, len(train), 2)), choose) for train, choose in others]
    everything = [read_photographs(args.lsp, "joints_20.txt"), *others]
    best = fit(replace(EVERYTHING, start=best), everything, args.out / "everything", EVERYTHING.epochs)
    write_halved(args.out / "hourglass.safetensors", best)
    print(args.out / "hourglass.safetensors")


if __name__ == "__main__":
    main()
