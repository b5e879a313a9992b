"""The text of a joints file, read as far as it can be understood, and what is wrong with it."""

import codecs
import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np

from pose.annotations import LINES_AT_ONCE, is_number, leaves_folder, parse_plain
from pose.check.report import Finding
from pose.runtime.files import read_bytes

_EXTENSION = re.compile(r"\.(bmp|exr|gif|hdr|jp2|jpe?g|pgm|png|ppm|tiff?|webp)$", re.IGNORECASE)
_SEPARATED = {  # style: what the lines of such a file are said to have
    "semicolons": "semicolons between the fields",
    "commas": "commas between the fields",
    "tabs": "empty cells between tabs",
    "decimal commas": "commas for decimal points",
    "mixed": "several kinds of separators",
}


@dataclass
class Table:
    """A joints file as far as it is understood: M lines with a name.

    file: its path. skeleton: whose joints. lines: M line numbers; names: M image names as they stand there.
    landmarks: (M, K, 2) float64, image px, NaN where not labelled or not understood.
    understood: (M,) bool, the lines that have as many numbers as they should.
    paths: M paths of images, "" where there is none. sizes: (M, 2) float64, width and height px, NaN where not known.
    """

    file: str
    skeleton: object
    lines: list
    names: list
    landmarks: np.ndarray
    understood: np.ndarray
    paths: list = field(init=False)
    sizes: np.ndarray = field(init=False)

    def __post_init__(self):
        self.paths = [""] * len(self.names)
        self.sizes = np.full((len(self.names), 2), np.nan)

    def __len__(self):
        return len(self.names)

    @property
    def known(self):
        """(M,) bool: the images whose size is known."""
        return np.isfinite(self.sizes).all(axis=1)

    def finding(self, level, kind, what, todo, row=None, joint=""):
        """A `Finding` about one row or, without one, about the file; joint: a name, or an index."""
        if not isinstance(joint, str):
            joint = self.skeleton.names[joint]
        line, image = (None, "") if row is None else (self.lines[row], self.names[row])
        return Finding(level, kind, what, todo, self.file, line, image, joint)


def read_lines(joints_txt, skeleton):
    """The `Table` of a joints file, and the findings about its text. Raises MissingError and FileError."""
    text, findings = _decoded(read_bytes(joints_txt, "joints file"), str(joints_txt))
    numbered = [(number, line.strip()) for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1)]
    numbered = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    count = 2 * len(skeleton)
    lines, names, rows, faults, styles = [], [], [], [], {}
    for start in range(0, len(numbered), LINES_AT_ONCE):
        block = numbered[start : start + LINES_AT_ONCE]
        plain = parse_plain([line for _, line in block], len(skeleton))
        for (number, line), known in zip(block, plain, strict=True):
            name, numbers, style, fault = (*known, "", None) if known else _understood(line, count)
            if fault:
                faults.append((len(names), *fault))
            if style:
                styles[len(names)] = style
            lines.append(number)
            names.append(name)
            rows.append(numbers)
    landmarks = np.array(rows, np.float64).reshape(-1, len(skeleton), 2)
    understood = np.ones(len(names), bool)
    understood[[row for row, kind, *_ in faults if kind in ("count", "header")]] = False
    table = Table(str(joints_txt), skeleton, lines, names, landmarks, understood)
    if not names:
        todo = f"write lines of an image name and {count} numbers"
        findings.append(table.finding("error", "empty", "holds no image", todo))
    if any("\t" in line for _, line in numbered):
        findings.append(table.finding("note", "tabs", "has tabs between the fields", "nothing to do: they are read"))
    findings += _separators(table, styles) + _faults(table, faults) + _not_finite(table) + _names(table)
    return table, findings


def _decoded(content, file):
    """The text of a file's bytes, and findings about encoding and line ends."""
    findings, encoding = [], _utf_16(content)
    if encoding:
        findings.append(Finding("error", "encoding", "is written in UTF-16", "save it as UTF-8", file))
        text = content.decode(encoding, "replace").removeprefix("\ufeff")
    else:
        if content.startswith(codecs.BOM_UTF8):
            what = "begins with a byte order mark"
            findings.append(Finding("note", "encoding", what, "nothing to do: it is skipped", file, 1))
        text = content.decode("utf-8-sig", "surrogateescape")
        if re.search("[\udc80-\udcff]", text):
            what = "holds characters that are not UTF-8"
            findings.append(Finding("warning", "encoding", what, "save it as UTF-8, or rename the images", file))
    if "\r" in text:
        ends = "Windows" if "\r\n" in text else "old Mac"
        findings.append(Finding("note", "line-ends", f"has {ends} line ends", "nothing to do: they are read", file))
    if "\0" in text:
        findings.append(Finding("error", "encoding", "holds zero bytes", "it is damaged: write it anew", file))
    return text, findings


def _utf_16(content):
    """The encoding's name where these bytes are UTF-16: they begin with its mark, or every other one is mostly 0."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    start = content[:1000]
    for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) > 10 and start[offset::2].count(0) > len(start) / 4:
            return name
    return None


def _understood(line, count):
    """(name, `count` numbers, style, fault) of one line; style "" is the right one, fault a (kind, what, todo)."""
    for style, split in _STYLES.items():
        name, *fields = split(line, count) or [""]
        if name and len(fields) == count and all(map(is_number, fields)):
            *front, last = re.split(r"[\s,;]+", name)
            if not (front and is_number(last)):
                return name, [float(text) for text in fields], style, None
    return _partly(line, count)


def _blanks(line, count):
    return line.rsplit(maxsplit=count)


def _cells(separator):
    """A function that splits a line as a table program writes it: an empty cell is no label."""

    def split(line, count):
        while line.count(separator) > count and line.endswith(separator):  # empty columns behind
            line = line.removesuffix(separator).rstrip(" ")
        name, *numbers = (cell.strip(" \"'") for cell in line.rsplit(separator, count))
        if sum(map(bool, numbers)) < 2 or name.endswith(separator):
            return None
        return [name, *((number or "nan").replace(",", ".") for number in numbers)]

    return split


def _decimal_commas(line, count):
    name, *numbers = line.rsplit(maxsplit=count)
    return [name, *(number.replace(",", ".") for number in numbers)]


def _mixed(line, count):
    fields = re.split(r"[\s,;]+", line.strip(" \t,;"))
    return [" ".join(fields[:-count]), *fields[-count:]]


_STYLES = {
    "": _blanks,
    "semicolons": _cells(";"),
    "commas": _cells(","),
    "tabs": _cells("\t"),
    "decimal commas": _decimal_commas,
    "mixed": _mixed,
}


def _partly(line, count):
    """What `_understood` returns of a line that has a fault in every style: numbers as far as they can be told."""
    fields = max(line.split(";"), line.split(), line.split(","), key=len)
    after = 1 + max((i for i, text in enumerate(fields) if _EXTENSION.search(text)), default=0)
    name, fields = " ".join(fields[:after]), [text.strip().replace(",", ".") or "nan" for text in fields[after:]]
    values = [float(text) if is_number(text) else np.nan for text in fields]
    wrong = [text for text in fields if not is_number(text)]
    if len(fields) == count and wrong:
        if len(wrong) > count / 2:
            return name, [np.nan] * count, "", ("header", "holds words, not numbers", "remove it, or begin it with #")
        pairs = np.array(values).reshape(-1, 2)
        pairs[np.isnan(pairs).any(axis=1)] = np.nan
        what, todo = f"{_short(wrong[0])} is not a number", "write pixels with a decimal point, or nan"
        return name, pairs.ravel().tolist(), "", ("number", what, todo)
    what = f"has {len(fields)} numbers after the name instead of {count}"
    return name, [np.nan] * count, "", ("count", what, _count_advice(len(fields), count))


def _count_advice(found, count):
    joints = count // 2
    if found == 3 * joints:
        return "is there a third number a joint, of visibility or confidence? Leave it out"
    if found < count:
        return f"add what is missing: x y of {joints} joints, 'nan nan' without label"
    return f"keep x y of {joints} joints; is this another skeleton, or another column?"


def _short(text, most=40):
    return repr(text if len(text) <= most else text[: most - 1] + "…")


def _separators(table, styles):
    """One finding where most lines have another style than blanks; else one for each line that has."""
    findings = []
    for style, number in Counter(styles.values()).items():
        what, todo = f"has {_SEPARATED[style]}", "write blanks between the fields and decimal points"
        if number > len(table) / 2:
            findings.append(table.finding("error", "separators", f"{what} (lines: {number})", todo))
        else:
            rows = [row for row, other in styles.items() if other == style]
            findings += [table.finding("error", "separators", what, todo, row) for row in rows]
    return findings


def _faults(table, faults):
    """Findings of faults (row, kind, what, todo): one where most of the lines have the same."""
    findings, common = [], Counter((kind, what, todo) for _, kind, what, todo in faults)
    of_file = {fault for fault, number in common.items() if fault[0] == "count" and number > max(1, len(table) / 2)}
    for kind, what, todo in of_file:
        what = f"each line {what} (lines: {common[kind, what, todo]})"
        findings.append(table.finding("error", kind, what, todo))
    rest = [fault for fault in faults if fault[1:] not in of_file]
    return findings + [table.finding("error", kind, what, todo, row) for row, kind, what, todo in rest]


def _not_finite(table):
    """Findings of infinite numbers and of halves of joints, which become NaN, as does `0 0`."""
    findings, landmarks = [], table.landmarks
    infinite = np.isinf(landmarks).any(axis=-1)
    half = np.isnan(landmarks).sum(axis=-1) == 1
    for kind, wrong, what, todo in (
        ("infinite", infinite, "a coordinate is infinite", "write pixels, or 'nan nan' for a joint without label"),
        ("half", half & ~infinite, "only one of x and y is nan", "write both, or 'nan nan'"),
    ):
        findings += [
            one_a_line(table, "error", kind, what, todo, row, wrong[row]) for row in np.flatnonzero(wrong.any(1))
        ]
    minus_one = (landmarks == -1).all(axis=-1)
    if minus_one.any():
        what, todo = f"{minus_one.sum():,} joints lie at (-1, -1)", "write 'nan nan' for a joint without label"
        findings.append(table.finding("warning", "minus-one", what, todo))
    unlabelled = minus_one | infinite | np.isnan(landmarks).any(axis=-1) | (landmarks == 0).all(axis=-1)
    landmarks[unlabelled] = np.nan
    return findings


def one_a_line(table, level, kind, what, todo, row, joints):
    """The finding about the joints (K,) bool of a line: it names the first, and how many there are more."""
    first, *more = np.flatnonzero(joints)
    what += f", {len(more)} more with it" if more else ""
    return table.finding(level, kind, what, todo, row, first)


def same_name(name):
    """What two names share that are one file to some computers: letters in either case, accents in either form."""
    return unicodedata.normalize("NFC", posixpath.normpath(name)).casefold()


def _names(table):
    """Findings of names that leave the folder, stand twice, or differ in case or Unicode form alone."""
    findings, first, alike = [], {}, defaultdict(list)
    for row, name in enumerate(table.names):
        same = posixpath.normpath(name)
        if leaves_folder(name):
            todo = "write names relative to the image folder, with / and without .."
            findings.append(table.finding("error", "name", "leaves the image folder", todo, row))
        if same in first:
            what = f"stands on line {table.lines[first[same]]} already"
            findings.append(table.finding("error", "duplicate", what, "keep one of the two lines", row))
        else:
            first[same] = row
            alike[same_name(name)].append(row)
    for one, *others in (rows for rows in alike.values() if len(rows) > 1):
        for row in others:
            how = difference(table.names[one], table.names[row])
            what = f"differs in {how} alone from {table.names[one]} (line {table.lines[one]})"
            todo = "on Windows and Macs the two are one file: rename one"
            findings.append(table.finding("warning", "name-form", what, todo, row))
    return findings


def difference(one, other):
    return "case" if unicodedata.normalize("NFC", one) != unicodedata.normalize("NFC", other) else "Unicode form"
