"""Trains the network of the README's picture on photographs: all of LSP Extended except 650 held out.

    python data/lsp/prepare.py --raw RAW --out data/lsp
    python benchmarks/train_on_photographs.py --data data/lsp --run runs/photographs

Two labels that LSP lacks lie between the middle of the hips and that of the shoulders, as far up as the Kinect's do in
the median frame of UTD-MHAD (subjects 1, 3, 5). A training that was stopped continues if the same command is given.
"""

import argparse
from contextlib import suppress
from pathlib import Path

from photographs import add_trunk, split

import pose
from pose.runtime.errors import Interrupted

SEED = 0
CHANGES = pose.Augmentation(scale=0.3, rot=45, rot_share=0.7, shift=0.06, light=0.4)
FIRST = pose.TrainConfig(inp_res=128, epochs=10, seed=SEED, augmentation=CHANGES)  # stopped after STOP epochs
STOP = 2
SECOND = pose.TrainConfig(inp_res=128, epochs=4, seed=SEED, augmentation=CHANGES, learning_rate=8e-4, warmup=0.03)


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
    rows, choose, _ = split(annotations)
    data = annotations.select(rows), annotations.select(choose)
    model = FIRST.build_model()
    fit(model, data, FIRST, args.run / "first", STOP)
    fit(model, data, SECOND, args.run / "second")
    print(f"{len(rows)} images to train; weights: {args.run / 'second' / 'best.safetensors'}")


if __name__ == "__main__":
    main()
