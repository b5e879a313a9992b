"""What the recogniser of UTD-MHAD gains from training on Penn Action and UT-Kinect first.

    python benchmarks/activity_pretraining.py --data UTD_DIR --penn PENN_DIR --utkinect UTKINECT_DIR --out TABLE.txt

One head learns the 25 actions of the two other sets, from their 2-D landmarks; joints go by name, and those that Penn
Action lacks are missing. It has seen nobody of UTD-MHAD. Every training on UTD-MHAD then starts from it: first on the
split of activity_choices.py, then on subjects 1, 3, 5, tested on 2, 4, 6.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from activity_accuracy import CONFIG, MEMBERS, PENN13, read_set

import har
import pose
from pose.runtime.device import machine

# 90 steps per epoch, as many in total as usual. No action of the two sets has a side.
PRETRAINING = replace(CONFIG, epochs=30, augmentation=replace(CONFIG.augmentation, mirror=0.5))


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


def pretrain(penn, utkinect):
    """An `ActivityHead` trained on both folders."""
    annotations, clips = together(read_set(penn, PENN13)[:2], read_set(utkinect)[:2])
    head = PRETRAINING.build_head(len(har.actions_of(clips)))
    history = har.fit(head, PRETRAINING.build_dataset(annotations, clips, is_train=True), None, PRETRAINING)
    print(f"{len(clips)} clips, training accuracy {history[-1]['train_accuracy']:.3f}", flush=True)
    return head


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that data/utd_mhad/prepare.py wrote")
    parser.add_argument("--penn", type=Path, required=True, help="folder that data/penn_action/prepare.py wrote")
    parser.add_argument("--utkinect", type=Path, required=True, help="folder that data/utkinect/prepare.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="file for the table")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(%(default)s)")
    args = parser.parse_args(argv)

    started = time.perf_counter()
    head = pretrain(args.penn, args.utkinect)
    annotations, clips, joints_3d = read_set(args.data)
    inner = [clip for clip in clips if clip.subject in ("s1", "s3", "s5")]
    protocols = {
        "each of 1, 3, 5 by the other two": har.leave_one_subject_out(inner),
        "1, 3, 5 train, 2, 4, 6 test": har.fixed_subjects(clips, ["s2", "s4", "s6"]),
    }
    lines = [f"seeds {args.seeds}, {machine()}"]
    for title, folds in protocols.items():
        result = har.run_protocol(folds, annotations, CONFIG, args.seeds, joints_3d, pretrained=head)
        ensembles = result.ensembles(MEMBERS) if len(args.seeds) >= MEMBERS else "none"
        minutes = (time.perf_counter() - started) / 60
        lines.append(
            f"{title:35} {result} each {result.accuracies.round(3)}, ensembles: {ensembles}, {minutes:.0f} min"
        )
        print(lines[-1], flush=True)
        args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
