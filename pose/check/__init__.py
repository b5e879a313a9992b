"""Checks a data set for mistakes before anything is trained on it."""

import warnings
from pathlib import Path

import numpy as np

from pose.check.body import Body
from pose.check.clips import by_row, check_clips
from pose.check.images import check_images, copies
from pose.check.labels import believable, check_labels, check_people, remove_minus_one
from pose.check.motion import check_motion, find_films
from pose.check.names import check_names
from pose.check.report import Report
from pose.check.split import check_copies, check_division
from pose.check.systematic import check_file
from pose.joints_file import read_table
from pose.labels.status import PREDICTED, read_status, status_file, status_images
from pose.runtime.errors import DataError
from pose.runtime.findings import Finding
from pose.skeleton import KINECT20

__all__ = ["Finding", "Report", "check_annotations"]


def check_annotations(joints_txt, image_dir=None, valid_txt=None, clips_csv=None, skeleton=KINECT20):
    """Reads a data set and reports what is, or may be, wrong with it.

    joints_txt: the joints file. Lines are read as far as they can be parsed, so that all of it is checked in one run.
    image_dir: the folder that the image names are relative to; without it the images are not checked.
    valid_txt: a second joints file, for validation; it is checked on its own, and against the first.
    clips_csv: the clips of both; by default clips.csv next to joints_txt, if it exists.
    skeleton: the joints in the files, in file order.
    Returns a `Report`. Raises MissingError if a file or the folder does not exist; any content is reported on.
    """
    read = [read_table(path, skeleton) for path in (joints_txt, valid_txt) if path]
    tables = [table for table, _ in read]
    for table in tables:
        table.sort_by_person()
    findings = [finding for table, found in read for finding in found + check_names(table)]
    findings += [finding for table in tables for finding in check_status(table)]
    if image_dir is not None:
        findings += check_images(tables, image_dir)
        readable = [path for table in tables for path, known in zip(table.paths, table.known, strict=True) if known]
        findings += check_copies(tables, copies(readable))
    default = Path(joints_txt).with_name("clips.csv")
    clips_csv = clips_csv or (default if default.is_file() else None)
    clips_of, found = check_clips(clips_csv, tables) if clips_csv else ([{} for _ in tables], [])
    findings += found
    for table, clips in zip(tables, clips_of, strict=True):
        found = check_landmarks(table, by_row(clips, table))
        whole = any(one.level == "error" and one.line is None for one in found)
        findings += found if whole else found + check_people(table, clips)
    if valid_txt:
        findings += check_division(*tables, clips_of, clips_csv)
    return Report(findings, tables)


def check_status(table):
    """Findings about the status file: its faults, images that nobody has confirmed, and lines about other images."""
    try:
        status, _ = read_status(table.file, table.names, table.skeleton)
        others = status_images(table.file) - set(table.names)
    except DataError as error:
        return [
            table.finding(
                "error", "status", str(error), "without that file what a model predicted would count as confirmed"
            )
        ]
    findings, count = [], (status == PREDICTED).any(axis=1).sum()
    if count:
        what = f"{count} of {len(table)} images have joints that nobody has confirmed, and are left out of training"
        findings.append(table.finding("note", "predicted", what, "confirm them with pose.Labeller"))
    if others:
        what = f"{status_file(table.file)} names {len(others)} images that have no line, such as {min(others)}"
        todo = "if images were renamed, rename them there, too: otherwise what a model predicted counts as confirmed"
        findings.append(table.finding("warning", "status", what, todo))
    return findings


def check_landmarks(table, clip_of):
    """Findings about the labels of a `Table`; those about the whole file come first, since they explain many others.

    clip_of: (M,), the clip of each row. Joints at (-1, -1) become NaN in the table.
    """
    if not len(table):
        return []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # about means and medians of nothing
        findings = remove_minus_one(table)
        whole, landmarks = check_file(table)
        findings += whole
        causes = {finding.kind for finding in whole if finding.level != "note"}
        silent = {"outside", "axes"} if causes & {"image-size", "axes"} else set()
        if any((finding.kind, finding.level) == ("image-size", "error") for finding in whole):
            silent |= {"sides", "limb"}
        if landmarks is None:  # nothing is known about the joints' positions
            landmarks = np.full_like(table.landmarks, np.nan)
        possible = believable(landmarks, table.sizes)
        films = find_films(table, Body(possible, table.skeleton), clip_of)
        moving, possible = check_motion(table, possible, films)
        line_findings = check_labels(table, landmarks, Body(possible, table.skeleton), films, silent)
        jumps = {(one.line, one.joint, one.level) for one in moving if one.kind == "jump"}
        return findings + moving + [one for one in line_findings if not _explained_by(one, jumps)]


def _explained_by(finding, jumps):
    """Whether a limb's length follows from a jump (line, joint, level) already found that is at least as serious."""
    levels = ("error", finding.level)
    return finding.kind == "limb" and any((finding.line, finding.joint, level) in jumps for level in levels)
