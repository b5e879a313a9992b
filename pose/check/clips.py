"""Checks the clips file: its own faults, and the number of clips of each action."""

from collections import Counter

import numpy as np

from pose.clips import parse_clips, untrainable
from pose.runtime.findings import Finding

UNEVEN = 10  # times as many clips of one action as of another


def check_clips(clips_csv, tables):
    """For each table {line: `Clip`} of the clips in it, with rows of that table, and findings.

    A clip may be in any one of the tables. Raises MissingError if the file does not exist.
    """
    clips_of, findings = parse_clips(clips_csv, [table.names for table in tables])
    lines = {line: clip for clips in clips_of for line, clip in clips.items()}
    clips = {line: lines[line] for line in sorted(lines)}
    return clips_of, findings + untrainable(clips, clips_csv) + _imbalance(clips, clips_csv)


def _imbalance(clips, clips_csv):
    """A finding if one action has very many clips and another very few."""
    ranked = Counter(clip.action for clip in clips.values()).most_common()
    if not ranked or ranked[0][1] < UNEVEN * ranked[-1][1]:
        return []
    (most, many), (rarest, few) = ranked[0], ranked[-1]
    what = f"{most!r} has {many} clips, {rarest!r} only {few}"
    return [Finding("warning", "imbalance", what, "record more of the rare actions", str(clips_csv))]


def by_row(clips, table):
    """(M,): the line of clips.csv that each row of the table belongs to, −1 if to none."""
    line_of = np.full(len(table), -1)
    for line, clip in clips.items():
        line_of[clip.rows] = line
    return line_of
