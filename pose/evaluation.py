"""A model's landmarks on a whole data set, and their scores."""

import numpy as np
import torch
from torch.utils.data import DataLoader

from pose.device import autocast, default_device
from pose.geometry import heatmap_to_image
from pose.heatmaps import heatmaps_to_landmarks
from pose.metrics import score


def predict_heatmaps(model, image):
    """The heatmaps (K, S/4, S/4) that a model predicts for one network input (3, S, S), RGB in 0 … 1."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        return model.eval()(image[None].to(device))[-1][0].cpu()


def predict_dataset(model, dataset, batch_size=32, workers=0, device=None, bf16=False):
    """Landmarks (M, K, 2) float64 in px of the original images, and confidences (M, K), in the data set's order.

    The model is moved to `device` (the GPU where there is one) and set to evaluation mode.
    """
    device = torch.device(device or default_device())
    model = model.to(device, memory_format=torch.channels_last).eval()
    landmarks, confidences = [], []
    for images, _, info in DataLoader(dataset, batch_size, num_workers=workers):
        images = images.to(device, memory_format=torch.channels_last)
        with torch.inference_mode(), autocast(device, bf16):
            heatmaps = model(images)[-1]
        places, confidence = heatmaps_to_landmarks(heatmaps)
        center, scale, rot = (info[key].numpy() for key in ("center", "scale", "rot"))
        landmarks.append(heatmap_to_image(places.cpu().numpy(), center, scale, rot, heatmaps.shape[-1]))
        confidences.append(confidence.cpu().numpy())
    return np.concatenate(landmarks), np.concatenate(confidences)


def evaluate(model, dataset, batch_size=32, workers=0, device=None, bf16=False):
    """`PoseScores` of a model on a data set made with `is_train=False`, in px of the original images.

    Raises ValueError for an augmented data set.
    """
    if dataset.is_train:
        raise ValueError("evaluate on a data set without augmentation: Generic(..., is_train=False)")
    predicted, _ = predict_dataset(model, dataset, batch_size, workers, device, bf16)
    return score(predicted, dataset.annotations.landmarks, dataset.skeleton)
