"""The text of a joints file: its lines as far as they can be understood, and what is wrong with them.

One image a line, `image_name x1 y1 x2 y2 … x20 y20`, pixels in that image, separated by white space. The
numbers are the last fields, so a name may hold spaces. Blank lines and lines that begin with # are skipped.
`nan nan` and `0 0` (what the Kinect writes for an untracked joint) mean that the joint is not labelled.
A line `# joints: name1 name2 …` says whose coordinates these are, where it is not the default skeleton.
"""

import posixpath
import re
from array import array
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from pose.runtime.files import encoding_of
from pose.runtime.findings import Finding

LINES_AT_ONCE = 500
FARTHEST = 1e6  # px; no image is so large
JOINTS = "# joints:"
_EXTENSION = re.compile(r"\.(bmp|exr|gif|hdr|jp2|jpe?g|pgm|png|ppm|tiff?|webp)$", re.IGNORECASE)
_NOT_UTF_8 = re.compile("[\udc80-\udcff]")


@dataclass
class Table:
    """A joints file as far as it is understood: M lines with a name.

    file: its path. skeleton: whose joints. lines: M line numbers; names: M image names as the file has them.
    landmarks: (M, K, 2) float64, image px, NaN where not labelled or not understood.
    understood: (M,) bool, the lines that have as many numbers as they should.
    paths: M paths of images, "" where there is none. sizes: (M, 2) float64, width and height px, NaN where not known.
    """

    file: str
    skeleton: object
    lines: array
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

    def sound(self, findings):
        """The rows that are understood and have none of the errors among the findings, as a list."""
        wrong = {one.line for one in findings if one.level == "error"}
        return [row for row in np.flatnonzero(self.understood).tolist() if self.lines[row] not in wrong]

    def finding(self, level, kind, what, todo, row=None, joint=""):
        """A `Finding` about one row or, without one, about the file; joint: a name, or an index."""
        if not isinstance(joint, str):
            joint = self.skeleton.names[joint]
        line, image = (None, "") if row is None else (self.lines[row], self.names[row])
        return Finding(level, kind, what, todo, self.file, line, image, joint)


def read_table(joints_txt, skeleton):
    """The `Table` of a joints file, and all findings about its text. Raises MissingError and FileError."""
    count = 2 * len(skeleton)
    lines, names, faults, landmarks = array("q"), [], [], array("d")  # arrays, for a million lines must fit
    text = _Text(joints_txt)
    for block in text.blocks():
        content = [line for _, line in block]
        new_names, numbers, wrong = _plain(content, count) or _careful(content, count)
        wrong += _coordinates(numbers.reshape(len(content), -1, 2))
        faults += [(len(names) + row, *fault) for row, *fault in wrong]
        landmarks.frombytes(numbers.tobytes())
        lines.extend(number for number, _ in block)
        names += new_names
    landmarks = np.frombuffer(landmarks).reshape(-1, len(skeleton), 2)
    understood = np.ones(len(names), bool)
    understood[[row for row, kind, *_ in faults if kind in ("count", "header")]] = False
    table = Table(str(joints_txt), skeleton, lines, names, landmarks, understood)
    findings = _of_text(table, text) + _of_lines(table, faults)
    return table, findings + _of_names(table, table.sound(findings))


def joints_line(skeleton):
    """The comment that says whose coordinates a joints file has."""
    return f"{JOINTS} {' '.join(_words(skeleton))}"


def _words(skeleton):
    return " ".join(skeleton.names).split()


class _Text:
    """The lines of a joints file, and what is noticed while they are read.

    encoding: its name. holds: which of "tabs", "zeros" and "other bytes" were met. ends: the kinds of line ends.
    orders: (line, names) of each comment that names the joints.
    """

    def __init__(self, path):
        self.path, self.encoding = path, encoding_of(path, "joints file")
        self.holds, self.ends, self.orders = set(), "", []

    def blocks(self):
        """Lists of (number, line without blanks around it) of lines that hold an image."""
        errors = "replace" if self.encoding.startswith("utf-16") else "surrogateescape"
        with open(self.path, encoding=self.encoding, errors=errors) as file:
            numbered = enumerate(file, start=1)
            while block := list(islice(numbered, LINES_AT_ONCE)):
                text = "".join(line for _, line in block)
                block = [(number, line.strip()) for number, line in block]
                if "#" in text:
                    self.orders += [(n, line[len(JOINTS) :].split()) for n, line in block if line.startswith(JOINTS)]
                block = [(number, line) for number, line in block if line and line[0] != "#"]
                if "\t" in text and any("\t" in line for _, line in block):
                    self.holds.add("tabs")
                if "\0" in text:
                    self.holds.add("zeros")
                if not text.isascii() and _NOT_UTF_8.search(text):
                    self.holds.add("other bytes")
                if block:
                    yield block
            self.ends = "".join(file.newlines or ())


def _of_text(table, text):
    """Findings about the file as a whole."""
    found = []
    if text.encoding.startswith("utf-16"):
        found.append(("error", "encoding", "is saved as UTF-16", "save it as UTF-8"))
    if text.encoding == "utf-8-sig":
        found.append(("note", "encoding", "begins with a byte order mark", "nothing to do: it is skipped"))
    if "other bytes" in text.holds:
        todo = "save it as UTF-8, or rename the images"
        found.append(("warning", "encoding", "holds characters that are not UTF-8", todo))
    if "zeros" in text.holds:
        found.append(("error", "encoding", "holds zero bytes", "it is damaged: write it again"))
    if "\r" in text.ends:
        ends = "Windows" if "\r\n" in text.ends else "old Mac"
        found.append(("note", "line-ends", f"has {ends} line ends", "nothing to do: they are read"))
    if "tabs" in text.holds:
        found.append(("note", "tabs", "has tabs between the fields", "nothing to do: they are read"))
    if not len(table):
        todo = f"write lines of an image name and {2 * len(table.skeleton)} numbers"
        found.append(("error", "empty", "holds no image", todo))
    for number, names in text.orders:
        if names != _words(table.skeleton):
            what = f"line {number} names the joints {', '.join(names)}, which the skeleton does not have in this order"
            found.append(("error", "skeleton", what, "pass the skeleton= that names these joints"))
    return [table.finding(*one) for one in found]


def _plain(lines, count):
    """What `_careful` returns, sooner, where all lines hold a name without spaces and `count` numbers; else None."""
    parts = [line.split(None, 1) for line in lines]
    if all(len(part) == 2 for part in parts):
        try:
            numbers = np.loadtxt([text for _, text in parts], comments=None, ndmin=2)
        except ValueError:
            return None
        if numbers.shape == (len(lines), count):
            return [name for name, _ in parts], numbers, []
    return None


def _careful(lines, count):
    """M names, numbers (M, count) float64, and faults (row, kind, what, todo), of M lines."""
    names, numbers, faults = zip(*(_understood(line, count) for line in lines), strict=True)
    return list(names), np.array(numbers), [(row, *fault) for row, fault in enumerate(faults) if fault]


def _understood(line, count):
    """(name, `count` numbers, fault) of one line; the fault is a (kind, what, todo) or None."""
    for style, split in _STYLES.items():
        name, *fields = split(line, count) or [""]
        numbers = _numbers(fields)
        if name and numbers and len(fields) == count:
            *front, last = re.split(r"[\s,;]+" if style else r"\s+", name)
            if not (front and is_number(last)):
                todo = "write blanks between the fields and decimal points"
                return name, numbers, ("separators", f"has {style}", todo) if style else None
    return _partly(line, count)


def _numbers(fields):
    """What float() makes of each field, or None where one is no number."""
    try:
        return list(map(float, fields))
    except ValueError:
        return None


def is_number(text):
    return _numbers([text]) is not None


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


_STYLES = {  # what is said of such lines, and how they are split into a name and numbers
    "": _blanks,
    "semicolons between the fields": _cells(";"),
    "commas between the fields": _cells(","),
    "empty cells between tabs": _cells("\t"),
    "commas for decimal points": _decimal_commas,
    "several kinds of separators": _mixed,
}


def _partly(line, count):
    """What `_understood` returns of a line that has a fault in every style: numbers as far as they can be told."""
    fields = max(line.split(";"), line.split(), line.split(","), key=len)
    after = 1 + max((i for i, text in enumerate(fields) if _EXTENSION.search(text)), default=0)
    name, fields = " ".join(fields[:after]), [text.strip().replace(",", ".") or "nan" for text in fields[after:]]
    if len(fields) != count:
        what = f"has {len(fields)} numbers after the name instead of {count}"
        return name, [np.nan] * count, ("count", what, _count_advice(len(fields), count))
    wrong = [text for text in fields if not is_number(text)]
    if not wrong:
        what = f"has no image name before its {count} numbers, or one that ends in a number"
        return name, [np.nan] * count, ("count", what, _count_advice(count + 1, count))
    if len(wrong) > count / 2:
        return name, [np.nan] * count, ("header", "holds words, not numbers", "remove it, or begin it with #")
    pairs = np.array([float(text) if is_number(text) else np.nan for text in fields]).reshape(-1, 2)
    pairs[np.isnan(pairs).any(axis=1)] = np.nan
    what, todo = f"{_short(wrong[0])} is not a number", "write pixels with a decimal point, or nan"
    return name, pairs.ravel().tolist(), ("number", what, todo)


def _count_advice(found, count):
    joints = count // 2
    if found == 3 * joints:
        return "is there a third number a joint, of visibility or confidence? Leave it out"
    if found < count:
        return f"add the missing ones: x y of {joints} joints, 'nan nan' without label"
    return f"keep x y of {joints} joints; is this another skeleton, or another column?"


def _short(text, most=40):
    return repr(text if len(text) <= most else text[: most - 1] + "…")


def _coordinates(landmarks):
    """Faults (row, kind, what, todo, joint) of landmarks (M, K, 2); what is no label becomes NaN in place."""
    x, y = landmarks[..., 0], landmarks[..., 1]
    infinite = np.isinf(x) | np.isinf(y)
    half = (np.isnan(x) ^ np.isnan(y)) & ~infinite
    far = ((np.abs(x) > FARTHEST) | (np.abs(y) > FARTHEST)) & ~infinite & ~half
    faults = []
    for kind, wrong, what, todo in (
        ("infinite", infinite, "a coordinate is infinite", "write pixels, or 'nan nan' without label"),
        ("half", half, "has only one of x and y", "write both, or 'nan nan'"),
        ("outside", far, "lies at {:.3g}, {:.3g}", "correct the number; is a decimal point missing?"),
    ):
        for row in np.unique(np.nonzero(wrong)[0]).tolist():
            joints = np.flatnonzero(wrong[row]).tolist()
            number = f" (joints: {len(joints)})" if len(joints) > 1 else ""
            faults.append((row, kind, what.format(*landmarks[row, joints[0]]) + number, todo, joints[0]))
    landmarks[infinite | half | far | ((x == 0) & (y == 0))] = np.nan
    return faults


def _of_lines(table, faults):
    """Findings of faults (row, kind, what, todo), some with a joint; one where most lines have the same."""
    common = Counter(tuple(fault) for _, *fault in faults if fault[0] in ("count", "separators"))
    of_file = {fault: number for fault, number in common.items() if number > max(1, len(table) / 2)}
    findings = [
        table.finding("error", kind, f"{what} (lines: {count})", todo) for (kind, what, todo), count in of_file.items()
    ]
    rest = [fault for fault in faults if fault[1:] not in of_file]
    return findings + [table.finding("error", kind, what, todo, row, *joint) for row, kind, what, todo, *joint in rest]


def _of_names(table, rows):
    """Findings about rows whose names leave the folder, or have been used before."""
    findings, first = [], {}
    for row in rows:
        name = table.names[row]
        same = posixpath.normpath(name)  # a.png and ./a.png are one image
        if leaves_folder(name):
            todo = "write names relative to the image folder, with / and without .."
            findings.append(table.finding("error", "name", f"{name!r} leaves the image folder", todo, row))
        elif same in first:
            what = f"{name!r} is already on line {table.lines[first[same]]}"
            findings.append(table.finding("error", "duplicate", what, "keep one of the two lines", row))
        else:
            first[same] = row
    return findings


def leaves_folder(name):
    return "\\" in name or name.startswith("/") or name[1:2] == ":" or ".." in name.split("/")  # C: is a drive
