"""Pictures of clips and actions: the right things in them, and every figure drawn without a warning."""

import io

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from har import (
    ActivityScores,
    Moment,
    animate_clip,
    divide_clips,
    find_clips,
    plot_activity_history,
    plot_balance,
    plot_confusion,
    plot_probabilities,
    plot_strips,
)
from pose import SAMPLE, read_annotations, read_image, split_annotations
from pose.split import subjects_of

matplotlib.use("Agg")
ACTIONS = ["sit", "stand", "wave"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def sample():
    """The sample set's annotations and clips."""
    annotations = read_annotations(SAMPLE / "joints.txt", SAMPLE / "images")
    return annotations, find_clips(SAMPLE / "joints.txt", annotations, SAMPLE / "images")


def moments(count=8):
    rng = np.random.default_rng(0)
    return [Moment("sit", 0.5, rng.dirichlet([1, 1, 1]), rng.uniform(0, 200, (20, 2))) for _ in range(count)]


def test_the_samples_clips_are_read_and_divided_as_its_images(sample):
    annotations, clips = sample
    assert (len(clips), len({clip.action for clip in clips})) == (100, 10)
    subjects = subjects_of(annotations, SAMPLE / "clips.csv", SAMPLE / "images")
    train, valid = split_annotations(annotations, subjects)
    train_clips, valid_clips = divide_clips(clips, annotations, train, valid)
    assert (len(train_clips), len(valid_clips)) == (80, 20)
    assert not {clip.subject for clip in train_clips} & {clip.subject for clip in valid_clips}
    assert find_clips("nowhere/joints.txt", annotations) == []


def test_strips_show_each_clip_from_first_to_last_frame(sample):
    annotations, clips = sample
    figure = plot_strips(annotations, clips[:3], moments=4)
    assert len(figure.axes) == 12
    assert figure.axes[0].get_title(loc="left") == f"{clips[0].action}, {clips[0].subject}"
    assert figure.axes[3].get_title() == "frame 8"
    joints = figure.axes[3].collections[1].get_offsets()
    np.testing.assert_allclose(joints, annotations.landmarks[clips[0].last])
    annotations.landmarks[clips[5].rows] = np.nan
    figure = plot_strips(annotations, clips[5:6])
    figure.canvas.draw()


def test_the_balance_counts_clips(sample):
    _, clips = sample
    figure = plot_balance(clips[:25])
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert sum(widths) == 25
    assert figure.axes[0].get_title() == "25 clips of 3 people"
    figure.canvas.draw()


def test_the_confusion_matrix_has_every_count(sample):
    _, clips = sample
    scores = ActivityScores(clips[:10], sorted({clip.action for clip in clips}), np.eye(10)[::-1])
    figure = plot_confusion(scores)
    assert sum(int(text.get_text()) for text in figure.axes[0].texts) == 10
    assert figure.axes[0].get_title() == f"accuracy {scores.accuracy:.3f}"
    figure.canvas.draw()


def test_histories_with_and_without_validation():
    row = {"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5}
    assert len(plot_activity_history([row]).axes[0].lines) == 1
    with_valid = row | {"valid_loss": 2.0, "valid_accuracy": 0.1}
    figure = plot_activity_history([with_valid, with_valid | {"epoch": 2}])
    assert len(figure.axes[0].lines) == len(figure.axes[1].lines) == 2


def test_the_likeliest_actions_are_drawn():
    ax = plot_probabilities(moments(), ACTIONS, at_most=2)
    assert len(ax.lines) == 2
    assert len(ax.lines[0].get_ydata()) == 8


def test_the_legend_of_the_probabilities_covers_no_frame():
    ax = plot_probabilities(moments(), ACTIONS)
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1


def test_a_clip_can_be_played(sample):
    annotations, _ = sample
    frames = [read_image(path) for path in annotations.paths[:3]]
    heatmaps = np.random.default_rng(0).random((3, 20, 16, 16))
    shown = animate_clip(frames, moments(3), heatmaps, ACTIONS, fps=4)
    data, _ = shown._repr_mimebundle_()
    assert list(data) == ["image/gif"]  # plays in a notebook that nobody has trusted, unlike a script
    with Image.open(io.BytesIO(shown.data)) as gif:
        assert (gif.n_frames, gif.info["duration"], gif.info["loop"]) == (3, 250, 0)
    assert len(shown.data) < 300_000
