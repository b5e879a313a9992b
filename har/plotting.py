"""Figures of clips and of recognition results."""

import io
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from har.evaluation import ActivityScores
from pose.clips import actions_of
from pose.geometry import PIXELS_PER_SCALE, center_and_scale
from pose.plotting import drawable, legend_above, plot_curves, plot_landmarks, skeleton_lines
from pose.runtime.errors import DataError
from pose.skeleton import KINECT20


def plot_strips(annotations, clips, moments=8):
    """Each clip as a strip of skeletons at evenly spread moments, all in the clip's own box. Returns the figure."""
    if not clips:
        raise DataError("there is no clip to show")
    figure, axes = plt.subplots(
        len(clips), moments, figsize=(1.25 * moments, 1.35 * len(clips)), squeeze=False, layout="constrained"
    )
    for clip, strip in zip(clips, axes, strict=True):
        landmarks = annotations.landmarks[clip.rows]
        (x, y), scale = center_and_scale(landmarks.reshape(-1, 2), margin=1.15)
        half = PIXELS_PER_SCALE * scale / 2
        for ax, frame in zip(strip, np.linspace(0, len(clip) - 1, moments).round().astype(int), strict=True):
            skeleton_lines(ax, landmarks[frame], annotations.skeleton)
            ax.set(xticks=[], yticks=[], aspect="equal", facecolor="0.15")
            if np.isfinite(half):
                ax.set(xlim=(x - half, x + half), ylim=(y + half, y - half))
            ax.set_title(f"frame {frame + 1}", fontsize=6, pad=2)
        strip[0].set_title("")
        strip[0].set_title(drawable(f"{clip.action}, {clip.subject}"), fontsize=8, loc="left", pad=3)
    return figure


def plot_balance(clips):
    """How many clips there are of each action, and how long they are. Returns the figure."""
    actions = actions_of(clips)
    counts = Counter(clip.action for clip in clips)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 1 + 0.25 * len(actions)), sharey=True, layout="constrained")
    left.barh(range(len(actions)), [counts[action] for action in actions], color="tab:blue")
    left.set(xlabel="clips", title=f"{len(clips)} clips of {len({clip.subject for clip in clips})} people")
    rows = [actions.index(clip.action) for clip in clips]
    right.scatter([len(clip) for clip in clips], rows, marker="|", s=90, color="tab:blue", alpha=0.6)
    right.set(xlabel="frames per clip", title="length of each clip")
    right.set_xlim(left=0)
    right.set_yticks(range(len(actions)), [drawable(action) for action in actions], fontsize=8)
    left.invert_yaxis()
    for ax in (left, right):
        ax.grid(axis="x", alpha=0.3)
    return figure


def plot_activity_history(history):
    """Loss and accuracy over the epochs of a training, with the validation's where there is one. Returns the figure."""
    curves = ({"training": f"train_{what}", "validation": f"valid_{what}"} for what in ("loss", "accuracy"))
    return plot_curves(history, *curves, "share of clips recognised")


def plot_confusion(scores):
    """The confusion matrix of `ActivityScores`: rows the true actions, columns the recognised. Returns the figure."""
    if not isinstance(scores, ActivityScores):
        raise DataError(f"expected ActivityScores, not {type(scores).__name__}; those of a protocol are its .pooled")
    confusion, names = scores.confusion, scores.actions
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.36 * len(names)
    figure, ax = plt.subplots(figsize=(side + 0.6, side), layout="constrained")
    shown = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(confusion):
        color = "white" if shares[row, column] > 0.5 else "black"
        ax.annotate(confusion[row, column], (column, row), ha="center", va="center", fontsize=8, color=color)
    names = [drawable(name) for name in names]
    ax.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set(xlabel="recognised", ylabel="true action", title=f"accuracy {scores.accuracy:.3f}")
    figure.colorbar(shown, ax=ax, label="share of the true action's clips", shrink=0.8)
    return figure


def plot_probabilities(moments, actions, at_most=5, ax=None):
    """The probability of the likeliest actions over the frames, from the `Moment`s of a `SlidingWindow`."""
    if not moments:
        raise DataError("there is no moment to show")
    ax = ax or plt.subplots(figsize=(9, 2.6), layout="constrained")[1]
    probabilities = np.stack([moment.probabilities for moment in moments])
    for action in np.argsort(-probabilities.max(axis=0))[:at_most]:
        ax.plot(range(1, len(moments) + 1), probabilities[:, action], label=drawable(actions[action]))
    ax.set(xlabel="frame", ylabel="probability", ylim=(0, 1.02))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.3)
    legend_above(ax)
    return ax


def animate_clip(frames, moments, heatmaps, actions, skeleton=KINECT20, fps=8):
    """A clip to be played: the frame with its skeleton, all heatmaps in one, and where it is in the probabilities.

    frames: T images (H, W, 3) uint8; moments: their `Moment`s; heatmaps: (T, K, h, w), of the whole images or of
    crops; joints with a low peak are drawn faded.
    Returns an `IPython.display.Image`, an animated GIF that a notebook plays; its `.data` are the bytes of the file.
    Raises DataError where there are not as many moments and heatmaps as frames.
    """
    from IPython import display

    if not len(frames) == len(moments) == len(heatmaps) or not frames:
        raise DataError(f"{len(frames)} frames, {len(moments)} moments and {len(heatmaps)} heatmaps do not go together")
    figure = Figure(figsize=(10, 3), dpi=72, layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(1.25, 1, 1.6))
    heatmaps = np.stack([np.asarray(heatmap) for heatmap in heatmaps])
    pictures = []
    for t, (frame, moment) in enumerate(zip(frames, moments, strict=True)):
        _draw_moment(axes, frame, moment, heatmaps[t], skeleton, heatmaps.max())
        plot_probabilities(moments, actions, ax=axes[2])
        axes[2].axvline(t + 1, color="black", linewidth=1)
        pictures.append(_pixels(figure))
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=1000 / fps, loop=0)
    return display.Image(file.getvalue(), format="gif")


def _draw_moment(axes, frame, moment, heatmaps, skeleton, highest):
    """The frame with its skeleton, and the heatmaps (K, h, w), into the first two axes; all axes are emptied before."""
    for ax in axes:
        ax.clear()
    title, confidence = f"{moment.action} {moment.probability:.2f}", heatmaps.max(axis=(1, 2))
    plot_landmarks(frame, moment.landmarks, skeleton, axes[0], title, confidence=confidence)
    axes[1].imshow(heatmaps.max(axis=0), cmap="inferno", vmin=0, vmax=max(highest, 1e-6))
    axes[1].set(xticks=[], yticks=[])
    axes[1].set_title("heatmaps, highest of all joints", fontsize=8)


def _pixels(figure):
    """What a figure looks like, as an image."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")  # the next picture has everything at the same place
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
