"""clips.csv: which images form a clip, of which person and action.

One clip per line under the header `clip,subject,action,first_image,last_image`; a clip is every image from first to
last, inclusive, in the order of the joints file; a clip from a.jpg#2 to b.jpg#2 has the lines of second people only.
"""

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from pose.annotations import AnnotationError, as_annotations, relative_name
from pose.people import person_number
from pose.runtime.errors import DataError
from pose.runtime.files import encoding_of, open_text, write_atomically
from pose.runtime.findings import Finding, raise_errors

COLUMNS = ("clip", "subject", "action", "first_image", "last_image")


class ClipError(AnnotationError):
    """A clips file has faults. `faults` holds a message for each: file, line, what is wrong, what to do."""

    what = "clips file"


@dataclass(frozen=True)
class Clip:
    """Consecutive images of one person performing one action.

    name, subject, action: as in the file. recording: the images' folder; if all images are in one folder, each clip
        counts as a recording of its own.
    first, last: rows of the annotations, inclusive; first_image, last_image: the images of these rows.
    others: the rows between them that show other people.
    """

    name: str
    subject: str
    action: str
    recording: str
    first: int
    last: int
    first_image: str = ""
    last_image: str = ""
    others: tuple[int, ...] = ()

    def __len__(self):
        return self.last - self.first + 1 - len(self.others)

    @property
    def person(self):
        """Which person of its images the clip shows: 1, or n for the lines photo.jpg#n."""
        return person_number(self.first_image)

    @property
    def rows(self):
        """The clip's rows of the annotations, (T,) int, ascending."""
        return np.setdiff1d(np.arange(self.first, self.last + 1), self.others)

    def images(self, annotations):
        """The paths of the clip's images in the annotations, as a list."""
        return [annotations.paths[row] for row in self.rows]


def read_clips(clips_csv, annotations, image_dir=None):
    """The clips of a file.

    clips_csv: path of the file, `clip,subject,action,first_image,last_image`; see data/README.md.
    annotations: what `read_annotations` or `predict_annotations` gave for the images.
    image_dir: the folder that the file's image names are relative to; None if the annotations were read without.
    Returns a list of `Clip`, in file order.
    Raises MissingError, and ClipError with *all* faults: an image that does not exist, a last image before the first,
    clips that share images or cross recordings, an empty field, a duplicate clip name, a clip of one image, and an
    action that only one of several subjects performs, since nobody else could be tested on it.
    """
    (clips,), findings = parse_clips(clips_csv, [as_annotations(annotations).paths], image_dir)
    raise_errors(findings + untrainable(clips, clips_csv), ClipError)
    return list(clips.values())


def parse_clips(clips_csv, sets, image_dir=None):
    """The clips of a file, and what is wrong with it.

    sets: lists of paths of images, one for each joints file that the clips may belong to; image_dir: the folder that
        the names in the file are relative to, None if the paths are those names.
    Returns for each set {line: `Clip`}, in file order and with rows of that set, and a list of findings. A line with a
    fault yields no clip. Raises MissingError and FileError.
    """
    rows, findings = _rows_of_file(clips_csv)
    images_of = [_Images(paths, image_dir) for paths in sets]
    clips_of, line_of = [{} for _ in sets], {}
    for line, fields in rows:
        wrong, found = _wrong_fields(fields, line_of), [images.clip(fields) for images in images_of]
        line_of.setdefault(fields["clip"], line)
        if not any(isinstance(clip, Clip) for clip in found):
            wrong += min(found, key=len)
        findings += [_finding(clips_csv, line, *fault) for fault in wrong]
        for clips, clip in zip(clips_of, found, strict=True):
            if isinstance(clip, Clip) and not wrong:
                clips[line] = clip
    if rows and not any(fields["first_image"] in images for _, fields in rows for images in images_of):
        line, fields = rows[0]
        what = f"first_image {fields['first_image']!r} is not an image of the joints file, nor is any other clip's"
        todo = "is image_dir the same for both, and does the clips file belong to it?"
        findings = [_finding(clips_csv, line, "clip-range", what, todo)]
    overlaps = dict.fromkeys(one for clips in clips_of for one in _overlaps(clips, clips_csv))
    return clips_of, findings + list(overlaps)


def _finding(clips_csv, line, kind, what, todo):
    return Finding("error", kind, what, todo, str(clips_csv), line)


def _rows_of_file(clips_csv):
    """(line, {column: stripped text}) of each clip, and findings about the file as a whole."""
    if encoding_of(clips_csv, "clips file").startswith("utf-16"):
        return [], [_finding(clips_csv, None, "encoding", "is saved as UTF-16", "save it as comma-separated UTF-8")]
    with open_text(clips_csv, "clips file", newline="") as file:
        reader = csv.DictReader(file, skipinitialspace=True, restval="")
        rows, line = [], 1
        try:
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or [])]
            if missing:
                todo = f"its first line must be {','.join(COLUMNS)}"
                if ";" in "".join(reader.fieldnames or []):
                    todo = "it has semicolons between the columns: write commas"
                return [], [_finding(clips_csv, 1, "clip", f"lacks {', '.join(missing)}", todo)]
            for row in reader:
                if "\n" in "".join([*row.pop(None, []), *row.values()]):  # an open quotation mark swallowed lines
                    raise csv.Error
                line = reader.line_num
                rows.append((line, {column: row[column].strip() for column in COLUMNS}))
        except csv.Error:
            what = "a quotation mark is not closed on its line"
            return [], [_finding(clips_csv, line + 1, "clip", what, "correct it")]
    return rows, [] if rows else [_finding(clips_csv, 1, "no-clip", "contains no clip", "add some, or remove the file")]


def _wrong_fields(fields, line_of):
    """Faults (kind, what, todo) of a clip's fields alone; line_of: the lines of the clips before it, by name."""
    wrong = [("clip", f"{column} is empty", "fill it in") for column in COLUMNS if not fields[column]]
    if any("\udc80" <= character <= "\udcff" for character in "".join(fields.values())):
        wrong.append(("clip", "contains characters that are not UTF-8", "save the file as UTF-8"))
    if fields["clip"] in line_of:
        what = f"the clip {fields['clip']!r} is already on line {line_of[fields['clip']]}"
        wrong.append(("clip", what, "rename one"))
    return wrong


class _Images:
    """The images of a joints file, by name."""

    def __init__(self, paths, image_dir):
        names = [relative_name(path, image_dir) for path in paths] if image_dir else paths
        self.paths = paths
        self.row_of = {PurePosixPath(name): row for row, name in enumerate(names)}
        self.one_folder = len({name.parent for name in self.row_of}) == 1
        self.person = np.array([person_number(path) for path in paths])

    def __contains__(self, name):
        return PurePosixPath(name) in self.row_of

    def clip(self, fields):
        """The `Clip` of these fields, or a list of faults (kind, what, todo)."""
        columns = [column for column in ("first_image", "last_image") if fields[column]]
        missing = [column for column in columns if fields[column] not in self]
        if missing or len(columns) < 2:
            what = "{} {!r} is not an image of the joints file"
            return [("clip-range", what.format(column, fields[column]), "correct the name") for column in missing]
        ends = [PurePosixPath(fields[column]) for column in columns]
        first, last = (self.row_of[end] for end in ends)
        if last < first:
            what = f"last_image {fields['last_image']!r} comes before first_image"
            return [("clip-range", what, "swap them")]
        if ends[0].parent != ends[1].parent:
            what = f"the clip goes from the folder {ends[0].parent} to {ends[1].parent}"
            return [("clip-range", what, "a clip belongs to one recording, so split it")]
        if self.person[first] != self.person[last]:
            what = (
                f"the clip goes from person {self.person[first]} of an image to person {self.person[last]} of another"
            )
            return [("clip-range", what, "a clip shows one person: write the same number after # in both")]
        recording = fields["clip"] if self.one_folder else str(ends[0].parent)
        images = self.paths[first], self.paths[last]
        others = first + np.flatnonzero(self.person[first : last + 1] != self.person[first])
        names = fields["clip"], fields["subject"], fields["action"]
        return Clip(*names, recording, first, last, *images, tuple(others.tolist()))


def _overlaps(clips, clips_csv):
    """A finding for each of the clips {line: `Clip`} that begins before another one has ended."""
    findings, other_line, other = [], 0, None
    for line, clip in sorted(clips.items(), key=lambda item: (item[1].person, item[1].first, item[1].last)):
        if other and clip.person == other.person and clip.first <= other.last:
            shared = len(np.intersect1d(clip.rows, other.rows))
            what = f"the clip {clip.name!r} shares {shared} image(s) with {other.name!r} of line {other_line}"
            todo = "shorten one, since an image belongs to one action"
            findings.append(_finding(clips_csv, line, "clip-overlap", what, todo))
        if not other or clip.person != other.person or clip.last > other.last:
            other_line, other = line, clip
    return findings


def untrainable(clips, clips_csv):
    """Findings about {line: `Clip`} that no recogniser can be trained and tested on: clips of a single image, and
    actions of a single subject, unless all clips are of that person."""
    findings, subjects, first_line = [], defaultdict(set), {}
    for line, clip in clips.items():
        if len(clip) == 1:
            what = f"the clip {clip.name!r} has a single image"
            todo = "lengthen or remove it: movement needs two or more"
            findings.append(_finding(clips_csv, line, "clip-range", what, todo))
        subjects[clip.action].add(clip.subject)
        first_line.setdefault(clip.action, line)
    several = len(set().union(*subjects.values())) > 1
    for action, (subject, *others) in subjects.items():
        if several and not others:
            what = f"only the subject {subject!r} performs {action!r}"
            todo = "record it with others, or remove its clips: nobody else could be tested on it"
            findings.append(_finding(clips_csv, first_line[action], "lonely-action", what, todo))
    return findings


def write_clips(clips_csv, rows):
    """Writes rows of (clip, subject, action, first_image, last_image) under their header."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    write_atomically(clips_csv, text.getvalue())


def actions_of(clips):
    """The names of the actions, sorted; a class is the index in this list."""
    return sorted({clip.action for clip in clips})


def find_clips(joints_txt, annotations, image_dir=None):
    """`read_clips` of the clips.csv next to a joints file; an empty list if there is none."""
    clips_csv = Path(joints_txt).with_name("clips.csv")
    return read_clips(clips_csv, annotations, image_dir) if clips_csv.exists() else []


def divide_clips(clips, annotations, train, valid):
    """(train, valid): the clips divided as the pose split is: valid has the subjects of its validation images.

    annotations: those that the clips' rows refer to; train, valid: the two `Annotations` of the pose split, which may
    lack images of the clips. The people that the recogniser is tested on are then new to the hourglass, too.
    Raises DataError if the two name their images differently, or a subject would be on both sides.
    """
    if clips and set(valid.paths).isdisjoint(annotations.paths):
        raise DataError("none of the annotations' images is in valid: read both with the same image folder")
    in_train, in_valid = (_subjects_in(clips, annotations, set(part.paths)) for part in (train, valid))
    sides = {valid: [clip for clip in clips if (clip.subject in in_valid) == valid] for valid in (False, True)}
    both = in_train & in_valid
    if both or (clips and not all(sides.values())):
        what = f"{', '.join(sorted(both))} on both sides" if both else "all clips on one side"
        raise DataError(
            f"the split of the images has {what}: they were split without these clips, or the clips cover few of "
            "them; split them again"
        )
    return sides[False], sides[True]


def _subjects_in(clips, annotations, paths):
    return {clip.subject for clip in clips if not paths.isdisjoint(clip.images(annotations))}
