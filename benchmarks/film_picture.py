"""Draws the README's picture: people in films, with the landmarks that a trained hourglass predicts.

    python benchmarks/film_picture.py --model pose/weights/hourglass.safetensors --films FOLDER

FOLDER contains the demonstration films of Pose2Sim and Sports2D; benchmarks/pictures/NOTICE.md has their licence. The
boxes around the people were drawn by hand. The films have no labels, and no network was trained on them.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import pose
from pose.plotting import cut_to_person, plot_landmarks

OUT = Path(__file__).with_name("pictures") / "films.png"
PEOPLE = (  # film, frame, box (left, top, right, bottom) px
    ("pose2sim_single_cam01.mp4", 0, (228, 323, 580, 1180)),
    ("pose2sim_single_cam01.mp4", 39, (95, 340, 778, 1180)),
    ("pose2sim_single_cam01.mp4", 78, (397, 455, 853, 1304)),
    ("sports2d_demo.mp4", 91, (1040, 490, 1200, 920)),
    ("sports2d_demo.mp4", 137, (540, 490, 780, 920)),
)


def frame(film, number):
    """Frame `number` of a film, (H, W, 3) uint8 RGB."""
    return next(image for index, image in enumerate(pose.read_frames(film)) if index == number)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint, such as the package's own")
    parser.add_argument("--films", type=Path, required=True, help="the folder of the films")
    parser.add_argument("--out", type=Path, default=OUT, help="(%(default)s)")
    args = parser.parse_args(argv)
    predictor = pose.Predictor(args.model, flip_test=True)
    figure, axes = plt.subplots(1, len(PEOPLE), figsize=(2.6 * len(PEOPLE), 2.6), layout="constrained")
    for ax, (film, number, box) in zip(axes, PEOPLE, strict=True):
        image = frame(args.films / film, number)
        (found,) = predictor.predict(image, boxes=[box])
        plot_landmarks(image, found.landmarks, found.skeleton, ax, confidence=found.confidence)
        cut_to_person(ax, np.reshape(box, (2, 2)), margin=1.15)
    figure.savefig(args.out, dpi=110)
    print(f"{args.out}: {args.model}, trained as described in its config.json")


if __name__ == "__main__":
    main()
