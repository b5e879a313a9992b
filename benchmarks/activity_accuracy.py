"""How well does the recogniser know actions of people it has never seen? On landmarks of public data sets.

    python benchmarks/activity_accuracy.py utkinect --data UTKINECT_DIR --out RESULTS_DIR
    python benchmarks/activity_accuracy.py utd_mhad --data UTD_DIR --out RESULTS_DIR

The folders are what data/utkinect/prepare.py (with the correction file) and data/utd_mhad/prepare.py (subjects 1–6)
wrote. Input is always 2-D landmarks in pixels. Every training has a fixed number of epochs; the tested people choose
nothing. How the hyperparameters were chosen: benchmarks/activity_choices.py. RESULTS_DIR gets the table, a CSV file with
every prediction, and the confusion matrix of each protocol.
"""

import argparse
import time
from pathlib import Path

import matplotlib

import har
import pose

matplotlib.use("Agg")
AUGMENTATION = har.MotionAugmentation()
CONFIG = har.HarConfig()
SEEDS = (0, 1, 2)


def read_set(folder):
    """Annotations, clips and joints in space of a prepared set, without looking at its images."""
    annotations = pose.read_annotations(folder / "joints.txt")
    clips = har.read_clips(folder / "clips.csv", annotations)
    return annotations, clips, har.read_joints_3d(folder / "joints.txt", annotations)


def protocols(name, clips):
    """{title: folds}, of one seed, or a function from the seed to the folds."""
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
    args = parser.parse_args(argv)
