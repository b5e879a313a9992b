"""Trains the network of the README's picture on photographs: all of LSP Extended except 650 held out.

    python data/lsp/prepare.py --raw RAW --out data/lsp
    python benchmarks/train_on_photographs.py --data data/lsp --run runs/photographs

Two labels that LSP lacks lie between the middle of the hips and that of the shoulders, as far up as the Kinect's do in
the median frame of UTD-MHAD (subjects 1, 3, 5). A training that was stopped continues if the same command is given.
"""

import argparse
from contextlib import suppress
from pathlib import Path

import numpy as np

import pose
from pose.runtime.errors import Interrupted

SEED = 0
HEIGHTS = {"hip_center": 0.20, "spine": 0.375}  # 0: the hips' middle, 1: the shoulders'
CHANGES = pose.Augmentation(scale=0.3, rot=45, rot_share=0.7, shift=0.06, light=0.4)
FIRST = pose.TrainConfig(inp_res=128, epochs=10, seed=SEED, augmentation=CHANGES)  # stopped after STOP epochs
STOP = 2
SECOND = pose.TrainConfig(inp_res=128, epochs=4, seed=SEED, augmentation=CHANGES, learning_rate=8e-4, warmup=0.03)


def add_trunk(annotations):
    """Labels hip_center and spine, in place, wherever both hips and both shoulders are labelled."""
    joints = annotations.skeleton.index
    left_hip, right_hip, left_shoulder, right_shoulder = (
        annotations.landmarks[:, joints(f"{side}_{joint}")]
        for joint in ("hip", "shoulder")
        for side in ("left", "right")
    )
    hips = (left_hip + right_hip) / 2
    up = (left_shoulder + right_shoulder) / 2 - hips
    for name, height in HEIGHTS.items():
        annotations.landmarks[:, joints(name)] = hips + height * up


def fit(model, data, config, run, stop=None):
    def stop_early(history):
        if len(history) == stop:
            raise KeyboardInterrupt

    train, valid = data
    with suppress(Interrupted):  # the model then has the best weights so far
        train_data, valid_data = config.build_dataset(train, is_train=True), config.build_dataset(valid, is_train=False)
        pose.fit(model, train_data, valid_data, config, run, resume=True, on_epoch=stop_early)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and joints.txt")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints")
    args = parser.parse_args(argv)
    annotations = pose.read_annotations(args.data / "joints.txt", args.data / "images")
    add_trunk(annotations)
    held_out = np.random.default_rng(SEED).permutation(5000)[:650]  # 500 for testing, then 150 that choose the epoch
    rows = np.setdiff1d(np.arange(len(annotations)), held_out)
    data = annotations.select(rows), annotations.select(held_out[500:])
    model = FIRST.build_model()
    fit(model, data, FIRST, args.run / "first", STOP)
    fit(model, data, SECOND, args.run / "second")
    print(f"{len(rows)} images to train; weights: {args.run / 'second' / 'best.safetensors'}")


if __name__ == "__main__":
    main()
