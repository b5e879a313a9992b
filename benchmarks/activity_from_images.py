"""From images to actions on UTD-MHAD: the recogniser on labelled landmarks, on the hourglass's, and end to end.

    python benchmarks/activity_from_images.py --data UTD_DIR --pose CHECKPOINT --run RUN_DIR

UTD_DIR is what data/utd_mhad/prepare.py made of subjects 1–6, CHECKPOINT the hourglass that pose_accuracy.py trained on
subjects 1, 3, 5. Everything learns from 1, 3, 5 only and is tested on 2, 4, 6, of whose images nothing is given: the
hourglass itself finds the person. End to end begins with the hourglass and the frozen hourglass's recogniser of the
same seed. What is in RUN_DIR already is gone on with.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from activity_accuracy import CONFIG, SEEDS
from pose_accuracy import processor

import har
import pose
from pose.device import default_device, has_bf16

TEST = ("s2", "s4", "s6")
LABELLED = replace(CONFIG, batch_size=32)
HALF_TURNED = replace(LABELLED, augmentation=replace(CONFIG.augmentation, turn_share=0.5))
END_TO_END = har.HarConfig(epochs=3, batch_size=4, learning_rate=5e-4, warmup=0.1, pose_rate=0.2)


def train_end_to_end(labelled, predicted, fold, actions, pose_checkpoint, seed, run):
    """Scores of the frozen hourglass's recogniser of this seed, and of the same after end-to-end training."""
    pose_model = pose.load_model(pose_checkpoint)
    inp_res = pose_model.about["config"]["inp_res"]
    head = har.load_model(run / f"frozen_{seed}" / "best.safetensors")
    model = har.HourglassLSTM(pose_model, head, bf16=has_bf16(default_device()))
    config = replace(END_TO_END, seed=seed)
    train = har.ClipDataset(
        predicted, fold.train, actions, pose_labels=labelled, is_train=True, inp_res=inp_res, seed=seed
    )
    test = har.ClipDataset(predicted, fold.test, actions, inp_res=inp_res)
    before = har.evaluate(model, test, batch_size=4)
    print(f"seed {seed}: before end-to-end training {before.accuracy:.3f}", flush=True)
    har.fit(model, train, None, config, run / f"end_to_end_{seed}", resume=True, on_epoch=lambda h: print(h[-1]))
    return har.evaluate(model, test, batch_size=4)


def train_head(annotations, fold, actions, joints_3d, config, run):
    """An `ActivityHead` trained on the landmarks of the fold's training clips, kept in `run`."""
    head = config.build_head(len(actions))
    train = har.SequenceDataset(
        annotations, fold.train, actions, True, config.augmentation, joints_3d, seed=config.seed
    )
    har.fit(head, train, None, config, run, resume=True)
    return head


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
    predictor = pose.Predictor(args.pose, batch_size=32, bf16=has_bf16(default_device()))
    predicted = har.predict_annotations(predictor, labelled.paths, args.run)
    (fold,), actions = har.fixed_subjects(clips, TEST), har.actions_of(clips)

    ways = {
        "labelled landmarks": (labelled, LABELLED, "labelled"),
        "frozen hourglass": (predicted, HALF_TURNED, "frozen"),
    }
    lines = [f"UTD-MHAD from images: {len(fold.train)} clips to train, {len(fold.test)} to test, {processor()}"]
    for name, (annotations, config, folder) in ways.items():
        started, accuracies = time.perf_counter(), []
        for seed in SEEDS:
            head = train_head(
                annotations, fold, actions, joints_3d, replace(config, seed=seed), args.run / f"{folder}_{seed}"
            )
            accuracies.append(har.evaluate(head, har.SequenceDataset(annotations, fold.test, actions)).accuracy)
        lines.append(line(name, accuracies, started))
        print(lines[-1], flush=True)
    started, accuracies = time.perf_counter(), []
    for seed in args.end_to_end_seeds:
        scores = train_end_to_end(labelled, predicted, fold, actions, args.pose, seed, args.run)
        accuracies.append(scores.accuracy)
        lines.append(line("end to end", accuracies, started))
        print(lines[-1], flush=True)
    (args.run / "table.txt").write_text("\n".join(lines) + "\n")


def line(name, accuracies, started):
    spread = f" ± {np.std(accuracies, ddof=1):.3f}" if len(accuracies) > 1 else ""
    seconds = time.perf_counter() - started
    return (
        f"{name:20} {np.mean(accuracies):.3f}{spread}  each seed {np.round(accuracies, 3)}, {seconds / 60:.0f} minutes"
    )


if __name__ == "__main__":
    main()
