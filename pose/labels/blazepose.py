"""`ReadyMade`: people in images, found by MediaPipe's BlazePose, as the joints of KINECT20.

Bazarevsky et al., "BlazePose: On-device Real-time Body Pose Tracking", 2020. A detector finds each person's hips and
the circle around the whole body; the square around that circle, turned so that the body is upright, goes to a network
that finds 33 landmarks. Both run with OpenVINO.
"""

from typing import NamedTuple

import numpy as np
import torch

from pose.geometry import BOX_MARGIN, PIXELS_PER_SCALE, crop_matrix, invert, transform_landmarks, whole_image_box
from pose.images import read_image, warp
from pose.labels.blazepose_joints import LANDMARK_NAMES, to_kinect20
from pose.labels.mediapipe_files import DETECTOR, LANDMARKS, model_path
from pose.runtime.errors import optional_package
from pose.skeleton import KINECT20

DETECTOR_RES = 224  # px
ANCHORS = {8: 2, 16: 2, 32: 6}  # stride in px: anchors per cell
MAX_OVERLAP = 0.3  # detections that overlap more are of the same person
CIRCLE_MARGIN = 1.25  # side of the square, in diameters of the circle around the body
RES = 256  # px, of the network for landmarks
PRESENCE, HEATMAPS = 1, 3  # which of its outputs
WINDOW, MIN_PEAK = 3, 0.5  # heatmap px on each side of a landmark; how high the peak must be to move it


class Person(NamedTuple):
    """A person found in an image.

    landmarks: (20, 2) float32, x then y, image px, in KINECT20's order; a joint may be outside the image.
    confidence: (20,) float32 in 0 … 1, the probability that the joint is in the image and not hidden.
    """

    landmarks: np.ndarray
    confidence: np.ndarray


NOBODY = Person(np.full((len(KINECT20), 2), np.nan, np.float32), np.zeros(len(KINECT20), np.float32))


class ReadyMade:
    """Finds people with MediaPipe's "full" model.

    folder: with the two model files; by default where `fetch_models` puts them.
    min_score: what is less likely to be a person is ignored. MediaPipe's own is 0.5; where somebody is known to be in
        the image, 0.2 finds more unusual poses.
    Raises MissingError and DataError (see `model_path`), and PackageError without OpenVINO.
    """

    def __init__(self, folder=None, min_score=0.5):
        openvino = optional_package("openvino", "the ready-made model", "openvino")
        options = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
        self._detector, self._network = (
            openvino.compile_model(model_path(folder, name), "CPU", options) for name in (DETECTOR, LANDMARKS)
        )
        self.min_score = min_score

    def predict(self, image, boxes=None):
        """A list of `Person`: everybody found in the image, the surest first.

        image: a path, or an array (H, W, 3) uint8 RGB.
        boxes: (left, top, right, bottom) px around each person. Then the list has one `Person` for each box, in their
            order: the surest one found there, or landmarks NaN and confidence 0 if there is none.
        Raises ImageError for a file that is not an image.
        """
        image = image if isinstance(image, np.ndarray) else read_image(image)
        if boxes is None:
            return self._people(image, *whole_image_box(image.shape[1], image.shape[0]))
        boxes = np.asarray(boxes, np.float64)
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2
        scales = BOX_MARGIN * (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / PIXELS_PER_SCALE
        found = [self._people(image, center, scale) for center, scale in zip(centers, scales, strict=True)]
        return [people[0] if people else NOBODY for people in found]

    def person(self, image, hips, top):
        """The `Person` whose body lies in the circle around the middle of the `hips` through `top`, or None.

        image: (H, W, 3) uint8 RGB; hips, top: (2,) px; `top` is straight above the hips if the body is upright.
        """
        matrix = upright_matrix(hips, top)
        found = self._network(warp(image, matrix, RES)[None].astype(np.float32) / 255)
        if found[PRESENCE][0, 0] < self.min_score:
            return None
        values = found[0].reshape(-1, 5)[: len(LANDMARK_NAMES)]  # x, y, z (px), visibility, presence
        landmarks = refine(values[:, :2], sigmoid(found[HEATMAPS][0])) - 0.5  # from pixel edges to pixel centers
        return Person(*to_kinect20(transform_landmarks(landmarks, invert(matrix)), sigmoid(values[:, 3])))

    def _people(self, image, center, scale):
        """The people in the square of the image with this center (2,) px and scale (side / 200 px), surest first."""
        matrix = crop_matrix(center, scale, 0.0, DETECTOR_RES)
        crop = warp(image, matrix, DETECTOR_RES).astype(np.float32) / 127.5 - 1  # in −1 … 1
        values, scores = self._detector(crop[None]).values()
        circles = detections(values[0], sigmoid(scores[0, :, 0]), self.min_score)
        people = [self.person(image, *circle) for circle in transform_landmarks(circles, invert(matrix))]
        return [person for person in people if person]


def anchors():
    """The centers of the detector's anchors, (2254, 2), x then y, as shares of the crop's side."""
    grids = []
    for stride, count in ANCHORS.items():
        middles = (np.arange(DETECTOR_RES // stride) + 0.5) * stride / DETECTOR_RES
        grid = np.stack(np.meshgrid(middles, middles), axis=-1)  # (rows, columns, 2)
        grids.append(grid.reshape(-1, 2).repeat(count, axis=0))
    return np.concatenate(grids)


def detections(values, scores, min_score):
    """The circles around bodies, (D, 2, 2), x then y, crop px: the middle of the hips, and the top; the surest first.

    values: (2254, 12), the detector's: the face's center and size, then four points; px, from the anchor's center.
    scores: (2254,) in 0 … 1. Detections whose faces overlap are averaged, weighted by their scores.
    """
    order = np.argsort(-scores)
    order = order[scores[order] >= min_score]
    points = values[order].reshape(-1, 6, 2)  # face center, face size, hips, top, and two for the upper body
    points[:, [0, 2, 3]] += DETECTOR_RES * anchors()[order, None] - 0.5
    scores, circles = scores[order], []
    while len(points):
        same = overlaps(points[0, :2], points[:, :2]) > MAX_OVERLAP
        same[0] = True
        circles.append(np.average(points[same, 2:4], axis=0, weights=scores[same]))
        points, scores = points[~same], scores[~same]
    return np.reshape(circles, (-1, 2, 2))


def overlaps(box, boxes):
    """Intersection over union of a box (2, 2), center and size, with others (N, 2, 2): (N,)."""
    low = np.maximum(box[0] - box[1] / 2, boxes[:, 0] - boxes[:, 1] / 2)
    high = np.minimum(box[0] + box[1] / 2, boxes[:, 0] + boxes[:, 1] / 2)
    common = (high - low).clip(0).prod(axis=1)
    return common / (box[1].prod() + boxes[:, 1].prod(axis=1) - common)


def upright_matrix(hips, top):
    """The matrix (2, 3) from image px to the network's crop, in which `top` (2,) px is straight above `hips` (2,)."""
    x, y = np.subtract(top, hips)
    scale = CIRCLE_MARGIN * 2 * np.hypot(x, y) / PIXELS_PER_SCALE
    return crop_matrix(hips, scale, np.degrees(np.arctan2(-x, -y)), RES)


def refine(landmarks, heatmaps):
    """Landmarks (33, 2), crop px, moved to the mean place of the heatmaps' (64, 64, K) values nearby, weighted by them,
    wherever one of these is high.
    """
    refined, ratio = landmarks.copy(), RES / len(heatmaps)
    for k, (x, y) in enumerate(np.floor(landmarks / ratio).astype(int)):
        left, top = max(x - WINDOW, 0), max(y - WINDOW, 0)
        window = heatmaps[top : max(y + WINDOW + 1, 0), left : max(x + WINDOW + 1, 0), k]
        if window.size and window.max() >= MIN_PEAK:
            rows, columns = np.indices(window.shape)
            refined[k] = ratio * (np.array([left, top]) + [np.average(i, weights=window) for i in (columns, rows)])
    return refined


def sigmoid(values):
    return (1 + np.tanh(values / 2)) / 2  # never overflows
