"""A model's landmarks on a whole data set, and their scores."""

import numpy as np
import torch
from torch.utils.data import IterableDataset

from pose.device import autocast, chosen_device, one_thread, tuned
from pose.errors import DataError
from pose.geometry import heatmap_to_image
from pose.heatmaps import heatmaps_to_landmarks
from pose.loading import Loader
from pose.metrics import score
from pose.samples import Samples, on_device


def predict_heatmaps(model, image):
    """The heatmaps (K, S/4, S/4) that a model predicts for one network input (3, S, S), RGB in 0 … 1."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        return model.eval()(image[None].to(device))[-1][0].cpu()


def predict_dataset(model, dataset, batch_size=32, workers=0, device=None, bf16=False):
    """Landmarks (M, K, 2) float64 in px of the original images, and confidences (M, K), in the data set's order.

    The model is moved to `device` (the GPU where there is one) and set to evaluation mode. Of an image that was skipped
    (`on_bad_image`) the landmarks are NaN, and the confidences 0.
    Raises DataError where the data set has other joints, or another size of images, than the model was trained with.
    """
    _check(model, dataset)
    device = chosen_device(device)
    model = model.to(device, memory_format=torch.channels_last).eval()
    found, boxes = [], []
    for crops, info in Loader(dataset.crops(), batch_size, num_workers=workers, pin_memory=device.type == "cuda",
                              worker_init_fn=one_thread):  # fmt: skip
        with torch.inference_mode(), autocast(device, bf16), tuned(device, tf32=bf16):
            heatmaps = model(on_device(crops, device))[-1]
            found.append(heatmaps_to_landmarks(heatmaps))  # read at the end, so that no batch waits for the one before
        boxes.append([info[key] for key in ("center", "scale", "rot")])
    places, confidence = (torch.cat(tensors).cpu().numpy() for tensors in zip(*found, strict=True))
    center, scale, rot = (torch.cat(tensors).numpy() for tensors in zip(*boxes, strict=True))
    landmarks = heatmap_to_image(places, center, scale, rot, dataset.out_res)
    landmarks[dataset.unreadable], confidence[dataset.unreadable] = np.nan, 0
    return landmarks, confidence


def _check(model, dataset):
    if not hasattr(model, "num_joints") or not isinstance(dataset, Samples):
        raise DataError(
            f"expected a StackedHourglass and a Generic, not {type(model).__name__} and {type(dataset).__name__}"
        )
    if len(dataset.skeleton) != model.num_joints:
        raise DataError(f"the model predicts {model.num_joints} joints, the data have {len(dataset.skeleton)}")
    about = getattr(model, "about", {})
    joints, size = about.get("joints"), about.get("config", {}).get("inp_res", dataset.inp_res)
    if joints and joints != list(dataset.skeleton.names):
        raise DataError(f"the model was trained for the joints {', '.join(joints)}; give the data set its skeleton")
    if size != dataset.inp_res:
        raise DataError(
            f"the model was trained with images of {size} px, the data have {dataset.inp_res}; make them with "
            f"Generic(..., inp_res={size})"
        )


def evaluate(model, dataset, batch_size=32, workers=0, device=None, bf16=False):
    """`PoseScores` of a model on a data set made with `is_train=False`, in px of the original images.

    Raises DataError for an augmented data set, for shards, and what `predict_dataset` raises.
    """
    _check(model, dataset)
    if isinstance(dataset, IterableDataset):
        raise DataError("evaluate on a Generic; shards are for training")
    if dataset.is_train:
        raise DataError("evaluate on a data set without augmentation: Generic(..., is_train=False)")
    predicted, _ = predict_dataset(model, dataset, batch_size, workers, device, bf16)
    labels = np.where(dataset.unreadable[:, None, None], np.nan, dataset.annotations.landmarks)
    return score(predicted, labels, dataset.skeleton)
