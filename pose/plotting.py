"""Pictures: skeletons on images, heatmaps, one sample explained, curves."""

from functools import cache
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.collections import EllipseCollection, PolyCollection
from matplotlib.colors import to_rgba

from pose.geometry import PIXELS_PER_SCALE, center_and_scale, crop_matrix, heatmap_to_image, invert, transform_landmarks
from pose.heatmaps import heatmaps_to_landmarks
from pose.images import read_image
from pose.people import image_file
from pose.runtime.errors import DataError
from pose.runtime.files import printable, spelled_out
from pose.skeleton import KINECT20

LEFT, RIGHT, MIDDLE = "#ff9f1c", "#2ec4ff", "#7ddf64"  # the person's left, right, and neither
LINE, DOT = 1 / 120, 1 / 45  # a line's width and a dot's diameter, as shares of the person's size
SURE, FAINTEST = 0.3, 0.4  # from which confidence on a joint is drawn in full; the lowest opacity


def side_color(name):
    """The colour of a joint or limb: one for the person's left, one for the right, one for the middle."""
    return LEFT if name.startswith("left_") else RIGHT if name.startswith("right_") else MIDDLE


def draw_landmarks(image, landmarks, skeleton=KINECT20, confidence=None, min_confidence=0.0):
    """A copy of the image (H, W, 3) uint8 RGB with the skeleton drawn on it; line width scales with the person's size.

    landmarks: (K, 2) image px, NaN where there is none. confidence: (K,) in 0 … 1, or None: joints below `SURE` are
    faded, those below `min_confidence` left out.
    """
    drawn = np.ascontiguousarray(image).copy()
    painted, cover = drawn.copy(), np.zeros(image.shape[:2], np.uint8)
    lines, dots, size = body(landmarks, skeleton, confidence, min_confidence)
    size = min(size, max(image.shape[:2]))
    width, radius = max(1, round(size * LINE)), max(16, round(8 * size * DOT))  # px, and 1/16 px
    for start, end, name, opacity in lines:
        ends = _fixed(start), _fixed(end)
        cv2.line(painted, *ends, _rgb(side_color(name)), width, cv2.LINE_AA, shift=4)
        cv2.line(cover, *ends, round(255 * opacity), width + 2, shift=4)
    for place, name, opacity in dots:
        cv2.circle(painted, _fixed(place), radius, _rgb(side_color(name)), -1, cv2.LINE_AA, shift=4)
        cv2.circle(cover, _fixed(place), radius + 16, round(255 * opacity), -1, shift=4)
    touched = cover > 0
    share = cover[touched, None] / 255
    drawn[touched] = np.round(share * painted[touched] + (1 - share) * image[touched])
    return drawn


def body(landmarks, skeleton, confidence=None, min_confidence=0.0):
    """What to draw of a person: lines (start (2,), end (2,), name, opacity), dots (place (2,), name, opacity), and
    the person's size, the longer side of the box around the dots, px.

    A joint that is NaN or below `min_confidence` is not drawn; a missing middle joint is replaced by the midpoint of
    its neighbours, so that lines continue.
    """
    landmarks = np.array(landmarks, np.float64)
    opacity = np.ones(len(landmarks))
    if confidence is not None:
        confidence = np.asarray(confidence, np.float64)
        landmarks[confidence < min_confidence] = np.nan
        opacity = np.clip(confidence / SURE, FAINTEST, 1)
    known = np.isfinite(landmarks).all(axis=1)
    dots = [(landmarks[k], skeleton.names[k], opacity[k]) for k in np.flatnonzero(known)]
    places = _bridged(np.column_stack([landmarks, opacity]), known, skeleton)
    lines = [(places[a, :2], places[b, :2], skeleton.names[b], places[[a, b], 2].min())
             for a, b in skeleton.limb_indices if np.isfinite(places[[a, b]]).all()]  # fmt: skip
    size = PIXELS_PER_SCALE * float(center_and_scale(landmarks, margin=1)[1]) if dots else 0.0
    return lines, dots, size


def _bridged(places, known, skeleton):
    """Places and opacities (K, 3), those of missing middle joints from their neighbours: both sides', then any two."""
    places = np.where(known[:, None], places, np.nan)
    sided = np.array([name.startswith(("left_", "right_")) for name in skeleton.names])
    for of_sides, enough in ((True, 1), (False, 2)):
        for k in np.flatnonzero(~sided & ~np.isfinite(places[:, 0])):
            beside = [b if a == k else a for a, b in skeleton.limb_indices if k in (a, b)]
            near = [j for j in beside if np.isfinite(places[j, 0]) and (sided[j] or not of_sides)]
            if len(near) >= enough:
                places[k] = places[near].mean(axis=0)
    return places


def _fixed(place):
    """Sub-pixel places as the integers that OpenCV draws with shift=4, kept in its range."""
    return tuple(int(v) for v in np.clip(np.round(np.asarray(place) * 16), -(2**20), 2**20))


def _rgb(color):
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def plot_landmarks(
    image, landmarks, skeleton=KINECT20, ax=None, title=None, color=None, confidence=None, min_confidence=0.0
):
    """The image (H, W, 3) with its landmarks (K, 2) in px over it, as `skeleton_lines` draws them."""
    ax = ax or plt.gca()
    ax.imshow(image)
    skeleton_lines(ax, landmarks, skeleton, color, confidence, min_confidence)
    height, width = image.shape[:2]
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    if title:
        ax.set_title(drawable(title), fontsize=8)
    return ax


def skeleton_lines(ax, landmarks, skeleton=KINECT20, color=None, confidence=None, min_confidence=0.0):
    """Draws the skeleton of landmarks (K, 2) into existing axes; line width scales with the person's size.

    color paints all joints alike. confidence, min_confidence: as in `draw_landmarks`.
    """
    lines, dots, size = body(landmarks, skeleton, confidence, min_confidence)
    colors = [to_rgba(color or side_color(name), opacity) for *_, name, opacity in lines]
    bars = [_bar(start, end, size * LINE) for start, end, *_ in lines]
    ax.add_collection(PolyCollection(bars, facecolors=colors, edgecolors=colors, linewidths=0.8))
    places = np.reshape([place for place, *_ in dots], (-1, 2))
    diameters = np.full(len(dots), size * DOT)
    ax.add_collection(EllipseCollection(
        diameters, diameters, np.zeros(len(dots)), units="xy", offsets=places, offset_transform=ax.transData,
        facecolors=[to_rgba(color or side_color(name), opacity) for _, name, opacity in dots],
        edgecolors=[to_rgba("black", opacity) for *_, opacity in dots], linewidths=0.3, zorder=3,
    ))  # fmt: skip
    ax.autoscale_view()


def _bar(start, end, width):
    """The corners (4, 2) of a line of that width in px, which unlike a matplotlib line grows with the image."""
    along = end - start
    side = along[::-1] * (-1, 1) * width / 2 / max(np.hypot(*along), 1e-9)
    return np.stack([start + side, end + side, end - side, start - side])


def plot_annotations(annotations, rows, columns=6, confidence=None, min_confidence=0.0):
    """A grid of images with their landmarks, cut to the person: rows of `Annotations`. Returns the figure.

    confidence: (M, K) in 0 … 1 for all of the annotations, or None; as in `draw_landmarks`.
    """
    figure, axes = grid(len(rows), columns)
    for ax, row in zip(axes, rows, strict=False):
        path, landmarks = annotations.paths[row], annotations.landmarks[row]
        sure = np.ones(len(landmarks)) if confidence is None else np.asarray(confidence[row])
        landmarks = np.where(sure[:, None] < min_confidence, np.nan, landmarks)  # a wild one would widen the cut
        plot_landmarks(
            read_image(image_file(path)), landmarks, annotations.skeleton, ax, file_name(path), confidence=sure
        )
        cut_to_person(ax, landmarks)
    return figure


def plot_predictions(annotations, predicted, rows, errors, columns=4, confidence=None, min_confidence=0.0):
    """Predicted landmarks in colour over the labelled ones in white, cut to the person. Returns the figure.

    predicted: (M, K, 2) image px, for all of the `Annotations`; rows: which to show; errors: (M,), for the titles.
    confidence: (M, K) in 0 … 1, or None; as in `draw_landmarks`.
    """
    figure, axes = grid(len(rows), columns, size=3.0)
    skeleton = annotations.skeleton
    for ax, row in zip(axes, rows, strict=False):
        path, labelled = annotations.paths[row], annotations.landmarks[row]
        error = f"mean error {errors[row]:.2f} torsos" if np.isfinite(errors[row]) else "no torso to score by"
        plot_landmarks(read_image(image_file(path)), labelled, skeleton, ax, f"{file_name(path)}\n{error}", "white")
        sure = None if confidence is None else confidence[row]
        skeleton_lines(ax, predicted[row], skeleton, None, sure, min_confidence)
        cut_to_person(ax, labelled)
    return figure


def file_name(path, longest=32):
    """The name of a file for a title, without its beginning where it is long."""
    name = Path(path).name
    return name if len(name) <= longest else "…" + name[1 - longest :]


def cut_to_person(ax, landmarks, margin=1.5):
    """Zooms in on the landmarks (K, 2); shows the whole image if none is labelled."""
    (x, y), scale = center_and_scale(landmarks, margin)
    if np.isfinite(scale):
        half = PIXELS_PER_SCALE * scale / 2
        ax.set(xlim=(x - half, x + half), ylim=(y + half, y - half))
    ax.set_facecolor("0.85")


def plot_augmented(dataset, index, epochs=12, columns=6):
    """One training image as the network sees it in its first epochs, with its landmarks. Returns the figure."""
    figure, axes = grid(epochs, columns)
    for epoch, ax in zip(range(epochs), axes, strict=False):
        dataset.set_epoch(epoch)
        image, _, info = dataset[index]
        to_input = crop_matrix(info["center"], info["scale"], info["rot"], info["inp_res"])
        in_crop = transform_landmarks(info["pts"], to_input)
        plot_landmarks(_picture(image), in_crop, dataset.skeleton, ax, f"epoch {epoch + 1}")
    figure.suptitle(drawable(file_name(info["img_paths"])), fontsize=9)
    return figure


def grid(count, columns, size=2.2):
    if not count:
        raise DataError("there is nothing to show")
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(size * columns, size * rows), squeeze=False, layout="constrained"
    )
    for number, ax in enumerate(axes.flat):
        ax.set(xticks=[], yticks=[])
        ax.set_visible(number < count)
    return figure, axes.flat


def plot_sample(dataset, index):
    """One sample explained: the image with its box, the crop, a heatmap, and the way back. Returns the figure.

    dataset: a `Generic` with `is_train=False`; raises DataError for an augmented one.
    """
    if dataset.is_train:
        raise DataError("plot_sample explains a sample without augmentation: Generic(..., is_train=False)")
    crop, heatmaps, info = dataset[index]
    skeleton = dataset.skeleton
    image = read_image(info["img_paths"])
    joint = int(heatmaps.amax(dim=(1, 2)).argmax())  # one that is labelled
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), layout="constrained")
    plot_landmarks(image, info["pts"], skeleton, axes[0], f"{file_name(info['img_paths'])}: labels and box")
    _box(axes[0], info)
    to_input = crop_matrix(info["center"], info["scale"], info["rot"], info["inp_res"])
    in_crop = transform_landmarks(info["pts"], to_input)
    plot_landmarks(_picture(crop), in_crop, skeleton, axes[1], f"crop, {info['inp_res']} px: the network's input")
    axes[2].imshow(heatmaps[joint].numpy(), cmap="magma")
    axes[2].set(xticks=[], yticks=[])
    axes[2].set_title(drawable(f"heatmap of {skeleton.names[joint]}, {info['out_res']} px"), fontsize=9)
    places, _ = heatmaps_to_landmarks(heatmaps)
    back = heatmap_to_image(places.numpy(), info["center"], info["scale"], info["rot"], info["out_res"])
    errors = np.linalg.norm(back - info["pts"], axis=1)
    worst = max(errors[np.isfinite(errors)], default=0.0)
    plot_landmarks(image, back, skeleton, axes[3], f"back from the heatmaps (at most {worst:.4f} px off)")
    return figure


def _box(ax, info):
    """The outline of the crop in the image."""
    side = float(PIXELS_PER_SCALE * info["scale"])
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) * side - 0.5
    outline = transform_landmarks(corners, invert(crop_matrix(info["center"], info["scale"], info["rot"], side)))
    ax.plot(*outline.T, color="tab:red", linewidth=1.2, linestyle="--")
    (left, right), (top, bottom) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    low, high = outline.min(axis=0) - 5, outline.max(axis=0) + 5
    ax.set(xlim=(min(left, low[0]), max(right, high[0])), ylim=(max(bottom, high[1]), min(top, low[1])))


def _picture(image):
    """A network input (3, H, W) in 0 … 1 as (H, W, 3) for imshow."""
    return np.asarray(image).transpose(1, 2, 0).clip(0, 1)


def plot_heatmaps(image, heatmaps, skeleton=KINECT20, confidence=None, title=None, columns=5):
    """Each joint's heatmap over the crop it belongs to. Returns the figure.

    image: (3, S, S) in 0 … 1; heatmaps: (K, S/4, S/4), of height about 1; confidence: (K,), shown above each.
    """
    if len(heatmaps) != len(skeleton):
        raise DataError(
            f"{len(heatmaps)} heatmaps need a skeleton of as many joints, not of {len(skeleton)}; pass skeleton="
        )
    figure, axes = grid(len(skeleton), columns)
    grey = _picture(image).mean(axis=2)
    extent = (-0.5, grey.shape[1] - 0.5, grey.shape[0] - 0.5, -0.5)
    for k, (name, ax) in enumerate(zip(skeleton.names, axes, strict=False)):
        heat = np.asarray(heatmaps[k]).clip(0, 1)
        highest = max(0.1, heat.max())
        ax.imshow(grey, cmap="gray", vmin=0, vmax=1, extent=extent)
        ax.imshow(heat, cmap="inferno", vmin=0, vmax=highest, alpha=(heat / highest) ** 0.5, extent=extent)
        ax.set_title(drawable(name if confidence is None else f"{name} {float(confidence[k]):.2f}"), fontsize=8)
    if title:
        figure.suptitle(drawable(title), fontsize=9)
    return figure


def plot_history(history):
    """Training and validation loss, and PCK, over the epochs of a training. Returns the figure."""
    if not history or "train_pck@0.2" not in history[0]:
        raise DataError("this is not the history of a pose training; har.plot_activity_history shows a recogniser's")
    loss = {"training": "train_loss", "validation": "valid_loss"}
    share = {
        "training PCK@0.2": "train_pck@0.2",
        "validation PCK@0.2": "valid_pck@0.2",
        "validation PCK@0.1": "valid_pck@0.1",
    }
    return plot_curves(history, loss, share, "share of joints found")


def plot_curves(history, loss, share, share_name):
    """A history's losses and, beside them, its shares from 0 to 1. Returns the figure.

    loss, share: {label: key of a history's row}; a key that the history lacks is left out.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    epochs = [row["epoch"] for row in history]
    for ax, curves, what in zip(axes, (loss, share), ("loss", share_name), strict=True):
        for label, key in curves.items():
            if key in history[0]:
                ax.plot(epochs, [row[key] for row in history], marker="." if len(history) < 40 else "", label=label)
        ax.set(xlabel="epoch", ylabel=what, xlim=(0.5, epochs[-1] + 0.5))
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        ax.grid(alpha=0.3)
        legend_above(ax)
    axes[1].set_ylim(0, 1.02)
    return figure


def legend_above(ax):
    """A legend over the axes, where it covers no curve."""
    place = dict(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5)
    ax.legend(**place, fontsize=8, frameon=False, columnspacing=1.2, handlelength=1.2)


class LiveCurves:
    """Redraws the curves of a history in place; give it to `fit` as `on_epoch`.

    plot: makes the figure. every: epochs between two drawings; the last of `epochs` is always drawn.
    """

    def __init__(self, plot=plot_history, every=1, epochs=None):
        if every < 1:
            raise DataError(f"every must be at least 1, not {every}")
        self.plot, self.every, self.epochs = plot, every, epochs
        self._shown = None

    def __call__(self, history):
        from IPython.display import display

        if len(history) % self.every and len(history) != self.epochs:
            return
        figure = self.plot(history)
        if self._shown is None:
            self._shown = display(figure, display_id=True)
        else:
            self._shown.update(figure)
        plt.close(figure)


def plot_pck(scores, threshold=0.2, baseline=None):
    """PCK of each joint as bars, with the baseline's as marks. Returns the figure.

    Raises DataError where the scores have no such threshold.
    """
    if threshold not in scores.pck:
        raise DataError(f"threshold is one of {', '.join(map(str, scores.pck))}, not {threshold}")
    figure, ax = plt.subplots(figsize=(9, 3.2), layout="constrained")
    places = np.arange(len(scores.names))
    ax.bar(places, scores.pck[threshold], color=[side_color(name) for name in scores.names], zorder=2)
    for side, color in (("left", LEFT), ("right", RIGHT), ("middle", MIDDLE)):
        ax.bar(0, 0, color=color, label=side)
    if baseline is not None:
        ax.plot(places, baseline.pck[threshold], "k_", markersize=14, label="mean pose")
    ax.set_xticks(places, [drawable(name) for name in scores.names], rotation=60, ha="right", fontsize=8)
    ax.set(ylim=(0, 1), ylabel=f"PCK@{threshold}")
    legend_above(ax)
    ax.grid(axis="y", alpha=0.3)
    return figure


def plot_confidence(confidences, distances, threshold=0.2, bins=10):
    """The share of joints that are right, by confidence. Returns the figure.

    confidences: (N, K) in 0 … 1; distances: (N, K) in torsos, NaN where not labelled, from `normalised_distances`.
    """
    counted = ~np.isnan(distances)
    confidence, right = confidences[counted], distances[counted] <= threshold
    bin_of = np.clip((confidence * bins).astype(int), 0, bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    shares = np.bincount(bin_of, weights=right, minlength=bins) / np.maximum(counts, 1)
    figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
    edges = np.arange(bins) / bins
    ax.bar(edges, np.where(counts, shares, 0), width=0.9 / bins, align="edge", color="tab:blue")
    for edge, share, count in zip(edges, shares, counts, strict=True):
        ax.annotate(f"{count}", (edge + 0.45 / bins, share), ha="center", va="bottom", fontsize=7)
    ax.set(
        xlabel="confidence (the number of joints above each bar)",
        ylabel=f"share nearer than {threshold} torsos",
        ylim=(0, 1.1),
    )
    return figure


def drawable(text):
    """The text for a figure: what the font lacks is spelled out, too, and `$` is no mathematics."""
    font = _font()
    lines = (printable(line) for line in str(text).split("\n"))
    shown = ("".join(c if font.get_char_index(ord(c)) else spelled_out(c) for c in line) for line in lines)
    return "\n".join(shown).replace("$", r"\$")


@cache
def _font():
    return font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
