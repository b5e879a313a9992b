"""The figures of a report: a summary of the findings, and the worst images."""

import textwrap
from collections import Counter, defaultdict

import matplotlib.pyplot as plt
import numpy as np

from pose.geometry import center_and_scale
from pose.images import ImageError, read_picture
from pose.plotting import cut_to_person, drawable, grid, plot_landmarks, side_color, skeleton_lines
from pose.runtime.findings import LEVELS

COLORS = {"error": "tab:red", "warning": "tab:orange", "note": "0.6"}
TILE = 400  # px; a larger image is read at a lower resolution
MAX_PEOPLE = 5000  # in the scatter plot


def plot_summary(report):
    """Findings by kind and level, the share of labels per joint, and where people are. Returns the figure."""
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.2), layout="constrained", width_ratios=(1.2, 1.2, 1))
    _plot_kinds(axes[0], report.findings)
    _plot_labels(axes[1], report.tables)
    _plot_people(axes[2], report.tables)
    return figure


def _plot_kinds(ax, findings):
    count = Counter((one.kind, one.level) for one in findings)
    ax.set_title("findings")
    if not findings:
        ax.set(xticks=[], yticks=[])
        ax.text(0.5, 0.5, "none", ha="center", va="center", transform=ax.transAxes)
        return
    kinds = list(dict.fromkeys(one.kind for one in findings))[::-1]  # the errors at the top
    start = np.zeros(len(kinds))
    for level in LEVELS:
        width = np.array([count[kind, level] for kind in kinds], float)
        ax.barh(range(len(kinds)), width, left=start, color=COLORS[level], label=level)
        start += width
    for position, number in enumerate(start):
        ax.annotate(f" {number:,.0f}", (number, position), va="center", fontsize=8)
    ax.set_yticks(range(len(kinds)), kinds, fontsize=8)
    ax.set(xlabel="how many", xscale="symlog", xlim=(0, 3 * max(start)))
    ax.legend(fontsize=8)


def _plot_labels(ax, tables):
    for number, table in enumerate(tables):
        labelled = np.isfinite(table.landmarks).all(axis=-1)
        share = labelled.mean(axis=0) if len(labelled) else np.zeros(len(table.skeleton))
        positions, names = np.arange(len(share)), table.skeleton.names
        if number:
            ax.plot(positions, share, "k_", markersize=12, label="validation")
            ax.legend(fontsize=8)
        else:
            ax.bar(positions, share, color=[side_color(name) for name in names])
            ax.set_xticks(positions, names, rotation=60, ha="right", fontsize=8)
    ax.set(title="labelled", ylabel="share of the lines", ylim=(0, 1.05))


def _plot_people(ax, tables):
    """Where the center of each person is in the image, coloured by how much of the image the person fills."""
    landmarks = np.concatenate([table.landmarks for table in tables])
    sizes = np.concatenate([table.sizes for table in tables])
    rows = np.flatnonzero(np.isfinite(sizes).all(axis=1) & np.isfinite(landmarks).any(axis=(1, 2)))
    rows = rows[:: max(1, -(-len(rows) // MAX_PEOPLE))]
    ax.set(title="where people stand, and how large", xlim=(-0.1, 1.1), ylim=(1.1, -0.1))
    ax.set(xlabel="share of the image's width", ylabel="share of its height")
    ax.plot([0, 1, 1, 0, 0], [0, 0, 1, 1, 0], color="black", linewidth=0.8)
    if len(rows) == 0:
        ax.text(0.5, 0.5, "no image of known size", ha="center", va="center")
        return
    center, scale = center_and_scale(landmarks[rows], margin=1)
    share = 200 * scale / sizes[rows].max(axis=1)
    dots = ax.scatter(*(center / sizes[rows]).T, c=share, s=6, cmap="viridis", vmin=0, vmax=1)
    ax.figure.colorbar(dots, ax=ax, label="person's longer side / image's longer side")


def plot_worst(report, count=12, columns=4):
    """The images with the most serious findings, cut to the person. Returns the figure."""
    worst = worst_images(report, count)
    figure, axes = grid(max(1, len(worst)), columns, size=3.0)
    if not worst:
        axes[0].text(0.5, 0.5, "no findings\nabout single images", ha="center", va="center")
    for ax, (table, row, findings) in zip(axes, worst, strict=False):
        _plot_tile(ax, table, row, findings)
    return figure


def worst_images(report, count):
    """At most `count` (table, row, findings): errors before warnings, alternating kinds so that each is shown."""
    findings, table_of = defaultdict(list), {table.file: table for table in report.tables}
    for one in report.findings:
        if one.line is not None and one.file in table_of and one.level != "note":
            findings[one.file, one.line].append(one)
    turns, ranked = Counter(), []
    for (file, line), found in findings.items():
        turns[found[0].kind] += 1
        ranked.append((LEVELS.index(found[0].level), turns[found[0].kind], file, line))
    worst = []
    for _, _, file, line in sorted(ranked)[:count]:
        table = table_of[file]
        if line in table.lines:
            worst.append((table, table.lines.index(line), findings[file, line]))
    return worst


def _plot_tile(ax, table, row, findings):
    landmarks, path = table.landmarks[row], table.paths[row]
    ax.set_title(_title(findings), fontsize=8)
    try:
        if not table.known[row]:
            raise ImageError("no image")
        picture = read_picture(path, max(1, table.sizes[row].max() / TILE))
    except ImageError:
        _plot_without(ax, landmarks, table.skeleton, "image not read" if path else "no image")
        picture = None
    else:
        landmarks = (landmarks + 0.5) / picture.step - 0.5
        plot_landmarks(picture.pixels, landmarks, table.skeleton, ax)
        inside = np.where(_far_out(landmarks, picture.pixels), np.nan, landmarks)
        if np.isfinite(inside).any():
            cut_to_person(ax, inside)
    _ring(ax, landmarks, table.skeleton, findings)


def _far_out(landmarks, pixels):
    """(K, 1) bool: landmarks farther from the image than its size; a plot with them would show nothing else."""
    height, width = pixels.shape[:2]
    middle, reach = np.array([width, height]) / 2, 1.5 * max(width, height)
    return (np.abs(landmarks - middle) > reach).any(axis=1, keepdims=True)


def _plot_without(ax, landmarks, skeleton, text):
    """A grey tile with the skeleton alone, if there is one to draw."""
    ax.set_facecolor("0.75")
    ax.set_aspect("equal")
    if np.isfinite(landmarks).any():
        skeleton_lines(ax, landmarks, skeleton)
        cut_to_person(ax, landmarks)
    ax.set_facecolor("0.75")
    ax.text(0.5, 0.04, text, ha="center", transform=ax.transAxes, fontsize=8)


def _ring(ax, landmarks, skeleton, findings):
    """Red rings around the joints in question, at the tile's edge for those beyond it."""
    limits = np.sort([ax.get_xlim(), ax.get_ylim()], axis=1)
    margin = 0.02 * (limits[:, 1] - limits[:, 0])
    for name in {one.joint for one in findings if one.joint}:
        place = np.clip(landmarks[skeleton.index(name)], limits[:, 0] + margin, limits[:, 1] - margin)
        if np.isfinite(place).all():
            ax.scatter(*place, s=160, facecolors="none", edgecolors="red", linewidths=1.8, zorder=5)


def _title(findings):
    first = findings[0]
    joint = f"{first.joint} " if first.joint else ""
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    lines = textwrap.wrap(f"{first.image}, line {first.line}: {joint}{first.what}{more}", 46)
    return drawable("\n".join(lines[:3]) + (" …" if len(lines) > 3 else ""))
