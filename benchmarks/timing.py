"""Timing ways to do one thing against each other on a machine that others use, too."""

import multiprocessing
import re
import resource
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch


class Timed(NamedTuple):
    """seconds: (rounds,) of a call. memory: the process's peak in GB. result: what the last call returned."""

    seconds: np.ndarray
    memory: float
    result: object


def compare(ways, rounds=9, threads=None):
    """{name: `Timed`} of {name: make}, where `make()` prepares and returns the function to be timed.

    Each way lives in a process of its own, so that neither the allocator's tuning nor the memory of one falls to
    another. In each round every way runs once, after one round to warm up: whatever else the machine does falls on all
    alike, and ratios within a round count. `make` must be importable: a function of a module, or a partial of one.
    """
    spawn = multiprocessing.get_context("spawn")
    workers = {name: _start(spawn, make, threads or torch.get_num_threads()) for name, make in ways.items()}
    seconds, timed = {name: [] for name in ways}, {}
    try:
        for number in range(rounds + 1):
            for name, (_, pipe) in workers.items():
                time.sleep(0.02)  # threads of the way before may still be spinning
                pipe.send("run")
                elapsed = _answer(name, pipe)
                if number:
                    seconds[name].append(elapsed)
        for name, (_, pipe) in workers.items():
            pipe.send("stop")
            timed[name] = Timed(np.array(seconds[name]), *_answer(name, pipe))
    finally:
        for process, pipe in workers.values():
            pipe.close()  # so that none waits for more
            process.join()
    return timed


def _start(spawn, make, threads):
    here, there = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(make, there, threads), daemon=False)
    process.start()
    there.close()  # so that a process that dies is noticed
    return process, here


def _answer(name, pipe):
    try:
        return pipe.recv()
    except EOFError:
        raise SystemExit(f"the process of {name!r} broke off; its message stands above") from None


def _serve(make, pipe, threads):
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    way, result = make(), None
    while _asked(pipe) == "run":
        started = time.perf_counter()
        result = way()
        pipe.send(time.perf_counter() - started)
    pipe.send((peak_memory(), result))


def peak_memory():
    """Of this process, GB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts a parent's peak among a child's resources, but not here
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9  # bytes on a Mac


def _asked(pipe):
    try:
        return pipe.recv()
    except EOFError:  # the comparison was broken off
        raise SystemExit from None


def rows(work, timed, per=1):
    """Markdown rows of `compare`'s answer: the median in ms of each of `per` pieces, with the smallest and the largest;
    how often faster than the first way, with the smallest and the largest ratio of a round; the peak memory."""
    first = next(iter(timed.values()))
    lines = []
    for name, one in timed.items():
        ms, ratio = one.seconds / per * 1e3, first.seconds / one.seconds
        lines.append(
            f"| {work} | {name} | {np.median(ms):.4g} ({ms.min():.4g} … {ms.max():.4g}) | "
            f"{np.median(ratio):.1f}× ({ratio.min():.1f} … {ratio.max():.1f}) | {one.memory:.1f} |"
        )
    return lines


HEADER = ["| work | way | ms | faster than the plain way | peak, GB |", "|---|---|---|---|---|"]
