"""In which precision this machine trains by default. On a CPU that is measured: its instructions do not tell."""

import json
import time
from contextlib import suppress

import torch
from torch import nn

from pose.runtime.device import autocast, has_bf16, processor
from pose.runtime.errors import FileError
from pose.runtime.files import user_cache, write_atomically

MARGIN = 1.2  # how many times faster bf16 must be to be worth its lost digits
ROUNDS = 5
CPU = torch.device("cpu")


def default_bf16(device):
    """Whether training on the device should multiply in bf16: whether a GPU can, whether a CPU is faster that way.

    A CPU that has the instructions is timed once, in about half a second; `speedups_file()` keeps the result for this
    processor, number of threads and version of torch. Delete that file to measure again.
    """
    if device.type == "cuda" or not has_bf16(device):
        return has_bf16(device)
    here = f"{processor()}, torch {torch.__version__}"
    speedups = _read_speedups()
    if here not in speedups:
        speedups[here] = round(bf16_speedup(), 2)
        with suppress(FileError, RuntimeError):  # without a folder to keep it in, it is measured each time
            write_atomically(speedups_file(), json.dumps(speedups, indent=1))
    return speedups[here] >= MARGIN


def speedups_file():
    """A JSON file in the user's cache folder: how many times faster bf16 is, for each machine that was timed."""
    return user_cache() / "bf16_speedups.json"


def _read_speedups():
    """The content of `speedups_file()`; an empty dictionary if it is missing or damaged."""
    try:
        speedups = json.loads(speedups_file().read_text(encoding="utf-8"))
        return {machine: float(speedup) for machine, speedup in speedups.items()}
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError):
        return {}


def bf16_speedup():
    """How many times faster the CPU computes in bf16 than in fp32 what dominates a training step.

    The two alternate, and the fastest round of each counts, so that other load on the machine does not decide.
    """
    step = _bottleneck_step()
    seconds = {False: [], True: []}
    for _ in range(1 + ROUNDS):
        for bf16, measured in seconds.items():
            started = time.perf_counter()
            step(bf16)
            measured.append(time.perf_counter() - started)
    return min(seconds[False][1:]) / min(seconds[True][1:])  # the first round allocates


def _bottleneck_step():
    """A function that runs the convolutions of one of the hourglass's bottlenecks, forward and backward."""
    with torch.random.fork_rng(devices=[]):  # a training must not depend on whether this was called
        layers = nn.Conv2d(256, 128, 1), nn.Conv2d(128, 128, 3, padding=1), nn.Conv2d(128, 256, 1)
        images = torch.rand(4, 256, 32, 32)
    layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)

    def step(bf16):
        with autocast(CPU, bf16):
            features = layers(images)
        features.float().sum().backward()

    return step
