"""The plain implementation to compare with: one image, one joint at a time, as in a first version of such a project.

The network is the same `StackedHourglass`, in full precision and PyTorch's default memory layout.
"""

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch.nn import functional as F


def predict(model, images):
    """The last stack's heatmaps of images (N, 3, S, S)."""
    with torch.no_grad():
        return model(images)[-1]


def decode(heatmaps, center, scale):
    """Landmarks (N, K, 2) px of heatmaps (N, K, R, R), as output by the network, joint by joint: the highest pixel,
    shifted a quarter of a pixel towards its higher neighbour, through the inverse of the crop's matrix."""
    count, joints, res, _ = heatmaps.shape
    highest = heatmaps.flatten(2).argmax(dim=2)
    landmarks = torch.zeros(count, joints, 2)
    for n in range(count):
        for k in range(joints):
            heatmap = heatmaps[n, k]
            y, x = divmod(int(highest[n, k]), res)
            position = torch.tensor([float(x), float(y)])
            if 0 < x < res - 1 and 0 < y < res - 1:
                across = heatmap[y, x + 1] - heatmap[y, x - 1]
                down = heatmap[y + 1, x] - heatmap[y - 1, x]
                position += 0.25 * torch.stack([across, down]).sign()
            landmarks[n, k] = to_image(position, center[n], scale[n], res)
    return landmarks.numpy()


def to_image(position, center, scale, res):
    """One landmark (2,) from heatmap px to image px."""
    zoom = res / (200 * scale)
    matrix = np.array([[zoom, 0, res / 2 - zoom * center[0]], [0, zoom, res / 2 - zoom * center[1]], [0, 0, 1]])
    return torch.from_numpy((np.linalg.inv(matrix) @ np.array([position[0], position[1], 1.0]))[:2])


def sample(path, landmarks, center, scale, rng, inp_res=256, out_res=64):
    """An augmented training sample (image, heatmaps): the picture is decoded, rotated, cropped, resized and relit."""
    picture = Image.open(path).convert("RGB")
    rot = rng.uniform(-30, 30)
    picture = picture.rotate(rot, Image.Resampling.BILINEAR, center=tuple(center))
    half = 100 * scale * rng.uniform(0.75, 1.25)
    crop = picture.crop((center[0] - half, center[1] - half, center[0] + half, center[1] + half))
    crop = crop.resize((inp_res, inp_res), Image.Resampling.BILINEAR)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        crop = change(crop).enhance(rng.uniform(0.7, 1.3))
    image = torch.from_numpy(np.asarray(crop, np.float32) / 255).permute(2, 0, 1).contiguous()

    cos, sin = np.cos(np.radians(rot)), np.sin(np.radians(rot))
    heatmaps = np.zeros((len(landmarks), out_res, out_res), np.float32)
    columns, rows = np.meshgrid(np.arange(out_res), np.arange(out_res))
    for k, (x, y) in enumerate(landmarks - center):
        u = (cos * x + sin * y + half) * out_res / (2 * half)
        v = (-sin * x + cos * y + half) * out_res / (2 * half)
        heatmaps[k] = np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / 2)
    return image, torch.from_numpy(heatmaps)


def train_step(model, optimizer, images, heatmaps):
    """One step with the squared error."""
    loss = sum(F.mse_loss(output, heatmaps) for output in model(images))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
