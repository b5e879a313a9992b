"""A disk cache of decoded images, so that each file is decoded in the first epoch only."""

import hashlib
import os
import warnings
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from pose.images import MIN_RESOLUTION, ImageError, Picture
from pose.runtime.files import not_written

_warned = set()  # folders that cannot be written, reported once per process


def cached_picture(folder, path, request, read):
    """The `Picture` that `read()` returns for the image file `path`, from `folder` if it is cached there.

    request: whatever else the picture depends on. A cached picture is used only for the same `request` and a file of
    the same path, size and modification time; stale ones are never deleted. Raises ImageError, as `read()` does.
    """
    try:
        file = os.stat(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be opened ({error.strerror}); check the path") from None
    known = repr((os.path.abspath(path), file.st_size, file.st_mtime_ns, MIN_RESOLUTION, request))
    name = hashlib.sha256(known.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    cached = Path(folder) / name[:2] / f"{name}.safetensors"
    try:
        tensors = load_file(cached)
        return Picture(tensors["pixels"], *tensors["facts"].tolist())
    except (OSError, KeyError, SafetensorError):
        picture = read()
        try:
            _keep(cached, picture)
        except OSError as error:  # no reason to stop the training
            if folder not in _warned:
                _warned.add(folder)
                warnings.warn(f"{not_written(folder, error)}; training continues without the cache", stacklevel=2)
        return picture


def _keep(cached, picture):
    """Writes a picture; several processes may write the same one."""
    cached.parent.mkdir(parents=True, exist_ok=True)
    content = save({"pixels": np.ascontiguousarray(picture.pixels), "facts": np.array(picture[1:], np.int64)})
    temporary = cached.with_name(f"{cached.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, cached)
    finally:
        temporary.unlink(missing_ok=True)
