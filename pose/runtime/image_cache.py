"""Decoded pictures kept on disk, so that an image file is decoded in the first epoch only."""

import hashlib
import os
import warnings
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from pose.images import ENOUGH, ImageError, Picture
from pose.runtime.files import not_written

_told = set()  # folders that cannot be written; said once in a process


def cached_picture(folder, path, asked, read):
    """The `Picture` that `read()` makes of the image file `path`, from `folder` where it is kept there.

    asked: whatever else the picture depends on. A picture is found again only for the same `asked` and a file of the
    same path, size and time of change; others stay until somebody deletes them. Raises ImageError, as `read()` does.
    """
    try:
        file = os.stat(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be opened ({error.strerror}); check the path") from None
    known = repr((os.path.abspath(path), file.st_size, file.st_mtime_ns, ENOUGH, asked))
    name = hashlib.sha256(known.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    kept = Path(folder) / name[:2] / f"{name}.safetensors"
    try:
        tensors = load_file(kept)
        return Picture(tensors["pixels"], *tensors["facts"].tolist())
    except (OSError, KeyError, SafetensorError):
        picture = read()
        try:
            _keep(kept, picture)
        except OSError as error:  # training need not end for that
            if folder not in _told:
                _told.add(folder)
                warnings.warn(f"{not_written(folder, error)}; training goes on without it", stacklevel=2)
        return picture


def _keep(kept, picture):
    """Writes a picture; several processes may write the same one."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    content = save({"pixels": np.ascontiguousarray(picture.pixels), "facts": np.array(picture[1:], np.int64)})
    beside = kept.with_name(f"{kept.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(content)
        os.replace(beside, kept)
    finally:
        beside.unlink(missing_ok=True)
