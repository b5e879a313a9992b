"""Frames of films as images to be labelled."""

import csv

import cv2
import numpy as np
import pytest

import pose
from pose.labels.frames import typical_rows


def write_film(path, greys, fps=10):
    """A film whose frames have one grey each."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (64, 48))
    for grey in greys:
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()
    return path


def test_frames_that_differ_are_chosen_with_their_times(tmp_path):
    film = write_film(tmp_path / "walk.avi", [20] * 30 + [120] * 3 + [220] * 9)
    paths = pose.extract_frames(film, tmp_path / "images", count=3)
    assert [round(pose.read_image(path).mean(), -1) for path in paths] == [20, 120, 220]
    with open(tmp_path / "images/walk/times.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["image"] for line in lines] == [path.name for path in paths]
    assert all(float(line["time"]) == pytest.approx(int(line["frame"]) / 10, abs=1e-3) for line in lines)


def test_every_frame_of_a_folder_of_films(tmp_path):
    write_film(tmp_path / "a.avi", [10, 20, 30])
    write_film(tmp_path / "b.avi", [10, 20])
    paths = pose.extract_frames(tmp_path, tmp_path / "images", count=None)
    assert [path.relative_to(tmp_path / "images").as_posix() for path in paths] == [
        "a/frame_000000.jpg", "a/frame_000001.jpg", "a/frame_000002.jpg", "b/frame_000000.jpg", "b/frame_000001.jpg",
    ]  # fmt: skip


def test_a_second_call_changes_nothing_and_keeps_the_times_of_the_first(tmp_path):
    film = write_film(tmp_path / "a.avi", range(0, 250, 10))
    (path, *_) = pose.extract_frames(film, tmp_path / "images", count=None)
    path.write_bytes(path.read_bytes() + b" ")  # as if it had been edited
    pose.extract_frames(film, tmp_path / "images", count=5)
    assert path.read_bytes().endswith(b" ")
    assert len((tmp_path / "images/a/times.csv").read_text().splitlines()) == 26


def test_another_film_of_the_same_name_does_not_mix(tmp_path):
    film = write_film(tmp_path / "a.avi", [10, 20])
    pose.extract_frames(film, tmp_path / "images", count=None)
    write_film(film, [200, 210])
    with pytest.raises(pose.PoseError, match=r"frame_000000.jpg: is not from \S+a.avi; choose another image_dir"):
        pose.extract_frames(film, tmp_path / "images", count=None)
    (tmp_path / "more").mkdir()
    with pytest.raises(pose.PoseError, match="two films have the same name"):
        pose.extract_frames([film, tmp_path / "more/a.avi"], tmp_path / "images")


def test_a_film_that_breaks_off_gives_what_there_is(tmp_path):
    film = write_film(tmp_path / "a.avi", range(0, 240, 2))
    film.write_bytes(film.read_bytes()[:-20_000])
    with pytest.warns(UserWarning, match="ends after"):
        paths = pose.extract_frames(film, tmp_path / "images", count=None)
    assert 0 < len(paths) < 120
    film.write_bytes(b"no film")
    with pytest.raises(pose.ImageError, match="gives no frame"):
        pose.extract_frames(film, tmp_path / "other")
    with pytest.raises(FileNotFoundError, match="there is no such video"):
        pose.extract_frames(tmp_path / "none.avi", tmp_path / "other")
    with pytest.raises(pose.PoseError, match="count is a whole number"):
        pose.extract_frames(film, tmp_path / "other", count=0)
    with pytest.raises(pose.PoseError, match="contains no film"):
        pose.extract_frames(tmp_path / "images", tmp_path / "other")


def test_equal_frames_are_one_group():
    assert typical_rows(np.array([[0.0], [5.0], [5.0], [0.0]]), 3) == [0, 1]
