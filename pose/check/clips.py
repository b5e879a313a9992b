"""The clips file: its own faults, and how many clips and people each action has."""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from pose.annotations import AnnotationError, Annotations
from pose.check.report import Finding
from pose.clips import parse_clips
from pose.runtime.errors import DataError, MissingError

UNEVEN = 10  # times as many clips of one action as of another
NOT_HERE = "is no image of the joints file"
_KINDS = {  # what a message of `parse_clips` holds
    "image(s) with": "clip-overlap",
    NOT_HERE: "clip-range",
    "before first_image": "clip-range",
    "one recording": "clip-range",
}


def check_clips(clips_csv, tables):
    """For each table {line: `Clip`} of the clips that lie in it, whose rows are the table's, and findings.

    A clip may lie in any one of the tables. Raises MissingError where there is no such file.
    """
    file = str(Path(clips_csv))
    if not Path(clips_csv).is_file():
        raise MissingError(f"{clips_csv}: there is no such clips file; check the path")
    try:
        parsed = [parse_clips(clips_csv, Annotations(table.names, table.landmarks)) for table in tables]
    except AnnotationError as error:
        messages = [fault.removeprefix(f"{file}, line ").partition(": ") for fault in error.faults]
        return [{} for _ in tables], [_finding("clip", int(line), message, file) for line, _, message in messages]
    except DataError:
        finding = Finding("error", "encoding", "is written in UTF-16", "save it as comma-separated UTF-8", file)
        return [{} for _ in tables], [finding]
    clips_of = [clips for clips, _ in parsed]
    clips = {line: clip for some in clips_of for line, clip in some.items()}
    faults = {fault for _, some in parsed for fault in some if not (fault[0] in clips and NOT_HERE in fault[1])}
    findings = [_finding(_kind(message), line, message, file) for line, message in sorted(faults)]
    for line, clip in clips.items():
        if len(clip) == 1:
            message = f"the clip {clip.name!r} has a single image; movement needs two or more, so lengthen or remove it"
            findings.append(_finding("clip-range", line, message, file))
    return clips_of, findings + _balance(dict(sorted(clips.items())), file)


def _kind(message):
    return next((kind for part, kind in _KINDS.items() if part in message), "clip")


def _finding(kind, line, message, file):
    what, _, todo = message.partition("; ")
    return Finding("error", kind, what, todo, file, line)


def _balance(clips, file):
    """Actions of a single one of several people, and actions with very many or very few clips."""
    people, count, first = defaultdict(set), Counter(), {}
    for line, clip in clips.items():
        people[clip.action].add(clip.subject)
        count[clip.action] += 1
        first.setdefault(clip.action, line)
    findings = []
    if len(set().union(*people.values())) > 1:
        for action in (action for action, who in people.items() if len(who) == 1):
            what = f"only the subject {next(iter(people[action]))!r} performs {action!r}"
            todo = "record it with others, or remove its clips: nobody else could be tested on it"
            findings.append(Finding("error", "lonely-action", what, todo, file, first[action]))
    ranked = count.most_common()
    if ranked and ranked[0][1] >= UNEVEN * ranked[-1][1]:
        (most, many), (least, few) = ranked[0], ranked[-1]
        what = f"{most!r} has {many} clips, {least!r} only {few}"
        findings.append(Finding("warning", "imbalance", what, "record more of the rare actions", file))
    return findings


def by_row(clips, table):
    """(M,): the line of clips.csv that each row of the table belongs to, −1 where to none."""
    line_of = np.full(len(table), -1)
    for line, clip in clips.items():
        line_of[clip.rows] = line
    return line_of
