"""clips.csv: which images are a clip of which person and action.

One clip a line under the header `clip,subject,action,first_image,last_image`; a clip is every image from first to
last, both included, in the order of the joints file.
"""

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pose.annotations import AnnotationError, as_annotations, relative_name
from pose.runtime.errors import DataError
from pose.runtime.files import open_text, write_whole

COLUMNS = ("clip", "subject", "action", "first_image", "last_image")


class ClipError(AnnotationError):
    """A clips file with faults. `faults` has one message for each: file, line, what is wrong, what to do."""

    what = "clips file"


@dataclass(frozen=True)
class Clip:
    """Consecutive images of one person in one action.

    name, subject, action: as in the file. recording: the images' folder; where all images lie in one folder nothing
    tells recordings apart, and each clip is its own.
    first, last: rows of the annotations, both included; first_image, last_image: what these rows show.
    """

    name: str
    subject: str
    action: str
    recording: str
    first: int
    last: int
    first_image: str = ""
    last_image: str = ""

    def __len__(self):
        return self.last - self.first + 1

    @property
    def rows(self):
        """The clip's rows of the annotations, as a slice."""
        return slice(self.first, self.last + 1)


def parse_clips(clips_csv, annotations, image_dir=None):
    """The clips of a file, and all its faults.

    annotations: what the clips' images are looked up in; image_dir: the folder that the file's names are relative to,
        None where the annotations' own paths are such names (`read_annotations` without a folder).
    Returns {line: `Clip`} in the file's order and a list of (line, message); a line with a fault gives no clip.
    Raises MissingError, and ClipError where the file has no such columns.
    """
    annotations = as_annotations(annotations)
    rows = _rows_of_file(Path(clips_csv))
    names = [relative_name(path, image_dir) for path in annotations.paths] if image_dir else annotations.paths
    row_of = {PurePosixPath(name): row for row, name in enumerate(names)}
    recordings = len({PurePosixPath(name).parent for name in names})
    clips, faults, line_of = {}, [], {}
    for line, fields in rows:
        wrong = [f"{column} is empty; fill it in" for column in COLUMNS if not fields[column]]
        if any("\udc80" <= character <= "\udcff" for character in "".join(fields.values())):
            wrong.append("holds characters that are not UTF-8; save the file as UTF-8")
        places = []
        for column in ("first_image", "last_image"):
            if fields[column] and PurePosixPath(fields[column]) not in row_of:
                wrong.append(f"{column} {fields[column]!r} is no image of the joints file; correct the name")
            else:
                places.append(row_of.get(PurePosixPath(fields[column])))
        wrong += [] if wrong else _wrong_range(fields, *places)
        if fields["clip"] in line_of:
            wrong.append(f"the clip {fields['clip']!r} stands on line {line_of[fields['clip']]} already; rename one")
        line_of.setdefault(fields["clip"], line)
        faults += [(line, message) for message in wrong]
        if not wrong:
            folder = str(PurePosixPath(fields["first_image"]).parent)
            recording = folder if recordings > 1 else fields["clip"]
            images = (annotations.paths[row] for row in places)
            clips[line] = Clip(fields["clip"], fields["subject"], fields["action"], recording, *places, *images)
    faults += _overlaps(clips)
    if rows and all(PurePosixPath(fields["first_image"]) not in row_of for _, fields in rows):
        line, fields = rows[0]
        first = f"first_image {fields['first_image']!r} is no image of the joints file, nor is that of any other clip"
        faults = [(line, f"{first}; is image_dir the same for both, and does the clips file belong to it?")]
    if not rows:
        faults.append((1, "holds no clip; add some, or remove the file"))
    return clips, faults


def _rows_of_file(clips_csv):
    """(line, {column: text without blanks around it}) of each clip of the file."""
    with open_text(clips_csv, "clips file", newline="") as file:
        reader = csv.DictReader(file, skipinitialspace=True, restval="")
        rows, line = [], 1
        try:
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or [])]
            if missing:
                todo = f"its first line must be {','.join(COLUMNS)}"
                if ";" in "".join(reader.fieldnames or []):
                    todo = "it has semicolons between the columns: write commas"
                raise ClipError([f"{clips_csv}, line 1: lacks {', '.join(missing)}; {todo}"])
            for row in reader:
                if "\n" in "".join([*row.pop(None, []), *row.values()]):  # it has swallowed the lines that follow
                    raise csv.Error
                line = reader.line_num
                rows.append((line, {column: row[column].strip() for column in COLUMNS}))
        except csv.Error:
            fault = f"{clips_csv}, line {line + 1}: a quotation mark is not closed on its line; correct it"
            raise ClipError([fault]) from None
        return rows


def _wrong_range(fields, first, last):
    """What is wrong with a clip's range of rows, as a list of messages."""
    if last < first:
        return [f"last_image {fields['last_image']!r} comes before first_image; exchange them"]
    folders = [str(PurePosixPath(fields[column]).parent) for column in ("first_image", "last_image")]
    if folders[0] != folders[1]:
        return [f"the clip goes from the folder {folders[0]} to {folders[1]}; a clip is of one recording, so divide it"]
    return []


def _overlaps(clips):
    """A fault for each of the clips {line: `Clip`} that begins before another one has ended."""
    faults, other_line, other = [], 0, None
    for line, clip in sorted(clips.items(), key=lambda item: (item[1].first, item[1].last)):
        if other and clip.first <= other.last:
            shared = min(clip.last, other.last) - clip.first + 1
            faults.append(
                (
                    line,
                    f"the clip {clip.name!r} shares {shared} image(s) with {other.name!r} of line {other_line}; "
                    "shorten one, for an image belongs to one action",
                )
            )
        if not other or clip.last > other.last:
            other_line, other = line, clip
    return faults


def report(clips_csv, faults):
    """Raises ClipError with all the faults, (line, message), in the order of their lines, if there are any."""
    if faults:
        raise ClipError([f"{clips_csv}, line {line}: {message}" for line, message in sorted(faults)])


def write_clips(clips_csv, rows):
    """Writes rows of (clip, subject, action, first_image, last_image) under their header."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    write_whole(clips_csv, text.getvalue())


def read_clips(clips_csv, annotations, image_dir=None):
    """The clips of a file.

    clips_csv: path of the file, `clip,subject,action,first_image,last_image`; see data/README.md.
    annotations: what `read_annotations` or `predict_annotations` gave for the images.
    image_dir: the folder that the file's image names are relative to; None where the annotations were read without.
    Returns a list of `Clip`, in the file's order.
    Raises MissingError, and ClipError with *all* faults: an image that is not there, a last image before the
    first, clips that share images or cross recordings, an empty field, two clips of one name, a clip of one image,
    and an action that only one of several subjects performs, which nobody else could be tested on.
    """
    clips, faults = parse_clips(clips_csv, annotations, image_dir)
    faults += [
        (line, f"the clip {clip.name!r} has a single image; movement needs two or more, so lengthen or remove it")
        for line, clip in clips.items()
        if len(clip) == 1
    ]
    report(clips_csv, faults + _lonely_actions(clips))
    return list(clips.values())


def _lonely_actions(clips):
    """A fault for each action of {line: `Clip`} that has one subject only, unless the whole file has only one."""
    subjects, first_line = defaultdict(set), {}
    for line, clip in clips.items():
        subjects[clip.action].add(clip.subject)
        first_line.setdefault(clip.action, line)
    if len(set().union(*subjects.values())) < 2:
        return []
    return [
        (
            first_line[action],
            f"only the subject {next(iter(people))!r} performs {action!r}; record it with others, or remove its clips",
        )
        for action, people in subjects.items()
        if len(people) == 1
    ]


def actions_of(clips):
    """The names of the actions, sorted; a class is its place in this list."""
    return sorted({clip.action for clip in clips})


def find_clips(joints_txt, annotations, image_dir=None):
    """`read_clips` of the clips.csv beside a joints file; an empty list where there is none."""
    clips_csv = Path(joints_txt).with_name("clips.csv")
    return read_clips(clips_csv, annotations, image_dir) if clips_csv.exists() else []


def divide_clips(clips, annotations, valid):
    """(train, valid): the clips whose images are in the validation set of the pose, and the others.

    annotations: those that the clips' rows count in; valid: the `Annotations` that `pose.prepare` put aside.
    So the people on whom the recogniser is tested have not been seen by the hourglass either.
    Raises DataError where the two name their images differently, or the division has a subject on both sides.
    """
    aside = set(valid.paths)
    if clips and aside.isdisjoint(annotations.paths):
        raise DataError("none of the annotations' images is in valid: read both with the same image folder")
    in_valid = [annotations.paths[clip.first] in aside for clip in clips]
    train = [clip for clip, there in zip(clips, in_valid, strict=True) if not there]
    valid = [clip for clip, there in zip(clips, in_valid, strict=True) if there]
    both = {clip.subject for clip in train} & {clip.subject for clip in valid}
    if both or (clips and not (train and valid)):
        what = f"{', '.join(sorted(both))} on both sides" if both else "all clips on one side"
        raise DataError(
            f"the division of the images has {what}: they were divided without these clips, or the clips cover few of "
            "them; prepare them again"
        )
    return train, valid
