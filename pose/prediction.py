"""`Predictor`: finds landmarks in any images with a trained hourglass."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from pose.annotations import Annotations, relative_name, write_annotations
from pose.checkpoints import load_model
from pose.export import build_engine
from pose.geometry import (
    BOX_MARGIN,
    PIXELS_PER_SCALE,
    center_and_scale,
    crop_matrix,
    heatmap_to_image,
    whole_image_box,
)
from pose.heatmaps import heatmaps_to_landmarks
from pose.hourglass import check_images
from pose.images import list_images, read_image, warp
from pose.people import image_file, person_number
from pose.plotting import draw_landmarks
from pose.runtime.device import chosen_device, keep_freed_memory
from pose.runtime.errors import DataError, ExistsError
from pose.runtime.files import write_atomically
from pose.skeleton import KINECT20, Skeleton, skeleton_of

UNSURE = 0.2  # joints below this share of the highest confidence are ignored for the box
CALIBRATION_IMAGES = 200
MAX_BOX = 1e6  # px
MAX_INPUT = 4096  # px


@dataclass(frozen=True)
class Prediction:
    """One person in one image.

    landmarks: (K, 2) float64, x then y, image px; NaN for joints that had no label in training.
    confidence: (K,) float32 in 0 … 1, the height of the heatmap's peak.
    center (2,) px, scale: the crop that the network saw.
    path: of the image, photo.jpg#2 for its second person; None for an array.
    skeleton: the joints of the landmarks.
    """

    landmarks: np.ndarray
    confidence: np.ndarray
    center: np.ndarray
    scale: float
    path: str | None = None
    skeleton: Skeleton = KINECT20


class Predictor:
    """Finds the landmarks of the person in each image.

    model: a `StackedHourglass` (or another network of `num_joints` that returns a list of heatmaps), or the path of a
        checkpoint.
    inp_res: the side of the network's input, px; by default that of its training.
    flip_test: also predict the mirrored crop and average the heatmaps; twice the time, slightly more accurate.
    backend: "torch", or "onnx" or "openvino", which are faster on a CPU and need extra packages; see `pose.export`.
    precision: "fp32"; if speed matters more than the last digit "bf16" (torch and openvino), "tf32" (torch on a GPU) or
        "int8" (openvino).
    calibration: for int8: a hundred or more images like those to be predicted, as for `predict`; 200 of them, evenly
        spaced, determine the range of the activations.
    The weights are copied: further training of the model does not change the predictor.
    """

    def __init__(self, model, inp_res=None, batch_size=8, flip_test=False, backend="torch", precision="fp32",
                 calibration=None, device=None):  # fmt: skip
        keep_freed_memory()
        self.device = chosen_device(device or (None if backend == "torch" else "cpu"))
        model = model if isinstance(model, torch.nn.Module) else load_model(model)
        if not hasattr(model, "num_joints"):
            raise DataError(f"expected a StackedHourglass or the path of its checkpoint, not a {type(model).__name__}")
        if batch_size < 1:
            raise DataError(f"batch_size must be at least 1, not {batch_size}")
        self.model, self.skeleton = model, skeleton_of(model.num_joints, getattr(model, "skeleton", None))
        self.inp_res = inp_res or getattr(model, "inp_res", None) or 256
        if not isinstance(self.inp_res, int) or not 64 <= self.inp_res <= MAX_INPUT:
            raise DataError(f"inp_res is a whole number from 64 to {MAX_INPUT}, not {self.inp_res!r:.80}")
        check_images((batch_size, 3, self.inp_res, self.inp_res))
        self.batch_size = batch_size
        self.flip_test = flip_test
        self.backend, self.precision = backend, precision
        calibration = [] if calibration is None else _evenly(list_images(calibration), CALIBRATION_IMAGES)
        self.samples = self._samples(calibration) if calibration else None
        self._engine = build_engine(model, self.inp_res, backend, precision, self.device, self.samples)

    def predict(self, images, boxes=None):
        """A list of `Prediction`, one per image.

        images: the path of an image, a folder of images (with sub-folders; sorted by name, 9 before 10), an array
            (H, W, 3) uint8 RGB, or a list of paths and arrays. A path photo.jpg#2, of the second person, needs a box.
        boxes: (left, top, right, bottom) px around the person for each image. Without boxes the network sees the whole
            image first, and then the box of the landmarks that it found.
        Raises DataError for any other kind of array, for an empty box, and if the numbers of boxes and images differ;
        ImageError for a file that is not an image.
        """
        images = list_images(images)
        for image in images:
            _check_image(image)
        boxes = None if boxes is None else _boxes(boxes, len(images))
        second = [image for image in images if not isinstance(image, np.ndarray) and person_number(str(image)) > 1]
        if second and boxes is None:
            raise DataError(
                f"{second[0]}: without a box it is unknown which person is meant; pass boxes=, one per image"
            )
        predictions = []
        for start in range(0, len(images), self.batch_size):
            chosen = slice(start, start + self.batch_size)
            predictions += self._predict_batch(images[chosen], None if boxes is None else boxes[chosen])
        return predictions

    def _predict_batch(self, images, boxes):
        pictures = [image if isinstance(image, np.ndarray) else read_image(image_file(str(image))) for image in images]
        if boxes is None:
            center, scale = self._find(pictures)
        else:
            center = (boxes[:, :2] + boxes[:, 2:]) / 2
            scale = BOX_MARGIN * (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / PIXELS_PER_SCALE
        landmarks, confidence = self._landmarks(pictures, center, scale)
        paths = [None if isinstance(image, np.ndarray) else str(image) for image in images]
        rows = zip(landmarks, confidence, center, scale, paths, strict=True)
        return [Prediction(*row, skeleton=self.skeleton) for row in rows]

    def _whole_boxes(self, pictures):
        """Center (N, 2) and scale (N,) of the squares around whole pictures."""
        whole = [whole_image_box(picture.shape[1], picture.shape[0]) for picture in pictures]
        return tuple(np.array(values) for values in zip(*whole, strict=True))

    def _find(self, pictures):
        """Center (N, 2) and scale (N,) of the person in each picture, from a first prediction on all of it."""
        center, scale = self._whole_boxes(pictures)
        landmarks, confidence = self._landmarks(pictures, center, scale)
        unsure = confidence < UNSURE * confidence.max(axis=1, keepdims=True)
        landmarks[unsure] = np.nan  # one wild joint would make the box far too large
        near_center, near_scale = center_and_scale(landmarks)
        found = np.isfinite(near_scale)  # without any landmark the second pass repeats the first
        return np.where(found[:, None], near_center, center), np.where(found, near_scale, scale)

    def _samples(self, images):
        """The crops that the network of an exact predictor sees in the first and the second pass, on the CPU."""
        self._engine = build_engine(self.model, self.inp_res, device=self.device)
        samples = []
        for image in images:
            picture = [image if isinstance(image, np.ndarray) else read_image(image)]
            samples += [self._crops(picture, *self._whole_boxes(picture)), self._crops(picture, *self._find(picture))]
        return torch.cat(samples).cpu()

    def _crops(self, pictures, center, scale):
        """The crops (N, 3, S, S) float32, RGB in 0 … 1, of center (N, 2) and scale (N,)."""
        matrices = crop_matrix(center, scale, 0.0, self.inp_res)
        crops = [warp(picture, matrix, self.inp_res) for picture, matrix in zip(pictures, matrices, strict=True)]
        return torch.from_numpy(np.stack(crops)).to(self.device).permute(0, 3, 1, 2).float() / 255

    @torch.inference_mode()
    def _landmarks(self, pictures, center, scale):
        """Landmarks (N, K, 2) in image px and confidences (N, K), from the crops of center (N, 2) and scale (N,)."""
        heatmaps = self._heatmaps(self._crops(pictures, center, scale))
        places, confidence = heatmaps_to_landmarks(heatmaps)
        landmarks = heatmap_to_image(places.cpu().numpy(), center, scale, 0.0, heatmaps.shape[-1])
        return landmarks, confidence.cpu().numpy()

    def _heatmaps(self, crops):
        """The last stack's heatmaps (N, K, S/4, S/4) of crops (N, 3, S, S); averaged with the mirrored ones if
        `flip_test`.
        """
        heatmaps = self._engine(crops)
        if self.flip_test:
            mirrored = self._engine(crops.flip(3)).flip(3)
            heatmaps = (heatmaps + mirrored[:, self.skeleton.mirrored]) / 2
        return heatmaps


def _evenly(items, count):
    """At most `count` of the items, evenly spaced."""
    return [items[i * len(items) // count] for i in range(count)] if len(items) > count else items


def _check_image(image):
    if isinstance(image, (str, os.PathLike)):
        return
    if not isinstance(image, np.ndarray):
        raise DataError(
            f"expected a path or an image (H, W, 3) uint8 RGB, got a {type(image).__name__}; convert a PIL image "
            "with np.asarray(image.convert('RGB'))"
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise DataError(f"expected an image (H, W, 3) uint8 RGB, got an array {image.shape} {image.dtype}")


def _boxes(boxes, count):
    """Boxes as (count, 4) float64."""
    try:
        boxes = np.array(boxes, np.float64)
    except (TypeError, ValueError):
        raise DataError("boxes must be numbers: (left, top, right, bottom) px per image") from None
    boxes = boxes[None] if boxes.shape == (4,) else boxes
    if boxes.shape != (count, 4):
        raise DataError(f"{count} images need boxes ({count}, 4), got {boxes.shape}")
    if not ((boxes[:, 2:] > boxes[:, :2]).all() and (abs(boxes) < MAX_BOX).all()):
        raise DataError("a box must be (left, top, right, bottom) px with left < right and top < bottom")
    return boxes


def write_predictions(joints_txt, predictions, image_dir=None, min_confidence=0.0, overwrite=False):
    """Writes predictions as a joints file for `read_annotations`; joints below `min_confidence` become nan.

    image_dir: the folder that the names are written relative to; by default the deepest one that contains all images.
    Raises DataError for predictions of arrays and for two of the same path; ExistsError.
    """
    _check_files(predictions)
    image_dir = image_dir or _common_folder(predictions)
    found = predicted_annotations(predictions, min_confidence)
    write_annotations(joints_txt, found, image_dir, overwrite)


def predicted_annotations(predictions, min_confidence=0.0):
    """Predictions of files as `Annotations`; joints below `min_confidence` become NaN.

    Raises DataError if their skeletons differ.
    """
    if not predictions:
        raise DataError("there is no prediction to write")
    first = predictions[0].skeleton
    for prediction in predictions:
        first.check_same(prediction.skeleton, "the first prediction", "others")
    landmarks = [np.where(p.confidence[:, None] >= min_confidence, p.landmarks, np.nan) for p in predictions]
    return Annotations([p.path for p in predictions], landmarks, skeleton=first)


def draw_predictions(out_dir, predictions, image_dir=None, min_confidence=0.0, overwrite=False):
    """Writes each image with its skeletons drawn, under its own name below `out_dir`; returns the paths.

    Raises DataError for predictions of arrays, for two of the same path, for kinds of files that OpenCV does not
    write, and where `out_dir` is `image_dir`; ExistsError; FileError.
    """
    _check_files(predictions)
    image_dir = image_dir or _common_folder(predictions)
    if Path(out_dir).resolve() == Path(image_dir).resolve():
        raise DataError(f"the drawings would replace the images in {image_dir}; choose another out_dir")
    people = defaultdict(list)
    for prediction in predictions:
        people[image_file(prediction.path)].append(prediction)
    paths = [Path(out_dir) / relative_name(file, image_dir) for file in people]
    there = next((path for path in paths if path.exists()), None)
    if there and not overwrite:
        raise ExistsError(f"{there} already exists; choose another folder or pass overwrite=True")
    unknown = next((path for path in paths if not cv2.haveImageWriter(path.name)), None)
    if unknown:
        raise DataError(f"{unknown}: OpenCV writes no such images; give those with other suffixes")
    for file, path in zip(people, paths, strict=True):
        drawn = read_image(file)
        for p in people[file]:
            drawn = draw_landmarks(drawn, p.landmarks, p.skeleton, p.confidence, min_confidence)
        _, encoded = cv2.imencode(path.suffix, cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
        write_atomically(path, encoded.tobytes())
    return paths


def _common_folder(predictions):
    if not predictions:
        raise DataError("there are no predictions")
    return os.path.commonpath([os.path.dirname(os.path.abspath(prediction.path)) for prediction in predictions])


def _check_files(predictions):
    files = [prediction.path for prediction in predictions]
    if None in files or len(set(files)) < len(files):
        raise DataError("expected one prediction per person: none of arrays, and no path twice")
