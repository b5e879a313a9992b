"""Landmarks that a trained hourglass predicts, for all images of a data set, computed once and kept."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from pose.annotations import Annotations
from pose.checkpoints import load_tensors, save_tensors
from pose.errors import PoseError
from pose.prediction import listed

AT_ONCE = 256  # images between two movements of the progress bar


def predict_annotations(predictor, images, cache_dir=None, least=0.0):
    """The landmarks that a `Predictor` finds, as `Annotations`, which everything takes in place of labelled ones.

    images: a folder (its images by name, 9 before 10, sub-folders too) or a list of paths, such as `annotations.paths`.
    cache_dir: a folder that keeps the result, or None. It is found again only for the same weights, settings, image
        names and image contents.
    least: landmarks of less confidence are missing.
    Returns `Annotations`, in the order of `images`. Raises what `Predictor.predict` raises.
    """
    paths = [str(path) for path in listed(images)]
    cache = Path(cache_dir) / f"landmarks_{_key(predictor, paths)}.safetensors" if cache_dir else None
    found = _from(cache) if cache else None
    if found is None:
        found = _predict(predictor, paths)
        if cache:
            save_tensors(cache, found, {"kind": "predicted landmarks", "images": len(paths)})
    landmarks = np.where((found["confidence"] >= least)[..., None], found["landmarks"], np.nan)
    return Annotations(paths, landmarks)


def _from(cache):
    """What a file of the cache holds, or None where it is not there or damaged."""
    try:
        return load_tensors(cache)[0]
    except PoseError:
        return None


def _predict(predictor, paths):
    """{"landmarks": (M, K, 2) float64, "confidence": (M, K) float32}, image px."""
    predictions = []
    with tqdm(total=len(paths), desc="landmarks", unit="img", file=sys.stdout, mininterval=0.5) as bar:
        for start in range(0, len(paths), AT_ONCE):
            predictions += predictor.predict(paths[start : start + AT_ONCE])
            bar.update(len(predictions) - bar.n)
    return {
        "landmarks": torch.from_numpy(np.stack([prediction.landmarks for prediction in predictions])),
        "confidence": torch.from_numpy(np.stack([prediction.confidence for prediction in predictions])),
    }


def _key(predictor, paths):
    """A hash of everything that the predicted landmarks depend on."""
    settings = (predictor.inp_res, predictor.flip_test, predictor.backend, predictor.precision, predictor.skeleton,
                predictor.model.settings)  # fmt: skip
    digest = hashlib.sha256(repr(settings).encode())
    if predictor.samples is not None:
        digest.update(predictor.samples.numpy().tobytes())
    for name, tensor in predictor.model.state_dict().items():
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    for path in paths:
        digest.update(Path(path).name.encode("utf-8", "surrogateescape"))
        digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
    return digest.hexdigest()[:16]
