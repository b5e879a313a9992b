"""PCK of each inference precision, for two stacks on UTD-MHAD's depth images.

    python data/utd_mhad/prepare.py --raw RAW --out data/utd_mhad
    python benchmarks/precision.py --data data/utd_mhad --run runs/precision

Trains on every second frame of subjects 1, 3 and 5 (or resumes the run in --run), tests on every twentieth of 2, 4 and
6, and calibrates int8 on 200 training images. The person's box is that of the labels, as usual.
"""

import argparse
from pathlib import Path

import numpy as np
from pose_accuracy import split_utd_mhad

import pose
from pose.prediction import CALIBRATION_IMAGES
from pose.runtime.device import machine

CONFIG = pose.TrainConfig(num_stacks=2, inp_res=128, epochs=2, seed=0)
WAYS = (("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"),
        ("openvino", "int8"))  # fmt: skip


def boxes(landmarks):
    """(M, 4) left, top, right, bottom px around landmarks (M, K, 2)."""
    return np.concatenate([np.nanmin(landmarks, axis=1), np.nanmax(landmarks, axis=1)], axis=1)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and joints.txt")
    parser.add_argument("--run", type=Path, required=True, help="folder of the training")
    args = parser.parse_args(argv)
    annotations = pose.read_annotations(args.data / "joints.txt", args.data / "images")
    train, choose, test = split_utd_mhad(annotations)
    train, test = annotations.select(train[::2]), annotations.select(test[::20])
    datasets = CONFIG.build_dataset(train, True), CONFIG.build_dataset(annotations.select(choose), False)
    model = CONFIG.build_model()
    pose.fit(model, *datasets, CONFIG, args.run, resume=True)

    print(f"{len(train)} images to train, {len(test)} to test; seed {CONFIG.seed}; {machine()}\n")
    print("| backend | precision | PCK@0.05 | PCK@0.1 | PCK@0.2 | PCK@0.1 against fp32, points |")
    print("|---|---|---|---|---|---|")
    exact = None
    calibration = train.paths[:: max(1, len(train) // CALIBRATION_IMAGES)]
    for backend, precision in WAYS:
        predictor = pose.Predictor(
            model, backend=backend, precision=precision, calibration=calibration if precision == "int8" else None
        )
        predictions = predictor.predict(test.paths, boxes(test.landmarks))
        scores = pose.score(np.stack([p.landmarks for p in predictions]), test.landmarks).summary()
        exact = exact or scores["pck@0.1"]
        shares = " | ".join(f"{scores[f'pck@{threshold}']:.4f}" for threshold in (0.05, 0.1, 0.2))
        print(f"| {backend} | {precision} | {shares} | {100 * (scores['pck@0.1'] - exact):+.2f} |", flush=True)


if __name__ == "__main__":
    main()
