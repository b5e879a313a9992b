"""The command line of training: `python -m pose.training --help`, also under `torchrun -m`."""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from pose.annotations import read_annotations
from pose.runtime import distributed
from pose.runtime.errors import PoseError
from pose.skeleton import SKELETON_HELP, skeleton_named
from pose.split import read_and_split
from pose.training import TrainConfig, fit


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m pose.training",
        description="Train a stacked hourglass.",
        epilog=f"The other options are the fields of pose.TrainConfig.\n\n{TrainConfig.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--joints", type=Path, required=True, help="the joints file to train on")
    parser.add_argument("--images", type=Path, required=True, help="the folder that its image names are relative to")
    parser.add_argument(
        "--valid-joints",
        type=Path,
        help="validate on these; by default on a fifth of --joints (by person if there is a clips.csv)",
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder for checkpoints and history.csv")
    parser.add_argument("--skeleton", default="KINECT20", help=SKELETON_HELP)
    parser.add_argument("--predicted", action="store_true", help="also train on what only a model has labelled")
    parser.add_argument("--resume", action="store_true", help="resume the training in --out")
    hyperparameters = [field for field in fields(TrainConfig) if field.name != "augmentation"]
    for field in hyperparameters:
        name = "--" + field.name.replace("_", "-")
        if field.type in (bool, bool | None):
            parser.add_argument(name, action=argparse.BooleanOptionalAction, default=field.default)
        else:
            parser.add_argument(name, type=field.type, default=field.default, metavar=repr(field.default))
    args = parser.parse_args(argv)

    config = TrainConfig(**{field.name: getattr(args, field.name) for field in hyperparameters})
    skeleton = skeleton_named(args.skeleton)
    if args.valid_joints:
        parts = args.joints, args.valid_joints
        train, valid = (read_annotations(part, args.images, skeleton, args.predicted) for part in parts)
    else:
        train, valid = read_and_split(
            args.joints, args.images, seed=config.seed, skeleton=skeleton, predicted=args.predicted
        )
    train_data, valid_data = config.build_dataset(train, is_train=True), config.build_dataset(valid, is_train=False)
    history = fit(config.build_model(train.skeleton), train_data, valid_data, config, args.out, args.resume)
    if distributed.rank() == 0:
        best = max(row["valid_pck@0.2"] for row in history)
        print(
            f"validation PCK@0.2 {best:.3f}; weights {args.out / 'best.safetensors'}, curves {args.out / 'history.csv'}"
        )


if __name__ == "__main__":
    try:
        main()
    except PoseError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt as error:
        sys.exit(f"interrupted: {error}")
