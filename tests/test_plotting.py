"""Pictures: the right colour at the right place, and every figure drawn without a warning."""

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from pose import KINECT20, Annotations, Generic, draw_landmarks, mean_pose, normalised_distances, plotting, score

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def some_joints(**places):
    """Landmarks (20, 2) with only these joints."""
    landmarks = np.full((20, 2), np.nan)
    for name, place in places.items():
        landmarks[KINECT20.index(name)] = place
    return landmarks


def rgb(color):
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def test_a_joint_is_drawn_in_its_sides_colour_at_its_place():
    places = {"left_hand": (10, 20), "right_hand": (40, 30), "head": (25, 5)}
    drawn = draw_landmarks(np.zeros((50, 60, 3), np.uint8), some_joints(**places))
    for (x, y), color in zip(places.values(), (plotting.LEFT, plotting.RIGHT, plotting.MIDDLE), strict=True):
        assert drawn[y, x].tolist() == rgb(color)
    assert drawn.any(axis=2).sum() < 60  # three dots and nothing else


def test_nothing_is_drawn_of_nobody():
    image = np.zeros((50, 60, 3), np.uint8)
    assert not draw_landmarks(image, some_joints()).any()
    assert plotting.body(some_joints(), KINECT20) == ([], [], 0.0)
    plotting.plot_landmarks(image, some_joints()).figure.canvas.draw()


def test_a_trunk_is_drawn_where_only_shoulders_and_hips_are_labelled():
    landmarks = some_joints(left_shoulder=(60, 10), right_shoulder=(20, 10), left_hip=(50, 70), right_hip=(30, 70))
    lines, dots, size = plotting.body(landmarks, KINECT20)
    drawn = {(tuple(start), tuple(end)) for start, end, *_ in lines}
    neck, middle, hips = (40, 10), (40, 40), (40, 70)
    sides = {(neck, (60, 10)), (neck, (20, 10)), (hips, (50, 70)), (hips, (30, 70))}
    assert drawn == {(hips, middle), (middle, neck)} | sides
    assert len(dots) == 4
    assert size == 60
    image = draw_landmarks(np.zeros((80, 80, 3), np.uint8), landmarks)
    for row in (25, 55):
        np.testing.assert_allclose(image[row, 40], rgb(plotting.MIDDLE), rtol=0.15)  # a thin line is blended


def test_labelled_joints_of_the_trunk_are_not_moved_and_one_shoulder_is_enough():
    landmarks = some_joints(hip_center=(40, 70), spine=(45, 40), left_shoulder=(60, 10), left_hip=(50, 70))
    lines, _, _ = plotting.body(landmarks, KINECT20)
    assert [(tuple(start), tuple(end)) for start, end, *_ in lines] == [
        ((40, 70), (45, 40)), ((45, 40), (60, 10)), ((60, 10), (60, 10)), ((40, 70), (50, 70)),
    ]  # fmt: skip


def test_lines_and_dots_grow_with_the_person_not_with_the_image():
    arm = some_joints(left_elbow=(20, 20), left_wrist=(20, 220))
    thin = draw_landmarks(np.zeros((1000, 1000, 3), np.uint8), arm)
    thick = draw_landmarks(np.zeros((1000, 1000, 3), np.uint8), 4 * arm)
    solid = [np.count_nonzero(row[:, 0] > 128) for row in (thin[120], thick[480])]  # without the blended edges
    assert solid[0] in (2, 3)
    assert solid[1] in (7, 8, 9)
    for scale in (1, 4):
        ax = plotting.plot_landmarks(thin, scale * arm)
        bars, dots = ax.collections
        assert np.ptp(bars.get_paths()[0].vertices[:, 0]) == pytest.approx(scale * 200 * plotting.LINE)
        np.testing.assert_allclose(dots.get_widths(), scale * 200 * plotting.DOT)
        plt.close("all")


def test_unsure_joints_are_faded_those_below_the_limit_left_out():
    landmarks = some_joints(left_hand=(10, 20), right_hand=(40, 30), head=(25, 5))
    confidence = np.ones(20)
    confidence[KINECT20.index("right_hand")] = plotting.SURE / 2
    confidence[KINECT20.index("head")] = 0.05
    drawn = draw_landmarks(np.zeros((50, 60, 3), np.uint8), landmarks, KINECT20, confidence, min_confidence=0.1)
    assert drawn[20, 10].tolist() == rgb(plotting.LEFT)
    np.testing.assert_allclose(drawn[30, 40], np.array(rgb(plotting.RIGHT)) / 2, atol=1)
    assert not drawn[5, 25].any()
    ax = plotting.plot_landmarks(drawn, landmarks, confidence=confidence, min_confidence=0.1)
    assert ax.collections[1].get_facecolors()[:, 3].tolist() == [1.0, 0.5]


def test_a_line_is_as_faded_as_its_fainter_end():
    landmarks = some_joints(left_elbow=(20, 20), left_wrist=(20, 40), left_hand=(20, 50))
    confidence = np.where(np.arange(20) == KINECT20.index("left_hand"), 0.0, 1.0)
    lines, _, _ = plotting.body(landmarks, KINECT20, confidence)
    assert [opacity for *_, opacity in lines] == [1.0, plotting.FAINTEST]


def test_the_image_is_not_touched():
    image = np.zeros((50, 60, 3), np.uint8)
    assert draw_landmarks(image, np.random.default_rng(0).uniform(5, 45, (20, 2))).any()
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
    row = {"train_loss": 1.0, "valid_loss": 1.0, "train_pck@0.2": 0.1, "valid_pck@0.2": 0.2, "valid_pck@0.1": 0.1}
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


def test_grids_name_their_images_and_take_the_skeleton_from_the_annotations(tiny_annotations):
    few = Annotations(tiny_annotations.paths, tiny_annotations.landmarks[:, :3])
    confidence = np.ones((4, 3))
    for figure in (
        plotting.plot_annotations(few, [1], confidence=confidence),
        plotting.plot_predictions(few, few.landmarks, [1], np.zeros(4), confidence=confidence),
    ):
        assert figure.axes[0].get_title().startswith("1.png")
        assert len(figure.axes[0].collections[-1].get_offsets()) == 3
    assert plotting.file_name("a/" + 40 * "x" + "_7.png") == "…" + 25 * "x" + "_7.png"


def test_a_wild_joint_below_the_limit_does_not_widen_the_cut(tiny_annotations):
    tiny_annotations.landmarks[0, 3] = 5000, 5000
    confidence = np.ones((4, 20))
    confidence[0, 3] = 0.01
    (ax,) = plotting.plot_annotations(tiny_annotations, [0], 1, confidence, min_confidence=0.1).axes
    assert np.ptp(ax.get_xlim()) < 100


def test_both_losses_are_shown_and_legends_lie_above_the_curves():
    row = {"train_loss": 1.0, "valid_loss": 2.0, "train_pck@0.2": 0.1, "valid_pck@0.2": 0.2, "valid_pck@0.1": 0.1}
    figure = plotting.plot_history([{"epoch": 1} | row, {"epoch": 2} | row])
    figure.canvas.draw()
    for ax, curves in zip(figure.axes, (2, 3), strict=True):
        assert len(ax.lines) == curves
        legend = ax.get_legend().get_window_extent()
        assert legend.y0 >= ax.get_window_extent().y1
        assert legend.x1 <= figure.bbox.x1


def test_the_curves_of_one_epoch_have_no_half_epochs():
    row = {"epoch": 1, "train_loss": 1.0, "train_pck@0.2": 0.1, "valid_pck@0.2": 0.2, "valid_pck@0.1": 0.1}
    figure = plotting.plot_history([row])
    figure.canvas.draw()
    assert figure.axes[0].get_xticks().tolist() == [0, 1, 2]
