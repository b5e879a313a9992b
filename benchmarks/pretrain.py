"""Makes the weights of `pose.pretrained()` from the raw sets.

    python data/lsp/prepare.py --raw RAW --out data/lsp
    python benchmarks/photographs.py --data data/lsp --out data/lsp/joints_20.txt
    python data/utd_mhad/prepare.py --raw RAW --out data/utd_mhad
    python data/sample/generator/generate.py --out data/drawn --subjects 40 --frames 4 --seed 1000
    python benchmarks/pretrain.py --lsp data/lsp --utd data/utd_mhad --drawn data/drawn --out runs/pretrain

Nothing is trained on the 500 photographs of lsp_test.txt, on subjects 2, 4, 6 of UTD-MHAD, or on the sample's people.
Each step starts from the weights of the step before. The same command continues a training that was stopped. The two
other networks of `benchmarks/time_to_accuracy.py` are `photographs_3/best.safetensors`, which never saw UTD-MHAD, and
with `--without-photographs` that of a training on UTD-MHAD and drawn people only.
"""

import argparse
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from photographs import split
from torch.utils.data import ConcatDataset

import pose
from pose.checkpoints import as_json, save_tensors
from pose.runtime.errors import Interrupted

CHANGES = pose.Augmentation(scale=0.3, rot=45, rot_share=0.7, shift=0.06, light=0.4)


def config(epochs, learning_rate, seed=0, **settings):
    return pose.TrainConfig(
        inp_res=128, epochs=epochs, learning_rate=learning_rate, seed=seed, augmentation=CHANGES, body_rate=1.0,
        **settings,
    )  # fmt: skip


# The weights come from these trainings, one after the other; the first was stopped after 2 of its 10 epochs.
PHOTOGRAPHS = {
    "photographs_1": config(10, 1e-3),
    "photographs_2": config(4, 8e-4, warmup=0.03),
    "photographs_3": config(8, 1e-3, seed=1, warmup=0.03),
}
EVERYTHING = config(3, 8e-4, seed=2, warmup=0.03)
WITHOUT_PHOTOGRAPHS = config(6, 1e-3)
STOP = {"photographs_1": 2}


def read_photographs(folder):
    """The photographs to train on, and those that choose the epoch."""
    annotations = pose.read_annotations(folder / "joints_20.txt", folder / "images")
    train, choose, _ = split(annotations)
    return annotations.select(train), annotations.select(choose)


def read_utd_mhad(folder):
    """Every 14th frame of subjects 1, 3 and 5; the last clips of subject 5 choose.

    A Kinect mirrors its images. With left and right exchanged, the labels are those of a person in a photograph.
    """
    annotations = pose.read_annotations(folder / "joints.txt", folder / "images")
    annotations.landmarks[:] = annotations.landmarks[:, annotations.skeleton.mirrored]
    subject = np.array([int(Path(path).name.split("_")[1][1:]) for path in annotations.paths])
    rows = np.flatnonzero(subject % 2 == 1)[::14]
    return annotations.select(rows[:-75]), annotations.select(rows[-75:])


def read_drawn(folder):
    """Drawn people; those of the last two subjects choose."""
    annotations = pose.read_annotations(folder / "joints.txt", folder / "images")
    return annotations.select(range(len(annotations) - 80)), annotations.select(
        range(len(annotations) - 80, len(annotations))
    )


def fit(config, parts, run, stop=None):
    """Trains on the (train, choose) annotations of `parts`; returns the path of the best weights."""

    def stop_early(history):
        if len(history) == stop:
            raise KeyboardInterrupt

    train, choose = (ConcatDataset([config.build_dataset(part[i], is_train=i == 0) for part in parts]) for i in (0, 1))
    with suppress(Interrupted):
        pose.fit(config.build_model(), train, choose, config, run, resume=True, on_epoch=stop_early)
    return str(run / "best.safetensors")


def write_halved(path, weights):
    """Writes the weights in half precision, except for the few that belong to channels, not to connections."""
    model = pose.load_model(weights)
    tensors = {name: t.half() if t.ndim > 1 else t for name, t in model.state_dict().items()}
    save_tensors(path, tensors, {"kind": "hourglass", "settings": as_json(model.settings)})


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lsp", type=Path, required=True, help="folder with images/ and joints_20.txt")
    parser.add_argument("--utd", type=Path, required=True, help="folder with images/ and joints.txt of UTD-MHAD")
    parser.add_argument("--drawn", type=Path, required=True, help="folder with images/ and joints.txt of drawn people")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs and the weights")
    parser.add_argument("--without-photographs", action="store_true", help="train the network that has seen none")
    args = parser.parse_args(argv)
    utd, drawn = read_utd_mhad(args.utd), read_drawn(args.drawn)
    if args.without_photographs:
        print(fit(WITHOUT_PHOTOGRAPHS, [utd, drawn], args.out / "without_photographs"))
        return
    photographs, best = read_photographs(args.lsp), ""
    for name, step in PHOTOGRAPHS.items():
        best = fit(replace(step, start=best), [photographs], args.out / name, STOP.get(name))
    best = fit(replace(EVERYTHING, start=best), [photographs, utd, drawn], args.out / "everything")
    write_halved(args.out / "hourglass.safetensors", best)
    print(args.out / "hourglass.safetensors")


if __name__ == "__main__":
    main()
