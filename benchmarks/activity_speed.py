"""The cost of the recogniser: frames per second of `SlidingWindow`, and the memory of end-to-end training.

    python benchmarks/activity_speed.py [--pose CHECKPOINT] [--frames 2000]

Everything on one thread. From images, the hourglass runs twice on each: on the whole image, and on the person. Memory
is the peak of a separate process that takes one training step: 2 clips × 32 frames of 256², two stacks, full precision.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

import har
import pose
from pose.runtime.device import machine

ACTIONS = [f"action {i}" for i in range(27)]
STEP = "--one-step"


def stream(pose_model=None):
    head = har.HarConfig().build_head(len(ACTIONS))
    head.actions = ACTIONS
    return har.SlidingWindow(head, pose=pose_model, window=60)


def landmark_rate(frames):
    """Landmark frames per second: the median, minimum and maximum of five streams."""
    landmarks = np.random.default_rng(0).uniform(0, 200, (frames, 20, 2))
    window, rates = stream(), []
    for _ in range(5):
        for _ in window.run(landmarks):
            pass
        rates.append(window.rate)
    return np.median(rates), min(rates), max(rates)


def chain_rate(checkpoint, frames=40):
    """Images per second through hourglass and recogniser, (fp32, bf16)."""
    sample = pose.read_annotations(pose.SAMPLE / "joints.txt", pose.SAMPLE / "images")
    images = [pose.read_image(path) for path in sample.paths[:frames]]
    model = pose.load_model(checkpoint) if checkpoint else pose.hg1()
    rates = []
    for precision in ("fp32", "bf16"):
        window = stream(pose.Predictor(model, inp_res=128, precision=precision))
        for _ in window.run(images):
            pass
        rates.append(window.rate)
    return rates


def one_step(chunk):
    """One end-to-end training step; prints its seconds and the peak memory of this process in GB."""
    pose.runtime.device.keep_freed_memory()
    model = har.HourglassLSTM(pose.hg2(), har.HarConfig().build_head(10), chunk=chunk).train()
    optimizer = torch.optim.AdamW(model.parameters())
    clips, lengths = torch.rand(2, 32, 3, 256, 256), torch.tensor([32, 32])
    targets = torch.rand(64, 20, 64, 64)
    started = time.perf_counter()
    logits, heatmaps = model.logits_and_heatmaps(clips, lengths)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])) + pose.heatmap_loss(heatmaps, targets)
    loss.backward()
    optimizer.step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{time.perf_counter() - started:.0f} {peak:.2f}")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pose", type=Path, help="the hourglass's checkpoint (default: untrained, just as fast)")
    parser.add_argument("--frames", type=int, default=2000, help="landmark frames in a stream (%(default)s)")
    parser.add_argument(STEP, type=int, metavar="CHUNK", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    if args.one_step:
        one_step(args.one_step)
        return
    print(machine())
    median, low, high = landmark_rate(args.frames)
    print(f"landmarks, window of 60 frames     {median:.0f} frames/s ({low:.0f} … {high:.0f} in five runs)")
    fp32, bf16 = chain_rate(args.pose)
    print(f"images of 320×240, hourglass 128 px {fp32:.0f} frames/s, in bf16 {bf16:.0f}")
    for chunk in (64, 4):
        command = [sys.executable, __file__, STEP, str(chunk)]
        seconds, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        print(f"end to end, 64 frames of 256², {chunk:2} at a time: {peak} GB, {seconds} s per step")


if __name__ == "__main__":
    main()
