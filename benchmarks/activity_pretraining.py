"""What the recogniser gains from training on two other sets first.

    python benchmarks/activity_pretraining.py utd_mhad --utd_mhad UTD_DIR --penn_action PENN_DIR --utkinect UTKINECT_DIR
        --out TABLE.txt

One head learns the actions of the other sets (Penn Action, and UT-Kinect or UTD-MHAD) from their 2-D landmarks; joints
go by name, and those that Penn Action lacks are missing. It has seen nobody of the set that is tested. Every training
on that set then starts from it: for UTD-MHAD first on the split of activity_choices.py, then in the protocols of
activity_accuracy.py.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from activity_accuracy import CONFIGS, HALVES, MEMBERS, protocols, read_set

import har
import pose
from pose.runtime.device import machine

EPOCHS = 30  # of 90 or 120 steps: as many steps in total as usual


def in_kinect20(annotations):
    """The same landmarks in the order of KINECT20, (M, 20, 2), NaN for joints that the annotations lack."""
    landmarks = np.full((len(annotations), len(pose.KINECT20), 2), np.nan)
    landmarks[:, [pose.KINECT20.index(name) for name in annotations.skeleton.names]] = annotations.landmarks
    return landmarks


def together(*sets):
    """`Annotations` and clips of several (annotations, clips), their landmarks in the order of KINECT20."""
    paths, landmarks, clips = [], [], []
    for annotations, own in sets:
        first = len(paths)
        clips += [replace(clip, first=clip.first + first, last=clip.last + first) for clip in own]
        paths += annotations.paths
        landmarks.append(in_kinect20(annotations))
    return pose.Annotations(paths, np.concatenate(landmarks)), clips


def pretrain(config, penn, other, mirror):
    """An `ActivityHead` with the settings of `config`, trained on the folders of Penn Action and another set."""
    config = replace(config, epochs=EPOCHS, augmentation=replace(config.augmentation, mirror=mirror))
    annotations, clips = together(read_set(penn, pose.PENN13)[:2], read_set(other)[:2])
    head = config.build_head(len(har.actions_of(clips)))
    history = har.fit(head, config.build_dataset(annotations, clips, is_train=True), None, config)
    print(f"{len(clips)} clips, training accuracy {history[-1]['train_accuracy']:.3f}", flush=True)
    return head


def inner(clips):
    """The split of activity_choices.py."""
    return har.leave_one_subject_out([clip for clip in clips if clip.subject in ("s1", "s3", "s5")])


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=("utd_mhad", "utkinect"), help="the set that is tested")
    for name in CONFIGS:
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"folder that data/{name}/prepare.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="file for the table")
    parser.add_argument("--only", default="", help="only the protocols whose titles start with this")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(%(default)s)")
    args = parser.parse_args(argv)

    config = CONFIGS[args.set]
    other, mirror = (args.utkinect, 0.5) if args.set == "utd_mhad" else (args.utd_mhad, 0.0)  # UTD's actions have sides
    head = pretrain(config, args.penn_action, other, mirror)
    annotations, clips, joints_3d = read_set(getattr(args, args.set))
    chosen = protocols(args.set, clips)
    if args.set == "utd_mhad":
        chosen = {"each of 1, 3, 5 by the other two": lambda seed: inner(clips)} | chosen
    lines = [f"{args.set}, seeds {args.seeds}, {machine()}"]
    print(lines[0], flush=True)
    for title in (title for title in chosen if title.startswith(args.only)):
        started = time.perf_counter()
        result = har.run_protocol(chosen[title], annotations, config, args.seeds, joints_3d, start=head)
        minutes = (time.perf_counter() - started) / 60
        new = [f"{title:35} {result} each {result.accuracies.round(3)}, {minutes:.0f} minutes"]
        if title != HALVES and len(args.seeds) >= MEMBERS:
            new.append(f"{'':35} ensembles: {result.ensembles(MEMBERS)}")
        lines += new
        print(*new, sep="\n", flush=True)
        args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
