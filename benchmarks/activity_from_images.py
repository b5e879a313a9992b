"""From images to actions on UTD-MHAD: the recogniser on labelled landmarks, on predicted ones, and end to end.

    python benchmarks/activity_from_images.py --data UTD_DIR --pose CHECKPOINT --run RUN_DIR

UTD_DIR is written by data/utd_mhad/prepare.py (subjects 1–6), CHECKPOINT is the hourglass that pose_accuracy.py trained
on subjects 1, 3, 5. Everything is trained on 1, 3, 5 only and tested on 2, 4, 6, from whose images the hourglass itself
finds the person. End-to-end training starts from the hourglass and the recogniser of the same seed that was trained on
its landmarks; the test images are then predicted again in the same way. Runs in RUN_DIR are resumed; the minutes are
those of the last run.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from activity_accuracy import CONFIG, SEEDS

import har
import pose
from pose.runtime.device import default_device, has_bf16, machine

PRECISION = "bf16" if has_bf16(default_device()) else "fp32"
TEST = ("s2", "s4", "s6")
# Half of the training clips as predicted by the hourglass, half from the turned 3D joints.
HALF_TURNED = replace(CONFIG, augmentation=replace(CONFIG.augmentation, turn_share=0.5))
END_TO_END = har.HarConfig(epochs=1, batch_size=4, learning_rate=3e-5, warmup=0.1, pose_rate=1.0)


def train_head(annotations, fold, actions, joints_3d, config, run):
    """An `ActivityHead` trained on the landmarks of the fold's training clips, saved in `run`."""
    head = config.build_head(len(actions))
    train = config.build_dataset(annotations, fold.train, actions, is_train=True, joints_3d=joints_3d)
    har.fit(head, train, None, config, run, resume=True)
    return head


def train_end_to_end(head, labelled, predicted, fold, actions, checkpoint, seed, run):
    """Continues training an hourglass and its recogniser `head` as one; returns the accuracy of the resulting pair."""
    pose_model = pose.load_model(checkpoint)
    inp_res = pose_model.inp_res
    model = har.HourglassLSTM(pose_model, head, bf16=PRECISION == "bf16")
    train = har.ClipDataset(
        predicted, fold.train, actions, is_train=True, pose_labels=labelled, inp_res=inp_res, seed=seed
    )
    har.fit(model, train, None, replace(END_TO_END, seed=seed), run, resume=True)
    rows = np.concatenate([np.arange(clip.first, clip.last + 1) for clip in fold.test])
    predictor = pose.Predictor(model.pose_model, inp_res, batch_size=32, precision=PRECISION)
    found = har.predict_annotations(predictor, [predicted.paths[row] for row in rows], run)
    landmarks = predicted.landmarks.copy()
    landmarks[rows] = found.landmarks
    test = har.SequenceDataset(pose.Annotations(predicted.paths, landmarks), fold.test, actions)
    return har.evaluate(model.head, test).accuracy


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/, joints.txt, clips.csv, …")
    parser.add_argument("--pose", type=Path, required=True, help="the hourglass's checkpoint")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints and the table")
    parser.add_argument("--end-to-end-seeds", type=int, nargs="*", default=list(SEEDS))
    args = parser.parse_args(argv)

    labelled = pose.read_annotations(args.data / "joints.txt", args.data / "images")
    clips = har.read_clips(args.data / "clips.csv", labelled, args.data / "images")
    joints_3d = har.read_joints_3d(args.data / "joints.txt", labelled, args.data / "images")
    predictor = pose.Predictor(args.pose, batch_size=32, precision=PRECISION)
    predicted = har.predict_annotations(predictor, labelled.paths, args.run)
    (fold,), actions = har.fixed_subjects(clips, TEST), har.actions_of(clips)

    ways = {"labelled": (labelled, CONFIG), "frozen": (predicted, HALF_TURNED)}
    lines = [f"UTD-MHAD from images: {len(fold.train)} clips to train, {len(fold.test)} to test, {machine()}"]
    heads = {}
    for way, (annotations, config) in ways.items():
        started, accuracies = time.perf_counter(), []
        for seed in SEEDS:
            run = args.run / f"{way}_{seed}"
            heads[way, seed] = train_head(annotations, fold, actions, joints_3d, replace(config, seed=seed), run)
            test = config.build_dataset(annotations, fold.test, actions)
            accuracies.append(har.evaluate(heads[way, seed], test).accuracy)
        lines.append(line(f"{way} landmarks", accuracies, started))
        print(lines[-1], flush=True)
    started, accuracies = time.perf_counter(), []
    for seed in args.end_to_end_seeds:
        run = args.run / f"end_to_end_{seed}"
        head = heads["frozen", seed]
        accuracies.append(train_end_to_end(head, labelled, predicted, fold, actions, args.pose, seed, run))
        print(line("end to end", accuracies, started), flush=True)
    if accuracies:
        lines.append(line("end to end", accuracies, started))
    (args.run / "table.txt").write_text("\n".join(lines) + "\n")


def line(name, accuracies, started):
    spread = f" ± {np.std(accuracies, ddof=1):.3f}" if len(accuracies) > 1 else ""
    seconds = time.perf_counter() - started
    return (
        f"{name:30} {np.mean(accuracies):.3f}{spread}  each seed {np.round(accuracies, 3)}, {seconds / 60:.0f} minutes"
    )


if __name__ == "__main__":
    main()
