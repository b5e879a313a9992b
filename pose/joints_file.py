"""Parser for joints files: reads each line as far as it can be understood, and reports what is wrong with it.

One image per line, `image_name x1 y1 x2 y2 … x20 y20`, in pixels of that image, separated by white space. The numbers
are the last fields, so a name may contain spaces. `photo.jpg#2` is the second person of photo.jpg. Blank lines and
lines that start with # are skipped. `nan nan` and `0 0` (which the Kinect writes for an untracked joint) mean that the
joint is not labelled. A line `# joints: name1 name2 …` names the joints if they are not those of the default skeleton.
"""

import posixpath
import re
from array import array
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from pose.people import image_file, person_key, person_number
from pose.runtime.files import encoding_of
from pose.runtime.findings import Finding

LINES_PER_BLOCK = 500
MAX_COORDINATE = 1e6  # px; larger than any image
JOINTS = "# joints:"
_EXTENSION = re.compile(r"\.(bmp|exr|gif|hdr|jp2|jpe?g|pgm|png|ppm|tiff?|webp)(#\d+)?$", re.IGNORECASE)
_NOT_UTF_8 = re.compile("[\udc80-\udcff]")


@dataclass
class Table:
    """A joints file as far as it could be parsed: M lines with a name.

    file: its path. skeleton: its joints. lines: M line numbers; names: M image names as written in the file.
    landmarks: (M, K, 2) float64, image px, NaN where not labelled or not parsed.
    parsed: (M,) bool, the lines with the right number of numbers.
    paths: M image paths, "" if there is no image. sizes: (M, 2) float64, width and height px, NaN where unknown.
    """

    file: str
    skeleton: object
    lines: array
    names: list
    landmarks: np.ndarray
    parsed: np.ndarray
    paths: list = field(init=False)
    sizes: np.ndarray = field(init=False)

    def __post_init__(self):
        self.paths = [""] * len(self.names)
        self.sizes = np.full((len(self.names), 2), np.nan)

    def __len__(self):
        return len(self.names)

    def sort_by_person(self):
        """Moves second people behind all first ones, and so on, so that neighbouring rows show the same person."""
        person = [person_number(name) for name in self.names]
        order = sorted(range(len(self)), key=person.__getitem__)  # stable
        self.lines = array("q", (self.lines[row] for row in order))
        self.names = [self.names[row] for row in order]
        self.landmarks, self.parsed = self.landmarks[order], self.parsed[order]

    @property
    def known(self):
        """(M,) bool: the images whose size is known."""
        return np.isfinite(self.sizes).all(axis=1)

    def sound(self, findings):
        """The rows that were parsed and have no error among the findings, as a list."""
        wrong = {one.line for one in findings if one.level == "error"}
        return [row for row in np.flatnonzero(self.parsed).tolist() if self.lines[row] not in wrong]

    def finding(self, level, kind, what, todo, row=None, joint=""):
        """A `Finding` about one row or, without a row, about the file; joint: a name, or an index."""
        if not isinstance(joint, str):
            joint = self.skeleton.names[joint]
        line, image = (None, "") if row is None else (self.lines[row], self.names[row])
        return Finding(level, kind, what, todo, self.file, line, image, joint)


def read_table(joints_txt, skeleton):
    """The `Table` of a joints file, and all findings about its text. Raises MissingError and FileError."""
    count = 2 * len(skeleton)
    lines, names, faults, landmarks = array("q"), [], [], array("d")  # arrays, since a million lines must fit
    text = _Text(joints_txt)
    for block in text.blocks():
        content = [line for _, line in block]
        new_names, numbers, wrong = _parse_fast(content, count) or _parse_carefully(content, count)
        wrong += _coordinates(numbers.reshape(len(content), -1, 2))
        faults += [(len(names) + row, *fault) for row, *fault in wrong]
        landmarks.frombytes(numbers.tobytes())
        lines.extend(number for number, _ in block)
        names += new_names
    landmarks = np.frombuffer(landmarks).reshape(-1, len(skeleton), 2)
    parsed = np.ones(len(names), bool)
    parsed[[row for row, kind, *_ in faults if kind in ("count", "header")]] = False
    table = Table(str(joints_txt), skeleton, lines, names, landmarks, parsed)
    findings = _of_text(table, text) + _of_lines(table, faults)
    return table, findings + _of_names(table, table.sound(findings))


def joints_line(skeleton):
    """The comment that names the joints of a joints file."""
    return f"{JOINTS} {' '.join(_words(skeleton))}"


def _named(line):
    """The joints that a comment names, as a list; empty if it does not."""
    start, _, names = line.partition(":")
    return names.replace(",", " ").split() if start.replace(" ", "").lower() == "#joints" else []


def _words(skeleton):
    return " ".join(skeleton.names).split()


class _Text:
    """The lines of a joints file, and what is noticed while reading them.

    encoding: its name. holds: which of "tabs", "zeros" and "other bytes" occurred. ends: the kinds of line endings.
    orders: (line, names) of each comment that names the joints.
    """

    def __init__(self, path):
        self.path, self.encoding = path, encoding_of(path, "joints file")
        self.holds, self.ends, self.orders = set(), "", []

    def blocks(self):
        """Blocks of (number, stripped line), as lists, of the lines with an image."""
        errors = "replace" if self.encoding.startswith("utf-16") else "surrogateescape"
        with open(self.path, encoding=self.encoding, errors=errors) as file:
            numbered = enumerate(file, start=1)
            while block := list(islice(numbered, LINES_PER_BLOCK)):
                text = "".join(line for _, line in block)
                block = [(number, line.strip()) for number, line in block]
                if "#" in text:
                    self.orders += [(n, names) for n, line in block if (names := _named(line))]
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
        found.append(("warning", "encoding", "contains characters that are not UTF-8", todo))
    if "zeros" in text.holds:
        found.append(("error", "encoding", "contains zero bytes", "it is damaged: write it again"))
    if "\r" in text.ends:
        ends = "Windows" if "\r\n" in text.ends else "old Mac"
        found.append(("note", "line-ends", f"has {ends} line endings", "nothing to do: they are read"))
    if "tabs" in text.holds:
        found.append(("note", "tabs", "has tabs between the fields", "nothing to do: they are read"))
    if not len(table):
        todo = f"write lines of an image name and {2 * len(table.skeleton)} numbers"
        found.append(("error", "empty", "contains no image", todo))
    for number, names in text.orders:
        if names != _words(table.skeleton):
            what = f"line {number} names the joints {', '.join(names)}, which the skeleton does not have in this order"
            found.append(("error", "skeleton", what, "pass the skeleton= that names these joints"))
    return [table.finding(*one) for one in found]


def _parse_fast(lines, count):
    """A faster `_parse_carefully` for lines that all consist of a name without spaces and `count` numbers; None for
    others.
    """
    parts = [line.split(None, 1) for line in lines]
    if all(len(part) == 2 for part in parts):
        try:
            numbers = np.loadtxt([text for _, text in parts], comments=None, ndmin=2)
        except ValueError:
            return None
        if numbers.shape == (len(lines), count):
            return [name for name, _ in parts], numbers, []
    return None


def _parse_carefully(lines, count):
    """M names, numbers (M, count) float64, and faults (row, kind, what, todo), of M lines."""
    names, numbers, faults = zip(*(_parse_line(line, count) for line in lines), strict=True)
    return list(names), np.array(numbers), [(row, *fault) for row, fault in enumerate(faults) if fault]


def _parse_line(line, count):
    """(name, `count` numbers, fault) of one line; the fault is a (kind, what, todo) or None."""
    for style, split in _STYLES.items():
        name, *fields = split(line, count) or [""]
        numbers = _numbers(fields)
        if name and numbers and len(fields) == count:
            *front, last = re.split(r"[\s,;]+" if style else r"\s+", name)
            if not (front and is_number(last)):
                todo = "write blanks between the fields and decimal points"
                return name, numbers, ("separators", f"has {style}", todo) if style else None
    return _parse_partly(line, count)


def _numbers(fields):
    """Each field as a float, or None if one is not a number."""
    try:
        return list(map(float, fields))
    except ValueError:
        return None


def is_number(text):
    return _numbers([text]) is not None


def _blanks(line, count):
    return line.rsplit(maxsplit=count)


def _cells(separator):
    """A function that splits a line written by a spreadsheet: an empty cell is no label."""

    def split(line, count):
        while line.count(separator) > count and line.endswith(separator):  # empty trailing columns
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


_STYLES = {  # the wording of the finding: the function that splits such a line into a name and numbers
    "": _blanks,
    "semicolons between the fields": _cells(";"),
    "commas between the fields": _cells(","),
    "empty cells between tabs": _cells("\t"),
    "commas for decimal points": _decimal_commas,
    "several kinds of separators": _mixed,
}


def _parse_partly(line, count):
    """The result of `_parse_line` for a line that no style fits: the numbers as far as they are recognisable."""
    fields = max(line.split(";"), line.split(), line.split(","), key=len)
    after = 1 + max((i for i, text in enumerate(fields) if _EXTENSION.search(text)), default=0)
    name, fields = " ".join(fields[:after]), [text.strip().replace(",", ".") or "nan" for text in fields[after:]]
    if len(fields) != count:
        what = f"has {len(fields)} numbers after the name instead of {count}"
        return name, [np.nan] * count, ("count", what, _count_advice(len(fields), count))
    wrong = [text for text in fields if not is_number(text)]
    if not wrong:
        what = f"has no image name before its {count} numbers, or one that ends with a number"
        return name, [np.nan] * count, ("count", what, _count_advice(count + 1, count))
    if len(wrong) > count / 2:
        return name, [np.nan] * count, ("header", "contains words, not numbers", "remove it, or start it with #")
    pairs = np.array([float(text) if is_number(text) else np.nan for text in fields]).reshape(-1, 2)
    pairs[np.isnan(pairs).any(axis=1)] = np.nan
    what, todo = f"{_short(wrong[0])} is not a number", "write pixels with a decimal point, or nan"
    return name, pairs.ravel().tolist(), ("number", what, todo)


def _count_advice(found, count):
    joints = count // 2
    if found == 3 * joints:
        return "is there a third number per joint, visibility or confidence? Leave it out"
    if found < count:
        return f"add the missing ones: x y for each of {joints} joints, 'nan nan' if not labelled"
    return f"keep x y for each of {joints} joints; is it another skeleton, or an extra column?"


def _short(text, limit=40):
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def _coordinates(landmarks):
    """Faults (row, kind, what, todo, joint) of landmarks (M, K, 2); invalid labels become NaN in place."""
    x, y = landmarks[..., 0], landmarks[..., 1]
    infinite = np.isinf(x) | np.isinf(y)
    half = (np.isnan(x) ^ np.isnan(y)) & ~infinite
    far = ((np.abs(x) > MAX_COORDINATE) | (np.abs(y) > MAX_COORDINATE)) & ~infinite & ~half
    faults = []
    for kind, wrong, what, todo in (
        ("infinite", infinite, "a coordinate is infinite", "write pixels, or 'nan nan' if not labelled"),
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
    """Findings for faults (row, kind, what, todo), some with a joint; a single one for a fault shared by most lines."""
    common = Counter(tuple(fault) for _, *fault in faults if fault[0] in ("count", "separators"))
    of_file = {fault: number for fault, number in common.items() if number > max(1, len(table) / 2)}
    findings = [
        table.finding("error", kind, f"{what} (lines: {count})", todo) for (kind, what, todo), count in of_file.items()
    ]
    rest = [fault for fault in faults if fault[1:] not in of_file]
    return findings + [table.finding("error", kind, what, todo, row, *joint) for row, kind, what, todo, *joint in rest]


def _of_names(table, rows):
    """Findings about rows whose names leave the folder, or are duplicates."""
    findings, first = [], {}
    for row in rows:
        name = table.names[row]
        same = posixpath.normpath(name)  # a.png and ./a.png are the same image
        if leaves_folder(name):
            todo = "write names relative to the image folder, with / and without .."
            findings.append(table.finding("error", "name", f"{name!r} leaves the image folder", todo, row))
        elif same in first:
            what = f"{name!r} is already on line {table.lines[first[same]]}"
            other = person_key(image_file(name), person_number(name) + 1)
            todo = f"keep one of the two lines, or write {other} if it is another person of this picture"
            findings.append(table.finding("error", "duplicate", what, todo, row))
        else:
            first[same] = row
    return findings


def leaves_folder(name):
    return "\\" in name or name.startswith("/") or name[1:2] == ":" or ".." in name.split("/")  # C: is a drive
