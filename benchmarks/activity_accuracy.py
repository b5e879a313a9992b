"""Accuracy of the recogniser on actions of unseen people, from the landmarks of public data sets.

    python benchmarks/activity_accuracy.py utkinect --data UTKINECT_DIR --out RESULTS_DIR
    python benchmarks/activity_accuracy.py utd_mhad --data UTD_DIR --out RESULTS_DIR
    python benchmarks/activity_accuracy.py penn_action --data PENN_DIR --out RESULTS_DIR

The folders are written by data/utkinect/prepare.py (with the correction file), data/utd_mhad/prepare.py (subjects 1–6)
and data/penn_action/prepare.py (the training half). Input is always 2-D landmarks in pixels. Every training has a fixed
number of epochs and excludes the test people. How the hyperparameters were chosen: benchmarks/activity_choices.py and
the README. RESULTS_DIR gets the table, a CSV file with every prediction, and the confusion matrix of each protocol, and
the same for the ensembles of each three seeds, where the seeds share their folds.
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
# Its actions have no sides either. With five times the clips, 40 epochs are as many steps as usual.
PENN_ACTION = replace(CONFIG, epochs=40, augmentation=replace(CONFIG.augmentation, mirror=0.5))
CONFIGS = {"utkinect": UTKINECT, "utd_mhad": CONFIG, "penn_action": PENN_ACTION}
HALVES = "halves of the subjects"  # the one protocol whose folds depend on the seed
SEEDS = (0, 1, 2)
MEMBERS = 3  # of an ensemble


def read_set(folder, skeleton=pose.KINECT20):
    """Annotations, clips and 3D joints of a prepared set, without reading its images."""
    annotations = pose.read_annotations(folder / "joints.txt", skeleton=skeleton)
    clips = har.read_clips(folder / "clips.csv", annotations)
    return annotations, clips, har.read_joints_3d(folder / "joints.txt", annotations)


def protocols(name, clips):
    """{title: a function from the seed to the folds}."""
    if name == "utd_mhad":
        return {"subjects 1, 3, 5 train, 2, 4, 6 test": lambda seed: har.fixed_subjects(clips, ["s2", "s4", "s6"])}
    if name == "penn_action":
        return {"five parts of the films": lambda seed: har.parts_of_subjects(clips, 5)}
    return {
        "leave one subject out": lambda seed: har.leave_one_subject_out(clips),
        HALVES: lambda seed: har.halves_of_subjects(clips, seed),
        "subjects 1–9 train, 10 tests": lambda seed: har.fixed_subjects(clips, "s10"),
        "leave one sequence out": lambda seed: har.leave_one_sequence_out(clips),
    }


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=CONFIGS)
    parser.add_argument("--data", type=Path, required=True, help="folder with joints.txt, clips.csv, joints_3d.txt")
    parser.add_argument("--out", type=Path, required=True, help="folder for table, predictions and figures")
    parser.add_argument("--only", default="", help="only the protocols whose titles start with this")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="(%(default)s)")
    args = parser.parse_args(argv)

    config = CONFIGS[args.set]
    annotations, clips, joints_3d = read_set(args.data, pose.PENN13 if args.set == "penn_action" else pose.KINECT20)
    args.out.mkdir(parents=True, exist_ok=True)
    head = config.build_head(len(har.actions_of(clips)), annotations.skeleton)
    parameters = sum(p.numel() for p in head.parameters())
    lines = [f"{args.set}: {len(clips)} clips, {parameters / 1e6:.2f} M parameters, seeds {args.seeds}, {machine()}"]
    print(lines[0])
    chosen = {t: folds for t, folds in protocols(args.set, clips).items() if t.startswith(args.only)}
    for title, folds in chosen.items():
        started = time.perf_counter()
        result = har.run_protocol(folds, annotations, config, args.seeds, joints_3d)
        minutes = (time.perf_counter() - started) / 60
        results = {title: result}
        if title != HALVES and len(args.seeds) >= MEMBERS:
            results[f"{title}, ensembles"] = result.ensembles(MEMBERS)
        for name, scores in results.items():
            lines.append(f"{name:50} {scores}  each {scores.accuracies.round(3)}, {minutes:.1f} minutes")
            print(lines[-1], flush=True)
            write(scores, args.out / f"{args.set} {name}")
    (args.out / f"{args.set} {args.only}.txt").write_text("\n".join(lines) + "\n")


def write(scores, file):
    """Every prediction, the confusion matrix and the table per class of `ProtocolScores`."""
    scores.write_csv(f"{file}.csv")
    har.plot_confusion(scores.pooled).savefig(f"{file}.png", dpi=80)
    Path(f"{file}.txt").write_text(f"{scores.pooled}\n")


if __name__ == "__main__":
    main()
