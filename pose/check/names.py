"""Names of images that are one file to some computers."""

import posixpath
import unicodedata
from collections import defaultdict


def same_name(name):
    """What two names share that are one file to some computers: letters in either case, accents in either form."""
    return unicodedata.normalize("NFC", posixpath.normpath(name)).casefold()


def difference(one, other):
    """How two names differ that have the same `same_name`."""
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
            todo = "on Windows and Macs the two are one file: rename one"
            findings.append(table.finding("warning", "name-form", what, todo, row))
    return findings
