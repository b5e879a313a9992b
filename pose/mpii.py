"""Loads the widely used PyTorch checkpoints of this architecture that were trained on MPII Human Pose.

Andriluka et al., "2D Human Pose Estimation: New Benchmark and State of the Art Analysis", CVPR 2014.
"""

import re
import zipfile

import numpy as np
import torch

from pose.hourglass import StackedHourglass
from pose.runtime.errors import DataError, FileError, MissingError
from pose.skeleton import KINECT20, MPII16

MPII_MEAN = (0.4404, 0.4440, 0.4327)  # of its RGB images; its checkpoints do not divide by a standard deviation

# Scores saved alongside the weights are numpy numbers; allowing these makes such a file loadable and runs no code.
# NumPy 1 and 2 write different names for the same function.
_SCALAR = np.float64(0).__reduce__()[0]
_NUMPY_NUMBERS = [
    np.dtype,
    np.dtypes.Float32DType,
    np.dtypes.Float64DType,
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
]


def load_mpii_checkpoint(path, num_joints=20):
    """A `StackedHourglass` with the weights of an MPII checkpoint, and as many stacks as the file has.

    path: a .pth or .pth.tar file, with or without `module.` before the names or a `state_dict` around them. Only
        tensors and plain values are read: a file that would run code is refused.
    num_joints: 20 initialises each Kinect joint's filters from the MPII joint of the same name (spine, hands and feet
        have none and are initialised randomly); 16 keeps the checkpoint's own joints.
    Raises MissingError, and DataError if the file is not such a checkpoint.
    """
    if num_joints not in (len(KINECT20), len(MPII16)):
        raise DataError(f"num_joints is 20 (the Kinect's) or 16 (MPII's), not {num_joints}")
    weights = _read(path)
    stacks = sum(name.startswith("score.") and name.endswith(".weight") for name in weights)
    score = weights.get("score.0.weight", torch.empty(0))
    if score.ndim != 4 or score.shape[0] != len(MPII16):
        raise DataError(f"{path}: has no score layers for MPII's 16 joints; is it a stacked hourglass trained on MPII?")
    with torch.device("meta"):  # so that no memory is allocated unless the weights fit
        _fill(StackedHourglass(stacks, len(MPII16), channels=score.shape[1], loss="mse"), weights, path)
    skeleton = MPII16 if num_joints == len(MPII16) else KINECT20
    model = StackedHourglass(stacks, num_joints, channels=score.shape[1], loss="mse", skeleton=skeleton)
    if num_joints == len(KINECT20):
        weights = _by_name(weights, model.state_dict())
    model.mean.copy_(torch.tensor(MPII_MEAN)[:, None, None])
    model.std.fill_(1.0)
    _fill(model, weights, path)
    return model.eval()


def _read(path):
    """The file's {name: tensor}, unwrapped."""
    if zipfile.is_zipfile(path) and not _is_stored(path):
        raise DataError(f"{path}: is compressed, which no checkpoint is, and was not loaded")
    try:
        with torch.serialization.safe_globals(_NUMPY_NUMBERS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise MissingError(f"{path}: there is no such checkpoint; check the path") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    except Exception as error:  # a damaged file makes torch's reader raise almost anything
        # torch's own message is dropped: it advises loading the file anyway.
        asked = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it asks to run {asked[1]}" if asked else "it is damaged, or something else"
        raise DataError(f"{path}: is not a file of plain tensors and was not loaded: {reason}") from None
    if isinstance(content, dict):
        content = content.get("state_dict", content)
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds a {type(content).__name__}, not a dictionary of weights")
    weights = {str(name).removeprefix("module."): value for name, value in content.items()}
    return {name: value for name, value in weights.items() if isinstance(value, torch.Tensor) and _is_complete(value)}


def _is_stored(path):
    """Whether a zip file stores its parts uncompressed, so that they take no more memory than the file's size."""
    with zipfile.ZipFile(path) as file:
        parts = file.infolist()
    return all(part.compress_type == zipfile.ZIP_STORED and part.file_size == part.compress_size for part in parts)


def _is_complete(tensor):
    """Whether the file stores each of its numbers, not one number expanded to the full shape."""
    return tensor.layout is torch.strided and tensor.untyped_storage().nbytes() >= tensor.nbytes


def _by_name(weights, fresh):
    """The checkpoint's weights with score layers in Kinect order, and `fresh` weights for joints that MPII lacks."""
    pairs = [(k, MPII16.index(name)) for k, name in enumerate(KINECT20.names) if name in MPII16.names]
    ours, theirs = (list(side) for side in zip(*pairs, strict=True))
    weights = dict(weights)
    for name, old in weights.items():
        new = fresh.get(name)
        if name.startswith("score."):  # one filter per joint
            new[ours] = old[theirs]
            weights[name] = new
        elif name.startswith("score_.") and name.endswith(".weight"):  # one input per joint
            new[:, ours] = old[:, theirs]
            weights[name] = new
    return weights


def _fill(model, weights, path):
    try:
        missing, unexpected = model.load_state_dict(weights, strict=False, assign=model.mean.is_meta)
    except RuntimeError as error:  # a weight of another shape
        raise DataError(f"{path}: is another architecture ({error})") from None
    own = ("mean", "std", "trained_joints", "num_batches_tracked")  # not in the checkpoints
    missing = [name for name in missing if not name.endswith(own)]
    if missing or unexpected:
        raise DataError(
            f"{path}: is another architecture (one residual unit per position is expected); "
            f"missing {missing[:3]}…, unknown {unexpected[:3]}…"
        )
