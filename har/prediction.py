"""Prediction: the landmarks of a whole data set, and `SlidingWindow`, which recognises actions in a stream."""

import hashlib
import time
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from har.checkpoints import load_model
from har.hourglass_lstm import HourglassLSTM
from pose.annotations import Annotations
from pose.checkpoints import load_tensors, save_tensors
from pose.films import read_frames
from pose.images import list_images, read_image
from pose.people import image_file
from pose.prediction import Predictor
from pose.runtime.device import chosen_device
from pose.runtime.errors import DataError, PoseError
from pose.runtime.files import read_bytes
from pose.runtime.progress import progress_bar

PROGRESS_STEP = 256  # images between two updates of the progress bar


def predict_annotations(predictor, images, cache_dir=None, min_confidence=0.0):
    """The landmarks that a `Predictor` finds, as `Annotations`, which can be used instead of labelled ones.

    images: a folder (sorted by name, 9 before 10, with sub-folders), a list of paths, or `Annotations`, whose labels
        then tell people of the same picture apart (photo.jpg and photo.jpg#2): each is looked for in the labelled box.
    cache_dir: a folder for caching the result, or None. The cache is used only for the same weights, settings, image
        names and image contents.
    min_confidence: landmarks of lower confidence become NaN.
    Returns `Annotations`, in the order of `images`. Raises whatever `Predictor.predict` raises.
    """
    paths = images.paths if isinstance(images, Annotations) else [str(path) for path in list_images(images)]
    boxes = boxes_of_several(images) if isinstance(images, Annotations) else {}
    if not paths:
        raise DataError("there is no image to predict landmarks in")
    cache = Path(cache_dir) / f"landmarks_{_key(predictor, paths, boxes)}.safetensors" if cache_dir else None
    found = _read_cache(cache) if cache else None
    if found is None:
        found = _predict(predictor, paths, boxes)
        if cache:
            save_tensors(cache, found, {"kind": "predicted landmarks", "images": len(paths)})
    landmarks = np.where((found["confidence"] >= min_confidence)[..., None], found["landmarks"], np.nan)
    return Annotations(paths, landmarks, skeleton=predictor.skeleton)


def _read_cache(cache):
    """The content of a cache file, or None if it is missing or damaged."""
    try:
        return load_tensors(cache)[0]
    except PoseError:
        return None


def boxes_of_several(annotations):
    """{path: (left, top, right, bottom) px} of the labels of people who share their picture with others."""
    count = Counter(map(image_file, annotations.paths))
    rows = [row for row, path in enumerate(annotations.paths) if count[image_file(path)] > 1]
    low, high = (extreme(annotations.landmarks[rows], axis=1) for extreme in (np.fmin.reduce, np.fmax.reduce))
    boxes = zip(rows, np.hstack([low, high]), strict=True)
    return {annotations.paths[row]: box for row, box in boxes if (box[2:] > box[:2]).all()}


def _predict(predictor, paths, boxes):
    """{"landmarks": (M, K, 2) float64, "confidence": (M, K) float32}, image px."""
    predictions = []
    with progress_bar(len(paths), "landmarks", "images") as bar:
        for start in range(0, len(paths), PROGRESS_STEP):
            part = paths[start : start + PROGRESS_STEP]
            boxed, free = [path for path in part if path in boxes], [path for path in part if path not in boxes]
            found = predictor.predict(free) if free else []
            found += predictor.predict(boxed, [boxes[path] for path in boxed]) if boxed else []
            of_path = {prediction.path: prediction for prediction in found}
            predictions += [of_path[path] for path in part]
            bar.update(len(part))
    return {
        "landmarks": torch.from_numpy(np.stack([prediction.landmarks for prediction in predictions])),
        "confidence": torch.from_numpy(np.stack([prediction.confidence for prediction in predictions])),
    }


def _key(predictor, paths, boxes):
    """A hash of everything that the predicted landmarks depend on."""
    settings = (predictor.inp_res, predictor.flip_test, predictor.backend, predictor.precision, predictor.skeleton,
                getattr(predictor.model, "settings", type(predictor.model)))  # fmt: skip
    digest = hashlib.sha256(repr(settings).encode())
    if predictor.samples is not None:
        digest.update(predictor.samples.numpy().tobytes())
    for name, tensor in predictor.model.state_dict().items():
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    for path in paths:
        digest.update(boxes[path].tobytes() if path in boxes else b"")
        digest.update(Path(path).name.encode("utf-8", "surrogateescape"))
        digest.update(hashlib.sha256(read_bytes(image_file(path), "image")).digest())
    return digest.hexdigest()[:16]


class Moment(NamedTuple):
    """The recognition result at one frame.

    action: the most probable one, and its probability in 0 … 1. probabilities: (A,) float32 of all actions.
    landmarks: (K, 2) image px, of this frame.
    """

    action: str
    probability: float
    probabilities: np.ndarray
    landmarks: np.ndarray


class SlidingWindow:
    """Recognises the action in the latest frames of a stream.

    model: an `ActivityHead` or a `HourglassLSTM` with its actions (from `load_model`), or the path of its checkpoint.
    pose: a `Predictor`, an hourglass, or the path of its checkpoint; needed for frames, unless `model` is a
        `HourglassLSTM`, whose own hourglass is then used.
    window: how many frames to use; by default the median length of the training clips. At the start, the frames so far
        are used.
    The result is the same as the model's for a batch of these landmarks. A `Predictor` finds the person in each frame
    independently. `rate` is the number of frames per second from the first to the latest, everything included.
    Raises DataError if the window or the model's actions are unknown.
    """

    def __init__(self, model, pose=None, window=None, device=None):
        model = model if isinstance(model, torch.nn.Module) else load_model(model)
        self.device = chosen_device(device)
        if isinstance(model, HourglassLSTM):
            pose = pose or Predictor(model.pose_model, device=device)
            self.head = model.head
        else:
            self.head = model
        self.head.to(self.device).eval()
        if model.actions is None:
            raise DataError("the model's actions are unknown: set those of its training, model.actions = [...]")
        self.actions = model.actions
        self.pose = pose if pose is None or isinstance(pose, Predictor) else Predictor(pose, device=device)
        if self.pose:
            self.head.skeleton.check_same(self.pose.skeleton, "the recogniser", "the predictor")
        self.window = model.window if window is None else window
        if not isinstance(self.window, int) or self.window < 1:
            raise DataError("the checkpoint does not say how long its clips were; pass window=, in frames")
        self.restart()

    def restart(self):
        """Forgets all frames, before another stream."""
        self._seen = deque(maxlen=self.window)
        self._frames, self._started, self._last = 0, None, None

    @property
    def rate(self):
        """Frames per second from the first to the latest."""
        return self._frames / max(self._last - self._started, 1e-9) if self._frames else 0.0

    def push_landmarks(self, landmarks):
        """The `Moment` of the next frame, given its landmarks (K, 2), image px, NaN where missing."""
        self._started = self._started or time.perf_counter()
        joints = self.head.num_joints
        if np.shape(landmarks) != (joints, 2):
            raise DataError(f"expected landmarks ({joints}, 2), got {np.shape(landmarks)}")
        landmarks = np.array(landmarks, np.float64)  # a copy: the source may reuse its array
        self._seen.append(torch.from_numpy(landmarks.astype(np.float32)))
        window = torch.stack(tuple(self._seen))[None].to(self.device)
        with torch.inference_mode():
            logits = self.head(window, torch.tensor([window.shape[1]]))[0]
            probabilities = logits.softmax(dim=0).cpu().numpy()
        self._frames, self._last = self._frames + 1, time.perf_counter()
        best = int(probabilities.argmax())
        return Moment(self.actions[best], float(probabilities[best]), probabilities, landmarks)

    def push_frame(self, frame):
        """The `Moment` of the next frame (H, W, 3) uint8 RGB.

        Raises DataError for another shape, and if there is no pose model.
        """
        if np.ndim(frame) != 3:
            raise DataError(f"expected a frame (H, W, 3) uint8 RGB, got an array {np.shape(frame)}")
        if self.pose is None:
            raise DataError("frames need a pose model: SlidingWindow(model, pose=...), or pass landmarks")
        self._started = self._started or time.perf_counter()
        return self.push_landmarks(self.pose.predict(frame)[0].landmarks)

    def run(self, source):
        """Yields the `Moment` of each frame of a stream.

        source: the path of a video file or of a folder of images, the index of a camera, or any iterable of image
            paths, of frames (H, W, 3) uint8 RGB, or of landmarks (K, 2) in image px.
        """
        self.restart()
        frames = read_frames(source) if isinstance(source, (int, str, Path)) else source
        if not isinstance(frames, Iterable):
            raise DataError(f"expected a path, a camera's index or a sequence of frames, not {source!r:.80}")
        for frame in frames:
            frame = read_image(frame) if isinstance(frame, (str, Path)) else frame
            yield self.push_frame(frame) if np.ndim(frame) == 3 else self.push_landmarks(frame)
