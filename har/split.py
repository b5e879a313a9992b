"""The clips of a data set, divided as its images are."""

import re
from pathlib import Path
from typing import NamedTuple

from har.joints_3d import Joints3D, read_joints_3d
from pose.annotations import Annotations, read_annotations
from pose.clips import Clip, actions_of, divide_clips, find_clips
from pose.runtime.errors import DataError
from pose.skeleton import KINECT20
from pose.split import SAMPLE, Split, read_and_split


class ClipSplit(NamedTuple):
    """Clips divided for training.

    annotations: those of all images, whose rows the clips count. train, valid: lists of `Clip`. actions: the names of
    the classes. joints_3d: `Joints3D` of the same rows, or None. joints_txt: the file that the annotations come from.
    """

    annotations: Annotations
    train: list[Clip]
    valid: list[Clip]
    actions: list[str]
    joints_3d: Joints3D | None
    joints_txt: Path

    def films(self, paths):
        """What each image is a frame of: its clip's name or, outside all clips, its path without the frame's number."""
        clips = self.train + self.valid
        clip_of = {path: clip.name for clip in clips for path in clip.images(self.annotations)}
        return [clip_of.get(path) or re.sub(r"\d+\.\w+(#\d+)?$", "", path) for path in paths]


def split_clips(split):
    """The `ClipSplit` of a `pose.Split`: the people held out from the hourglass are held out here, too.

    Landmarks that a model predicted count like labels, since the recogniser gets no others when it is used.
    If there is no clips.csv next to the joints file, the sample's clips are used; `joints_txt` shows which. Raises
    DataError if the joints are not the sample's either, and what `read_clips` and `divide_clips` raise.
    """
    skeleton = split.train.skeleton
    annotations = read_annotations(split.joints_txt, split.image_dir, skeleton, predicted=True)
    clips = find_clips(split.joints_txt, annotations, split.image_dir)
    if not clips:
        if skeleton.names != KINECT20.names:
            raise DataError(f"{split.joints_txt.with_name('clips.csv')} is missing, and the sample has other joints")
        return split_clips(_sample())
    train, valid = divide_clips(clips, annotations, split.train, split.valid)
    joints_3d = read_joints_3d(split.joints_txt, annotations, split.image_dir)
    return ClipSplit(annotations, train, valid, actions_of(clips), joints_3d, split.joints_txt)


def _sample():
    joints_txt, image_dir = SAMPLE / "joints.txt", SAMPLE / "images"
    return Split(*read_and_split(joints_txt, image_dir), image_dir, joints_txt)
