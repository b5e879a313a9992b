"""Compares the timing of alternative implementations on a shared machine."""

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
    """seconds: (rounds,) of each call. memory: the process's peak in GB. result: what the last call returned."""

    seconds: np.ndarray
    memory: float
    result: object


def compare(ways, rounds=9, threads=None):
    """{name: `Timed`} of {name: make}, where `make()` prepares and returns the function to time.

    Each runs in its own process, so that the allocator's tuning and the memory of one do not affect another. In each
    round every one runs once, after a warm-up round: other load on the machine affects all alike, so the ratios within
    a round are what counts. `make` must be importable: a function of a module, or a partial of one.
    """
    spawn = multiprocessing.get_context("spawn")
    workers = {name: _start(spawn, make, threads or torch.get_num_threads()) for name, make in ways.items()}
    seconds, timed = {name: [] for name in ways}, {}
    try:
        for number in range(rounds + 1):
            for name, (_, pipe) in workers.items():
                time.sleep(0.02)  # threads of the previous one may still be spinning
                pipe.send("run")
                elapsed = _receive_result(name, pipe)
                if number:
                    seconds[name].append(elapsed)
        for name, (_, pipe) in workers.items():
            pipe.send("stop")
            timed[name] = Timed(np.array(seconds[name]), *_receive_result(name, pipe))
    finally:
        for process, pipe in workers.values():
            pipe.close()  # so that none keeps waiting
            process.join()
    return timed


def _start(spawn, make, threads):
    here, there = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(make, there, threads), daemon=False)
    process.start()
    there.close()  # so that a dead process is noticed
    return process, here


def _receive_result(name, pipe):
    try:
        return pipe.recv()
    except EOFError:
        raise SystemExit(f"the process of {name!r} died; see its message above") from None


def _serve(make, pipe, threads):
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    way, result = make(), None
    while _receive_command(pipe) == "run":
        started = time.perf_counter()
        result = way()
        pipe.send(time.perf_counter() - started)
    pipe.send((peak_memory(), result))


def peak_memory():
    """The peak memory of this process, GB."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux ru_maxrss of a child includes its parent's peak
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9  # bytes on macOS


def _receive_command(pipe):
    try:
        return pipe.recv()
    except EOFError:  # the comparison was interrupted
        raise SystemExit from None


def rows(work, timed, per=1):
    """Markdown rows of `compare`'s result: the median in ms of each of `per` pieces, with minimum and maximum; how many
    times faster than the first, with the minimum and maximum ratio of a round; the peak memory."""
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
