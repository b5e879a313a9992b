"""Accuracy of the recogniser on actions of unseen people, from the landmarks of public data sets.

    python benchmarks/activity_accuracy.py utkinect --data UTKINECT_DIR --out RESULTS_DIR
    python benchmarks/activity_accuracy.py utd_mhad --data UTD_DIR --out RESULTS_DIR

The folders are written by data/utkinect/prepare.py (with the correction file) and data/utd_mhad/prepare.py (subjects
1–6). Input is always 2-D landmarks in pixels. Every training has a fixed number of epochs and excludes the test people.
How the hyperparameters were chosen: benchmarks/activity_choices.py and the README. RESULTS_DIR gets the table, a CSV
file with every prediction, and the confusion matrix of each protocol.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import matplotlib

import har
import pose
from pose.runtime.device import machine

matplotlib.use("Agg")
CONFIG = har.HarConfig()  # chosen on the split of benchmarks/activity_choices.py
# People throw with either hand, and no action of UT-Kinect is named after a side; many of UTD-MHAD's are. Bones helped
# when each of the first five people, and of the last five, was tested on a model trained on the other four.
UTKINECT = replace(CONFIG, bones=True, augmentation=replace(CONFIG.augmentation, mirror=0.5))
SEEDS = (0, 1, 2)


def read_set(folder):
    """Annotations, clips and 3D joints of a prepared set, without reading its images."""
    annotations = pose.read_annotations(folder / "joints.txt")
    clips = har.read_clips(folder / "clips.csv", annotations)
    return annotations, clips, har.read_joints_3d(folder / "joints.txt", annotations)


def protocols(name, clips):
    """{title: a function from the seed to the folds}."""
    if name == "utd_mhad":
        return {"subjects 1, 3, 5 train, 2, 4, 6 test": lambda seed: har.fixed_subjects(clips, ["s2", "s4", "s6"])}
    return {
        "leave one subject out": lambda seed: har.leave_one_subject_out(clips),
        "halves of the subjects": lambda seed: har.halves_of_subjects(clips, seed),
        "subjects 1–9 train, 10 tests": lambda seed: har.fixed_subjects(clips, "s10"),
        "leave one sequence out": lambda seed: har.leave_one_sequence_out(clips),
    }


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=("utkinect", "utd_mhad"))
    parser.add_argument("--data", type=Path, required=True, help="folder with joints.txt, clips.csv, joints_3d.txt")
    parser.add_argument("--out", type=Path, required=True, help="folder for table, predictions and figures")
    parser.add_argument("--only", default="", help="only the protocols whose titles start with this")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="(%(default)s)")
    args = parser.parse_args(argv)

    config = UTKINECT if args.set == "utkinect" else CONFIG
    annotations, clips, joints_3d = read_set(args.data)
    args.out.mkdir(parents=True, exist_ok=True)
    parameters = sum(p.numel() for p in config.build_head(len(har.actions_of(clips))).parameters())
    lines = [f"{args.set}: {len(clips)} clips, {parameters / 1e6:.2f} M parameters, seeds {args.seeds}, {machine()}"]
    print(lines[0])
    chosen = {t: folds for t, folds in protocols(args.set, clips).items() if t.startswith(args.only)}
    for title, folds in chosen.items():
        started = time.perf_counter()
        result = har.run_protocol(folds, annotations, config, args.seeds, joints_3d)
        minutes = (time.perf_counter() - started) / 60
        lines.append(f"{title:40} {result}  each seed {result.accuracies.round(3)}, {minutes:.1f} minutes")
        print(lines[-1], flush=True)
        file = args.out / f"{args.set} {title}"
        result.write_csv(file.with_suffix(".csv"))
        har.plot_confusion(result.pooled).savefig(file.with_suffix(".png"), dpi=80)
        file.with_suffix(".txt").write_text(f"{result.pooled}\n")
    (args.out / f"{args.set} {args.only}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
