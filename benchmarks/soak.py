"""Checks that memory and speed stay constant while a stream runs for hours: 20,000 frames, 200,000 landmarks.

    python benchmarks/soak.py [frames] [landmarks] [--frames 20000] [--landmarks 200000]

Frames are the sample images in four sizes, in turn for 700 frames each, some of them black or noise, each read from its
file; they pass through `Predictor` and `SlidingWindow`. Landmarks pass through `SlidingWindow` alone, some of them
missing. One thread; the hourglass and its input are small, so that two hours of a camera take minutes. Prints a table
and draws `soak.png`. Speed is frames per second of CPU time, so that other load on the machine matters little. Reads
the memory from /proc, so it runs on Linux only.
"""

import argparse
import os
import time
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import torch

import har
import pose

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SIZES = ((320, 240), (640, 480), (1280, 720), (480, 640))  # width, height, px
SAME_SIZE = 700  # frames
ACTIONS = [f"action {i}" for i in range(10)]
HEADER = [
    "| stream | MB after 1,000 | MB at the end | MB at most | MB per 1,000, second half | frames/s, first | last |",
    "|---|---|---|---|---|---|---|",
]


def resident():
    """The memory of this process, MB, without pages of library files, which the system may drop at any time."""
    _, pages, of_files, *_ = map(int, Path("/proc/self/statm").read_text().split())
    return (pages - of_files) * os.sysconf("SC_PAGE_SIZE") / 1e6


def camera(count):
    """`count` frames (H, W, 3) uint8 RGB that change their size from time to time."""
    paths = pose.read_annotations(pose.SAMPLE / "joints.txt", pose.SAMPLE / "images").paths
    rng = np.random.default_rng(0)
    for i in range(count):
        width, height = SIZES[i // SAME_SIZE % len(SIZES)]
        if i % 50 == 0:
            yield np.zeros((height, width, 3), np.uint8)
        elif i % 50 == 25:
            yield rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        else:
            yield cv2.resize(pose.read_image(paths[i % len(paths)]), (width, height))


def skeletons(count):
    """`count` frames' landmarks (20, 2) px, each joint missing at times, and all of them in every hundredth frame."""
    rng = np.random.default_rng(0)
    for i in range(count):
        landmarks = rng.uniform(0, 200, (20, 2))
        landmarks[rng.random(20) < (1.0 if i % 100 == 0 else 0.05)] = np.nan
        yield landmarks


def watch(moments, every):
    """Rows (frames, MB, frames/s) after each `every` frames of a stream; the speed since the previous row."""
    rows, started = [], time.process_time()
    for frames, _ in enumerate(moments, start=1):
        if frames % every == 0:
            now = time.process_time()
            rows.append((frames, resident(), every / (now - started)))
            started = now
    return np.array(rows)


def slope(rows):
    """MB per 1,000 frames: the least-squares line through the second half of the rows."""
    frames, memory, _ = rows[(len(rows) - 1) // 2 :].T
    return round(1000 * np.polyfit(frames, memory, 1)[0], 3) + 0.0  # never -0.0


def line(name, rows):
    """A row of the table; the speed is the median of the first and of the last tenth."""
    frames, memory, rate = rows.T
    tenth = max(1, len(rows) // 10)
    after = memory[min(np.searchsorted(frames, 1000), len(rows) - 1)]
    return (
        f"| {frames[-1]:,.0f} {name} | {after:.1f} | {memory[-1]:.1f} | {memory.max():.1f} | {slope(rows):+.3f} | "
        f"{np.median(rate[:tenth]):.0f} | {np.median(rate[-tenth:]):.0f} |"
    )


def plot(watched):
    """Memory (top) and speed (bottom) over the frames of each stream. Returns the figure."""
    figure, axes = plt.subplots(
        2, len(watched), figsize=(5 * len(watched), 5), sharex="col", squeeze=False, layout="constrained"
    )
    for (above, below), (name, rows) in zip(axes.T, watched.items(), strict=True):
        frames, memory, rate = rows.T
        above.plot(frames / 1000, memory, color="tab:blue")
        above.set(title=f"{frames[-1]:,.0f} {name}: {slope(rows):+.3f} MB per 1,000", ylabel="resident memory,\nMB")
        below.plot(frames / 1000, rate, color="tab:orange", linewidth=0.8)
        below.set(xlabel="thousand frames", ylabel="frames per second\nof CPU time", ylim=(0, 1.1 * rate.max()))
        above.set_ylim(0.9 * memory.min(), 1.1 * memory.max())
        for ax in (above, below):
            ax.grid(alpha=0.3)
    return figure


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("streams", nargs="*", default=["landmarks", "frames"], help="which to run (%(default)s)")
    parser.add_argument("--frames", type=int, default=20000, help="(%(default)s)")
    parser.add_argument("--landmarks", type=int, default=200000, help="(%(default)s)")
    parser.add_argument("--every", type=int, default=100, help="frames between two measurements (%(default)s)")
    parser.add_argument("--channels", type=int, default=16, help="of the hourglass (%(default)s)")
    parser.add_argument("--inp-res", type=int, default=64, help="the side of its input, px (%(default)s)")
    parser.add_argument("--backend", default="torch", help="of the hourglass, see `Predictor` (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("soak.png"), help="(%(default)s)")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(0)
    head = har.HarConfig().build_head(len(ACTIONS))
    head.actions = ACTIONS
    predictor = pose.Predictor(pose.hg1(channels=args.channels), inp_res=args.inp_res, backend=args.backend)
    window = har.SlidingWindow(head, pose=predictor, window=60)
    sources = {"frames": camera(args.frames), "landmarks": skeletons(args.landmarks)}
    print(*HEADER, sep="\n", flush=True)
    watched = {}
    for name in args.streams:
        watched[name] = watch(window.run(sources[name]), args.every)
        print(line(name, watched[name]), flush=True)
    plot(watched).savefig(args.out, dpi=80)


if __name__ == "__main__":
    main()
