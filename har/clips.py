"""Reading clips.csv for the recogniser, which asks more of it than a division into people does."""

from collections import defaultdict
from pathlib import Path

from pose.clips import parse_clips, report
from pose.errors import DataError


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
