"""The clips of a data set divided as its images are."""

import numpy as np
import pytest

from har import split_clips
from pose import SAMPLE, Annotations, PoseError, Skeleton, Split
from pose.split import read_and_split


@pytest.fixture(scope="module")
def sample():
    return Split(*read_and_split(SAMPLE / "joints.txt", SAMPLE / "images"), SAMPLE / "images", SAMPLE / "joints.txt")


def test_clips_are_divided_like_the_images(sample):
    data = split_clips(sample)
    assert (len(data.train), len(data.valid), len(data.actions)) == (80, 20, 10)
    assert {data.annotations.paths[clip.first] for clip in data.valid} <= set(sample.valid.paths)
    assert data.joints_txt == sample.joints_txt


def test_without_clips_they_are_the_samples(tiny_annotations, tmp_path):
    own = Split(tiny_annotations, tiny_annotations, tmp_path / "images", tmp_path / "joints.txt")
    data = split_clips(own)
    assert data.joints_txt == SAMPLE / "joints.txt"
    assert len(data.train) == 80


def test_without_clips_and_with_other_joints_it_says_what_is_missing(tmp_path):
    skeleton = Skeleton(("hip", "head"), (("hip", "head"),), ("hip", "head"))
    (tmp_path / "joints.txt").write_text("a.png 1 2 3 4\n")
    few = Annotations([str(tmp_path / "a.png")], np.ones((1, 2, 2)), skeleton=skeleton)
    (tmp_path / "a.png").touch()
    with pytest.raises(PoseError, match=r"clips\.csv is missing"):
        split_clips(Split(few, few, tmp_path, tmp_path / "joints.txt"))


def test_the_film_of_an_image_is_its_clip_or_what_its_name_says(sample):
    data = split_clips(sample)
    clip = data.valid[0]
    paths = [data.annotations.paths[clip.first], "films/walk/frame_0007.png", "films/walk/frame_0008.png"]
    assert data.films(paths) == [clip.name, "films/walk/frame_", "films/walk/frame_"]
