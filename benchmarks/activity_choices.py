"""The effect of each design choice in the recogniser, measured on the training people of UTD-MHAD only.

    python benchmarks/activity_choices.py --data UTD_DIR --out TABLE.txt

Each of the subjects 1, 3 and 5 is tested on a recogniser trained on the other two (an inner split: subjects 2, 4 and 6,
who give the accuracy in the README, are not used). Each row changes one default. The defaults were chosen on this very
split. With three seeds or more, the last column is the accuracy of ensembles of three.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

from activity_accuracy import CONFIG, MEMBERS, read_set

import har
from pose.runtime.device import machine

NO_AUGMENTATION = har.MotionAugmentation(0, 0, 0, 0, 0, 0, 0, 0, 0)


def augmented(**changes):
    return replace(CONFIG, augmentation=replace(CONFIG.augmentation, **changes))


CHOICES = {
    "the defaults": CONFIG,
    "no mixing of clips": replace(CONFIG, mix=0.0),
    "every batch mixed": replace(CONFIG, mix=1.0),
    "plain: last state, one direction, no velocities, no augmentation": replace(
        CONFIG, pooling="last", bidirectional=False, velocities=False, augmentation=NO_AUGMENTATION
    ),
    "no augmentation": replace(CONFIG, augmentation=NO_AUGMENTATION),
    "no turning, no tilting": augmented(turn=0, tilt=0),
    "no other build": augmented(build=0),
    "bones, too": replace(CONFIG, bones=True),
    "no velocities": replace(CONFIG, velocities=False),
    "pooling: last state": replace(CONFIG, pooling="last"),
    "one direction": replace(CONFIG, bidirectional=False),
    "learning rate 1e-3": replace(CONFIG, learning_rate=1e-3),
    "no averaging of weights": replace(CONFIG, ema_decay=0.0),
    "dropout 0.3": replace(CONFIG, dropout=0.3),
    "no noise, no joint drop-out": augmented(noise=0, drop=0),
    "no crop, no speed": augmented(crop=0, speed=0),
    "pooling: maximum": replace(CONFIG, pooling="max"),
    "LSTM 64 wide": replace(CONFIG, hidden=64),
}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that data/utd_mhad/prepare.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="file for the table")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="323 predictions per row for each (0)")
    parser.add_argument("--only", nargs="+", choices=CHOICES, default=list(CHOICES), metavar="ROW", help="(all)")
    args = parser.parse_args(argv)

    annotations, clips, joints_3d = read_set(args.data)
    folds = har.leave_one_subject_out([clip for clip in clips if clip.subject in ("s1", "s3", "s5")])
    lines = [
        f"seeds {args.seeds}, three folds each, {machine()}",
        "",
        "| choice | accuracy | difference, points | ensembles |",
        "|---|---|---|---|",
    ]
    started, default = time.perf_counter(), None
    for name in args.only:
        result = har.run_protocol(folds, annotations, CHOICES[name], args.seeds, joints_3d)
        mean = result.accuracies.mean()
        default = mean if default is None else default
        spread = f" ± {result.accuracies.std(ddof=1):.3f}" if len(args.seeds) > 1 else ""
        together = f"{result.ensembles(MEMBERS).accuracies.mean():.3f}" if len(args.seeds) >= MEMBERS else ""
        lines.append(f"| {name} | {mean:.3f}{spread} | {100 * (mean - default):+.1f} | {together} |")
        print(lines[-1], f"{time.perf_counter() - started:.0f} s", flush=True)
        args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
