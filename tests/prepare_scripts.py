"""Shared by the tests of the prepare scripts."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from pose.annotations import read_annotations
from pose.skeleton import KINECT20

DATA = Path(__file__).resolve().parents[1] / "data"


def load_script(name):
    spec = importlib.util.spec_from_file_location(f"prepare_{name}", DATA / name / "prepare.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def landmarks_of(out):
    """{image name: (20, 2)} of a prepared folder."""
    annotations = read_annotations(out / "joints.txt", out / "images" if (out / "images").exists() else None)
    return {path.removeprefix(f"{out}/images/"): np.array(points) for path, points in annotations.items()}


def joint(landmarks, name):
    return landmarks[..., KINECT20.index(name), :]


def real(folder):
    if "POSE_DATA" not in os.environ:
        pytest.skip("POSE_DATA is not set: the folder with the real data sets, see data/README.md")
    path = Path(os.environ["POSE_DATA"]).resolve() / folder
    if not path.is_dir():
        pytest.skip(f"POSE_DATA has no folder {folder}")
    return path


def link(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source)
