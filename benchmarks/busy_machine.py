"""Images per second of a training while other processes use the same cores. Prints a table.

    python benchmarks/busy_machine.py [--seconds 8]

One stack, 128 px, batches of 16. Each figure is from a fresh process. By default OpenMP's idle threads
spin for a while; with PASSIVE alone they sleep at once; where pose is imported first, after some microseconds. A
neighbour computes without pause.
"""

import argparse
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from speed import pose_training

import pose
from pose.runtime.device import keep_freed_memory, machine
from pose.training.loop import train_step

NEIGHBOURS = (0, 1, 3)
ROUNDS = 2
WAYS = {
    "torch imported first": ("torch", {}),
    "OMP_WAIT_POLICY=PASSIVE": ("torch", {"OMP_WAIT_POLICY": "PASSIVE"}),
    "pose imported first": ("pose", {}),
}
SET_BY_POSE = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def images_per_second(seconds):
    """Of one stack, in this process, after one step."""
    keep_freed_memory()
    config = pose.TrainConfig(num_stacks=1, inp_res=128, batch_size=16)
    task, state, samples = pose_training(config)
    train_step(task, state.optimizer, samples)
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        train_step(task, state.optimizer, samples)
        steps += 1
    return steps * config.batch_size / (time.perf_counter() - started)


def in_fresh_process(first, environment, seconds):
    """`images_per_second` of a process that imports the module `first` before all others."""
    code = f"import {first}, busy_machine; print(busy_machine.images_per_second({seconds}))"
    inherited = {name: value for name, value in os.environ.items() if name not in SET_BY_POSE}
    command = [sys.executable, "-c", code]
    output = subprocess.run(
        command, cwd=Path(__file__).parent, env=inherited | environment, check=True, text=True, stdout=subprocess.PIPE
    ).stdout
    return float(output)


@contextmanager
def neighbours(count):
    """So many processes that compute without pause."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="how long each is timed, at least (%(default)s)")
    args = parser.parse_args(argv)
    print(f"{machine()}; images/s in each of {ROUNDS} rounds\n")
    print("| neighbours |", " | ".join(WAYS), "|")
    print("|---" * (1 + len(WAYS)) + "|")
    for count in NEIGHBOURS:
        with neighbours(count):
            rounds = [[in_fresh_process(*way, args.seconds) for way in WAYS.values()] for _ in range(ROUNDS)]
        cells = [", ".join(f"{rate:.1f}" for rate in rates) for rates in zip(*rounds, strict=True)]
        print(f"| {count} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
