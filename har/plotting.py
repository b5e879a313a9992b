"""Pictures of clips and of what the recogniser makes of them."""

import re
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation

from har.evaluation import ActivityScores
from pose.clips import actions_of
from pose.geometry import PIXELS_PER_SCALE, center_and_scale
from pose.plotting import drawable, plot_landmarks, skeleton_lines
from pose.runtime.errors import DataError
from pose.skeleton import KINECT20

SIGNS = {
    "minus": "−", "fast-backward": "⏮", "step-backward": "‹", "play fa-flip-horizontal": "◀", "pause": "‖",
    "play": "▶", "step-forward": "›", "fast-forward": "⏭", "plus": "+",
}  # fmt: skip


def plot_strips(annotations, clips, moments=8, skeleton=KINECT20):
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
            skeleton_lines(ax, landmarks[frame], skeleton, width=1.2, size=2)
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
    right.set(xlabel="frames a clip", title="length of each clip")
    right.set_xlim(left=0)
    right.set_yticks(range(len(actions)), [drawable(action) for action in actions], fontsize=8)
    left.invert_yaxis()
    for ax in (left, right):
        ax.grid(axis="x", alpha=0.3)
    return figure


def plot_activity_history(history):
    """Loss and accuracy over the epochs of a training, with the validation's where there is one. Returns the figure."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    epochs = [row["epoch"] for row in history]
    for ax, what in zip(axes, ("loss", "accuracy"), strict=True):
        for part, label, color in (("train", "training", "tab:blue"), ("valid", "validation", "tab:orange")):
            if f"{part}_{what}" in history[0]:
                ax.plot(epochs, [row[f"{part}_{what}"] for row in history], label=label, color=color)
        ax.set(xlabel="epoch", ylabel=what, title=what, ylim=(0, 1.02 if what == "accuracy" else None))
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.3)
    axes[1].legend(fontsize=8, loc="lower right")
    return figure


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
    ax.legend(fontsize=7, loc="upper left")
    return ax


def animate_clip(frames, moments, heatmaps, actions, skeleton=KINECT20, fps=8):
    """One clip to be played: the frame with its skeleton, all heatmaps in one, and the probabilities up to the moment.

    frames: T images (H, W, 3) uint8; moments: their `Moment`s; heatmaps: (T, K, h, w), of the whole images or of crops.
    Returns a matplotlib `FuncAnimation`; `animation_html` makes a page of it. Raises DataError where there are not as
    many moments and heatmaps as frames.
    """
    if not len(frames) == len(moments) == len(heatmaps) or not frames:
        raise DataError(f"{len(frames)} frames, {len(moments)} moments and {len(heatmaps)} heatmaps do not go together")
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(9, 2.9), width_ratios=(1.25, 1, 1.6), layout="constrained", dpi=64
    )
    highest = max(*(float(heatmap.max()) for heatmap in heatmaps), 1e-6)

    def draw(t):
        for ax in (left, middle, right):
            ax.clear()
        moment = moments[t]
        plot_landmarks(frames[t], moment.landmarks, skeleton, left, f"{moment.action} {moment.probability:.2f}")
        middle.imshow(np.asarray(heatmaps[t]).max(axis=0), cmap="inferno", vmin=0, vmax=highest)
        middle.set(xticks=[], yticks=[])
        middle.set_title("heatmaps, highest of all joints", fontsize=9)
        plot_probabilities(moments, actions, ax=right)
        right.axvline(t + 1, color="black", linewidth=1)

    animation = FuncAnimation(figure, draw, frames=len(frames), interval=1000 / fps)
    plt.close(figure)
    return animation


def animation_html(animation):
    """A matplotlib animation as HTML that any browser plays, and that asks no server for anything.

    matplotlib's own page fetches the signs on its buttons; here they are characters.
    """
    page = re.sub(r"<link\b[^>]*>", "", animation.to_jshtml())
    return re.sub(r'<i class="fa fa-([a-z -]+)"></i>', lambda sign: SIGNS[sign[1]], page)
