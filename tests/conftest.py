"""Shared fixtures: a tiny data set, and the folder of the real data."""

import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pose.annotations import read_annotations, write_annotations
from pose.skeleton import KINECT20

torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # in subprocesses, too
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs with SIGINT ignored


@pytest.fixture(scope="session")
def pose_data():
    """The folder of the public data sets."""
    if "POSE_DATA" not in os.environ:
        pytest.skip("needs the public data sets: set POSE_DATA to the folder that holds them")
    return Path(os.environ["POSE_DATA"])


@pytest.fixture
def write_image(tmp_path):
    """A function that writes an array (H, W, 3) uint8 RGB below the test's folder; returns the path."""

    def write(name, image):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix, image[..., ::-1])[1].tobytes())
        return str(path)

    return write


@pytest.fixture
def tiny_annotations(tmp_path, write_image):
    """Four small images of noise, read from a joints file as a user would; all 20 joints are labelled."""
    rng = np.random.default_rng(0)
    landmarks = {}
    for i in range(4):
        path = write_image(f"images/{i}.png", rng.integers(0, 256, (90, 70 + i, 3), dtype=np.uint8))
        landmarks[path] = rng.uniform(10, 60, (len(KINECT20), 2))
    write_annotations(tmp_path / "joints.txt", landmarks, tmp_path / "images")
    return read_annotations(tmp_path / "joints.txt", tmp_path / "images")


@pytest.fixture
def raw(tmp_path):
    """The folder of a set's official files, for the tests of the prepare scripts."""
    return tmp_path / "raw"


@pytest.fixture
def out(tmp_path):
    """The folder that they are prepared in."""
    return tmp_path / "out"
