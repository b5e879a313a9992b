"""Pictures: the right colour at the right place, and every figure drawn without a warning."""

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from pose import KINECT20, Generic, draw_landmarks, mean_pose, normalised_distances, plotting, score

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_a_joint_is_drawn_in_its_sides_colour_at_its_place():
    landmarks = np.full((20, 2), np.nan)
    landmarks[KINECT20.index("left_hand")] = 10, 20
    landmarks[KINECT20.index("right_hand")] = 40, 30
    landmarks[KINECT20.index("head")] = 25, 5
    drawn = draw_landmarks(np.zeros((50, 60, 3), np.uint8), landmarks)
    for (x, y), color in (((10, 20), plotting.LEFT), ((40, 30), plotting.RIGHT), ((25, 5), plotting.MIDDLE)):
        assert drawn[y, x].tolist() == [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    assert (drawn.any(axis=2).sum()) < 120  # three dots and nothing else


def test_unsure_joints_are_left_out_and_the_image_is_not_touched():
    image = np.zeros((50, 60, 3), np.uint8)
    landmarks = np.random.default_rng(0).uniform(5, 45, (20, 2))
    confidence = np.zeros(20)
    assert not draw_landmarks(image, landmarks, confidence=confidence, least=0.1).any()
    assert draw_landmarks(image, landmarks).any()
    assert not image.any()


def test_places_far_outside_do_not_stop_the_drawing():
    landmarks = np.full((20, 2), 1e9)
    assert not draw_landmarks(np.zeros((50, 60, 3), np.uint8), landmarks).any()


def test_the_explained_sample_shows_a_way_back_without_error(tiny_annotations):
    figure = plotting.plot_sample(Generic(tiny_annotations, is_train=False), 1)
    assert "at most 0.0000 px off" in figure.axes[3].get_title()


def test_every_figure_can_be_drawn(tiny_annotations):
    tiny_annotations.landmarks[0, 3] = np.nan
    data = Generic(tiny_annotations, is_train=True, inp_res=64, out_res=16)
    image, heatmaps, _ = data[0]
    predicted = tiny_annotations.landmarks + 1
    baseline = score(mean_pose(tiny_annotations.landmarks, tiny_annotations.landmarks), tiny_annotations.landmarks)
    row = {"train_loss": 1.0, "train_pck@0.2": 0.1, "valid_pck@0.2": 0.2, "valid_pck@0.1": 0.1}
    figures = [
        plotting.plot_annotations(tiny_annotations, range(4), columns=3),
        plotting.plot_augmented(data, 0, epochs=4),
        plotting.plot_heatmaps(image, heatmaps, confidence=torch.rand(20)),
        plotting.plot_history([{"epoch": 1} | row, {"epoch": 2} | row]),
        plotting.plot_pck(baseline, baseline=baseline),
        plotting.plot_predictions(tiny_annotations, predicted, [2, 0], np.arange(4) / 10),
        plotting.plot_confidence(np.ones((4, 20)), normalised_distances(predicted, tiny_annotations.landmarks)),
    ]
    for figure in figures:
        figure.canvas.draw()
    assert [sum(ax.get_visible() for ax in figure.axes) for figure in figures] == [4, 4, 20, 2, 1, 2, 1]
