"""How the cost grows with processes, images, frames and joints, and what shards change. Prints a table for each.

    python benchmarks/scaling.py [processes] [images] [frames] [joints] [shards]

On one thread, except for the processes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from timing import compare, peak_memory
from torch.utils.data import DataLoader

import har
import pose
from pose.runtime.device import keep_freed_memory, machine, one_thread

READ = "--read"
ROUNDS = 7


def print_table(columns, rows):
    print("", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns), sep="\n")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)


def milliseconds(timed):
    """The median (smallest … largest) of one of `compare`'s results."""
    ms = timed.seconds * 1e3
    return f"{np.median(ms):.3g} ({ms.min():.3g} … {ms.max():.3g})"


def processes():
    """Images per second of the same training (one stack, 128 px, batch 16, the sample data), as `fit` reports them."""
    rows = []
    for count, threads in ((1, 1), (1, 2), (2, 1)):
        with tempfile.TemporaryDirectory() as run:
            launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"] if count > 1 else []
            data = ["--joints", pose.SAMPLE / "joints.txt", "--images", pose.SAMPLE / "images"]
            command = [sys.executable, *launch, "-m", "pose.training", *data, "--out", run, "--inp-res", "128",
                       "--epochs", "3"]  # fmt: skip
            environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
            subprocess.run(list(map(str, command)), check=True, capture_output=True, env=environment)
            history = np.genfromtxt(Path(run) / "history.csv", delimiter=",", names=True)
            rates = history["images_per_s"]
            rows.append((count, threads, f"{np.median(rates):.1f} ({rates.min():.1f} … {rates.max():.1f})"))
    print_table(("processes", "threads each", "training, images/s"), rows)


def read(joints_txt):
    """Reads a joints file and prints the seconds and the peak memory of this process, GB, before and after."""
    before, started = peak_memory(), time.perf_counter()
    annotations = pose.read_annotations(joints_txt, joints_txt.parent)
    seconds = time.perf_counter() - started
    pose.Generic(annotations)
    print(f"{seconds:.2f} {time.perf_counter() - started - seconds:.2f} {before:.2f} {peak_memory():.2f}")


def images():
    """A joints file with one line per image, and `Generic` over it."""
    rows, rng = [], np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        joints_txt = Path(folder) / "joints.txt"
        for count in (1_000, 10_000, 100_000, 1_000_000):
            with open(joints_txt, "w") as file:
                for row in range(count):
                    name = Path(folder) / f"{row // 1000:03d}" / f"{row:07d}.jpg"
                    name.parent.mkdir(exist_ok=True)
                    name.touch()
                    numbers = " ".join(f"{value:.3f}" for value in rng.uniform(0, 640, 40).tolist())
                    file.write(f"{name.relative_to(folder).as_posix()} {numbers}\n")
            command = [sys.executable, __file__, READ, joints_txt]
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            rows.append((f"{count:,}", *answer))
    print_table(("images", "read_annotations, s", "Generic, s", "memory before, GB", "peak, GB"), rows)


def step_of_clips(frames):
    keep_freed_memory()
    head = har.HarConfig().build_head(10).train()
    landmarks, lengths = torch.rand(16, frames, 20, 2), torch.full((16,), frames)
    return lambda: head(landmarks, lengths).sum().backward()


def frames():
    """A training step of the recogniser on 16 clips of equal length; all are resampled to 32 time steps."""
    timed = compare({count: partial(step_of_clips, count) for count in (32, 128, 512, 2048)}, ROUNDS, 1)
    print_table(("frames per clip", "step on 16 clips, ms"), [(name, milliseconds(one)) for name, one in timed.items()])


def predict(joints):
    keep_freed_memory()
    model = pose.hg1(joints).eval()
    predictor = pose.Predictor(model, inp_res=128)
    pictures = np.random.default_rng(0).integers(0, 256, (8, 240, 320, 3), np.uint8)
    boxes = [(80, 20, 240, 220)] * 8
    return lambda: predictor.predict(pictures, boxes) is None


def encode(joints):
    keep_freed_memory()
    landmarks = 60 * torch.rand(16, joints, 2)
    return lambda: pose.landmarks_to_heatmaps(landmarks, 64) is None


def decode(joints):
    keep_freed_memory()
    heatmaps = pose.landmarks_to_heatmaps(60 * torch.rand(16, joints, 2), 64)
    return lambda: pose.heatmaps_to_landmarks(heatmaps) is None


def joints():
    """More joints: prediction of 8 images at 128 px by one stack, heatmaps of 16 samples, and decoding."""
    counts, works = (20, 40, 80, 160), (predict, encode, decode)
    columns = [compare({count: partial(work, count) for count in counts}, ROUNDS, 1) for work in works]
    print_table(
        ("joints", "prediction, 8 images, ms", "heatmaps of 16 samples, ms", "landmarks of 16 samples, ms"),
        [(count, *(milliseconds(column[count]) for column in columns)) for count in counts],
    )


def photographs(folder, count):
    """`Annotations` of `count` 640×480 JPEG files."""
    rng, paths = np.random.default_rng(0), []
    for row in range(count):
        coarse = rng.integers(0, 256, (30, 40, 3), np.uint8)
        paths.append(str(Path(folder) / f"{row:05d}.jpg"))
        cv2.imwrite(paths[-1], cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC))
    return pose.Annotations(paths, rng.uniform((150, 50), (450, 430), (count, 20, 2)))


def load(annotations, shards, workers):
    data = pose.ShardedGeneric(shards) if shards else pose.Generic(annotations)
    loader = DataLoader(data, 16, num_workers=workers, persistent_workers=workers > 0, shuffle=not shards,
                        worker_init_fn=one_thread)  # fmt: skip

    def run():
        for _ in loader:
            pass

    return run


def shards():
    """2,000 images from single files and from eight shards, by number of loading processes."""
    with tempfile.TemporaryDirectory() as folder:
        annotations = photographs(folder, 2000)
        megabytes = sum(path.stat().st_size for path in pose.write_shards(annotations, f"{folder}/shards", 250)) / 1e6
        ways = {
            (source, workers): partial(load, annotations, f"{folder}/shards" if source == "shards" else None, workers)
            for workers in (0, 1, 2)
            for source in ("single files", "shards")
        }
        timed = compare(ways, 3, 1)
    rows = [(*name, f"{2000 / np.median(one.seconds):.0f}", f"{one.memory:.2f}") for name, one in timed.items()]
    print_table(("read from", "loading processes", "images/s", "peak of the main process, GB"), rows)
    print(f"\nThe shards have {megabytes:.0f} MB, {megabytes / 2000 * 1000:.0f} kB per image.")


WORKS = {work.__name__: work for work in (processes, images, frames, joints, shards)}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "work", nargs="*", default=list(WORKS), help=f"what to measure: {', '.join(WORKS)} (default: all)"
    )
    parser.add_argument(READ, type=Path, metavar="JOINTS", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.read:
        read(args.read)
        return
    torch.set_num_threads(1)
    print(machine())
    for name in args.work:
        print(f"\n{WORKS[name].__doc__}", flush=True)
        WORKS[name]()


if __name__ == "__main__":
    main()
