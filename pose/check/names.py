"""Checks for image names that some file systems treat as one file."""

import posixpath
import unicodedata
from collections import defaultdict


def same_name(name):
    """A key shared by names that some file systems treat as one file: letter case and Unicode form are ignored."""
    return unicodedata.normalize("NFC", posixpath.normpath(name)).casefold()


def difference(one, other):
    """How two names with the same `same_name` differ."""
    return "case" if unicodedata.normalize("NFC", one) != unicodedata.normalize("NFC", other) else "Unicode form"


def check_names(table):
    """Findings about names that differ in case or Unicode form alone."""
    alike, findings = defaultdict(dict), []
    for row, name in enumerate(table.names):
        alike[same_name(name)].setdefault(posixpath.normpath(name), row)
    for one, *others in (list(rows.values()) for rows in alike.values() if len(rows) > 1):
        for row in others:
            how = difference(table.names[one], table.names[row])
            what = f"differs in {how} alone from {table.names[one]} (line {table.lines[one]})"
            todo = "on Windows and macOS they are the same file: rename one"
            findings.append(table.finding("warning", "name-form", what, todo, row))
    return findings
