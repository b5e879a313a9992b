"""Timing ways to do one thing against each other on a machine that others use, too."""

import time

import numpy as np


def compare(ways, rounds=9):
    """{name: seconds (rounds,)} of {name: function}: in each round every way runs once, after one round to warm up.

    So whatever else the machine does falls on all ways alike, and ratios within a round count.
    """
    seconds = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return {name: np.array(values) for name, values in seconds.items()}


def rows(work, seconds, per=1):
    """Markdown rows of `compare`'s answer: milliseconds each (`per` pieces a call), and how often faster than the first
    way, with the smallest and the largest ratio of a round."""
    first = next(iter(seconds.values()))
    lines = []
    for name, values in seconds.items():
        ratio = first / values
        lines.append(
            f"| {work} | {name} | {np.median(values) / per * 1e3:.2f} | "
            f"{np.median(ratio):.1f}× ({ratio.min():.1f} … {ratio.max():.1f}) |"
        )
    return lines


HEADER = ["| work | way | ms | faster than the plain way |", "|---|---|---|---|"]
