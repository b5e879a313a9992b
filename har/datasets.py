"""Data sets of clips, as landmarks (`SequenceDataset`) or as frames (`ClipDataset`), and their batches."""

from pathlib import Path

import numpy as np
import torch

from har.augmentation import MotionAugmentation
from pose.annotations import as_annotations
from pose.augmentation import Augmentation, AugmentedDataset
from pose.clips import actions_of
from pose.dataset import BadImages
from pose.geometry import center_and_scale, crop_matrix, invert, transform_landmarks, whole_image_box
from pose.images import ImageError, read_image, warp
from pose.people import image_file
from pose.runtime.errors import DataError


class _ClipSamples(AugmentedDataset):
    """The common base of both data sets: the clips, their labels, and the epoch."""

    def __init__(self, annotations, clips, actions, is_train, augmentation, seed):
        super().__init__()
        self.annotations, self.clips = as_annotations(annotations), list(clips)
        self.skeleton = self.annotations.skeleton
        self.actions = list(actions or actions_of(clips))
        self.labels = _labels(self.clips, self.actions)
        _check(self.annotations, self.clips)
        self.is_train = is_train
        self.augmentation = augmentation
        self.seed = seed

    def __len__(self):
        return len(self.clips)


class SequenceDataset(_ClipSamples):
    """Samples `(landmarks, label)`: landmarks (T, K, 2) float32, x then y, image px, NaN where missing; label int.

    annotations: labelled (`read_annotations`) or predicted (`predict_annotations`) landmarks of all images.
    clips: a list of `Clip`; actions: the names of the classes, in order; by default those of the clips, sorted.
    is_train: augment according to `augmentation`; depends only on `seed`, the epoch (`set_epoch`) and the index.
    joints_3d: `Joints3D` of the same rows, or None. In `augmentation.turn_share` of the clips, training then uses the
        3D joints, turned and projected, instead of the annotations' landmarks.
    Raises DataError if there are no clips, or one has an action not in `actions`, or extends beyond the annotations.
    """

    def __init__(self, annotations, clips, actions=None, is_train=False, augmentation=None, joints_3d=None,
                 seed=0):  # fmt: skip
        super().__init__(annotations, clips, actions, is_train, augmentation or MotionAugmentation(), seed)
        self.joints_3d = joints_3d

    def __getitem__(self, index):
        index = range(len(self))[index]
        rows = self.clips[index].rows
        landmarks = self.annotations.landmarks[rows]
        if self.is_train:
            rng = np.random.default_rng((self.seed, self.epoch, index))
            if self.joints_3d is None or rng.random() >= self.augmentation.turn_share:
                landmarks = self.augmentation.move(landmarks, rng)
            else:
                points = self.augmentation.move(self.joints_3d.points[rows], rng)
                points = self.augmentation.turn_in_space(points, rng, self.skeleton)
                landmarks = self.joints_3d.camera.project(points)
            landmarks = self.augmentation.blur(landmarks, rng, self.skeleton)
        return torch.from_numpy(landmarks.astype(np.float32)), self.labels[index]


class ClipDataset(_ClipSamples):
    """Samples `(frames, label, tpts, to_image)` for end-to-end training.

    frames: (T, 3, inp_res, inp_res) float32, RGB in 0 … 1, each frame cropped around the person.
    label: int. tpts: (T, K, 2) float32, the labelled landmarks in heatmap px, NaN where not labelled.
    to_image: (T, 2, 3) float32, the affine matrices from heatmap px to image px, so that the person's path is not lost
        although the crops follow it.

    annotations: their landmarks, labelled or predicted, determine each frame's crop; a frame with less than half as
        many landmarks as the clip's best uses those of the whole clip. clips, actions, is_train, seed: as in
        `SequenceDataset`.
    augmentation: as for `Generic`, one change for the whole clip; without mirroring, since actions differ by side. The
        hourglass sees other crops, the head the same landmarks in the image.
    pose_labels: `Annotations` of the same rows, labelled, for the pose loss, or None: then tpts is NaN.
    frames: how many frames of a longer clip are used, evenly spaced; in training, with a random offset.
    on_bad_image: "raise" an ImageError if a frame cannot be read, or "skip" the frame; see `unreadable`.
    """

    def __init__(self, annotations, clips, actions=None, is_train=False, augmentation=None, pose_labels=None,
                 inp_res=256, frames=32, seed=0, on_bad_image="raise"):  # fmt: skip
        super().__init__(annotations, clips, actions, is_train, augmentation or Augmentation(), seed)
        if pose_labels is not None and pose_labels.paths != annotations.paths:
            raise DataError(
                "pose_labels have other images than annotations, or another order; "
                "predict_annotations(predictor, pose_labels.paths) makes annotations that match"
            )
        if pose_labels is not None:
            pose_labels.skeleton.check_same(self.skeleton, "pose_labels", "the annotations")
        self.pose_labels = pose_labels
        self.inp_res, self.out_res = inp_res, inp_res // 4
        self.frames = frames
        self.bad_images = BadImages(len(annotations), on_bad_image)

    @property
    def unreadable(self):
        """(M,) bool: the images of the annotations skipped so far because they could not be read."""
        return self.bad_images.found

    def name(self, row):
        """The image of this row as messages name it."""
        return self.annotations.name(row)

    def __getitem__(self, index):
        index = range(len(self))[index]
        clip = self.clips[index]
        rng = np.random.default_rng((self.seed, self.epoch, index))
        rows, pictures = self._pictures(clip.rows[self._chosen(len(clip), rng)])
        center, scale, rot = *self._boxes(clip, rows, pictures[0]), 0.0
        if self.is_train:
            center, scale, rot = self.augmentation.move_box(center, scale, rng)
        matrices = crop_matrix(center, scale, rot, self.inp_res)
        crops = [warp(picture, matrix, self.inp_res) for picture, matrix in zip(pictures, matrices, strict=True)]
        frames = np.stack(crops)
        if self.is_train:
            frames = self.augmentation.change_light(frames, rng)
        frames = torch.from_numpy(frames).permute(0, 3, 1, 2)
        to_heatmap = crop_matrix(center, scale, rot, self.out_res)
        to_image = torch.from_numpy(invert(to_heatmap).astype(np.float32))
        return frames.float() / 255, self.labels[index], self._tpts(rows, to_heatmap), to_image

    def _pictures(self, rows):
        """The rows whose images can be read, and the images, (H, W, 3) uint8 each. Raises ImageError if none can."""
        pictures = {}
        for row in rows:
            try:
                pictures[row] = read_image(image_file(self.annotations.paths[row]))
            except ImageError as error:
                self.bad_images.add(row, self.annotations.place(row), error)
        if not pictures:
            raise ImageError(f"{self.annotations.name(rows[0])} and the other images of its clip cannot be read")
        return np.array(list(pictures)), list(pictures.values())

    def _boxes(self, clip, rows, picture):
        """Centers (T, 2) and scales (T,) of the squares around the person in `rows`. A frame with too few landmarks
        gets the square of the whole clip or, if that has no landmarks either, of the whole picture."""
        center, scale = center_and_scale(self.annotations.landmarks[rows])
        landmarks = self.annotations.landmarks[clip.rows]
        most = np.isfinite(landmarks).all(axis=2).sum(axis=1).max()
        few = np.isfinite(self.annotations.landmarks[rows]).all(axis=2).sum(axis=1) < max(1, most / 2)
        if few.any():
            whole = whole_image_box(picture.shape[1], picture.shape[0])
            center[few], scale[few] = center_and_scale(landmarks.reshape(-1, 2)) if most else whole
        return center, scale

    def _chosen(self, length, rng):
        """Which of `length` frames are used, ascending."""
        if length <= self.frames:
            return np.arange(length)
        start = rng.random() if self.is_train else 0.5
        return ((np.arange(self.frames) + start) * length / self.frames).astype(int)

    def _tpts(self, rows, to_heatmap):
        if self.pose_labels is None:
            return torch.full((len(rows), len(self.skeleton), 2), torch.nan)
        return torch.from_numpy(transform_landmarks(self.pose_labels.landmarks[rows], to_heatmap).astype(np.float32))


def _labels(clips, actions):
    unknown = sorted({clip.action for clip in clips} - set(actions))
    if unknown:
        raise DataError(f"the clips show {', '.join(unknown)}, not among the actions {', '.join(actions)}")
    if not clips:
        raise DataError("the data set is empty: there are no clips")
    return [actions.index(clip.action) for clip in clips]


def _check(annotations, clips):
    for clip in clips:
        if clip.last >= len(annotations):
            raise DataError(f"the clip {clip.name!r} ends in row {clip.last}, but there are {len(annotations)} images")
        for row, image in ((clip.first, clip.first_image), (clip.last, clip.last_image)):
            if image and Path(annotations.paths[row]).name != Path(image).name:
                raise DataError(
                    f"the clip {clip.name!r} has {image} in row {row}, the annotations have {annotations.paths[row]}: "
                    "read the clips with these annotations, or reorder them (predict_annotations takes paths)"
                )


def collate_clips(samples):
    """A batch of samples from `SequenceDataset` or `ClipDataset`.

    Returns (padded, lengths, labels): padded (N, T, …), the samples' first tensors, the shorter ones padded with NaN
    (landmarks) or zeros (frames); lengths (N,) int64, labels (N,) int64. For `ClipDataset` also tpts (N, T, K, 2) and
    to_image (N, T, 2, 3), padded with NaN.
    """
    sequences, labels, *more = zip(*samples, strict=True)
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    frames = sequences[0].ndim == 4
    padded = _pad(sequences, 0.0 if frames else torch.nan)
    return padded, lengths, torch.tensor(labels), *(_pad(tensors, torch.nan) for tensors in more)


def _pad(sequences, value):
    return torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=value)
