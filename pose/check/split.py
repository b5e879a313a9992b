"""Checks training and validation files for images and people that both contain."""

import posixpath

from pose.people import image_file
from pose.runtime.findings import Finding


def check_copies(tables, groups):
    """Findings about groups of paths with the same content: copies within a file, and across files."""
    findings, row_of = [], [{path: row for row, path in enumerate(table.paths) if path} for table in tables]
    for group in groups:
        inside = [[rows[path] for path in group if path in rows] for rows in row_of]
        for table, rows in zip(tables, inside, strict=True):
            if len(rows) > 1:
                findings.append(_copy(table, rows))
        if len(tables) == 2 and all(inside) and tables[0].paths[inside[0][0]] != tables[1].paths[inside[1][0]]:
            other = f"{tables[0].names[inside[0][0]]} (line {tables[0].lines[inside[0][0]]} of {tables[0].file})"
            what = f"has the same content as {other}, which the network is trained on"
            findings.append(tables[1].finding("error", "shared-image", what, "remove one of them", inside[1][0]))
    return findings


def _copy(table, rows):
    first, *others = sorted(rows)
    names = ", ".join(f"{table.names[row]} (line {table.lines[row]})" for row in others[:3])
    names += f" and {len(others) - 3} more" if len(others) > 3 else ""
    return table.finding(
        "warning", "copy", f"has the same content as {names}", "keep one, if they are the same picture", first
    )


def _picture(name):
    return image_file(posixpath.normpath(name))


def check_division(train, valid, clips_of, clips_csv):
    """Findings about image names, and subjects, that both contain; clips_of: {line: `Clip`} for each."""
    first = {_picture(name): row for row, name in enumerate(train.names)}
    findings = []
    for row, name in enumerate(valid.names):
        other = first.get(_picture(name))
        if other is not None:
            what = f"is in training, too (line {train.lines[other]} of {train.file})"
            todo = "remove one of the two lines; people of one picture belong on one side"
            findings.append(valid.finding("error", "shared-image", what, todo, row))
    sides = [{clip.subject for clip in clips.values()} for clips in clips_of]
    for subject in sorted(sides[0] & sides[1]):
        what = f"the subject {subject!r} is in training and in validation"
        todo = "keep each person on one side: otherwise validation shows people seen in training"
        findings.append(Finding("warning", "shared-subject", what, todo, str(clips_csv)))
    return findings
