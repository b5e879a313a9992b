"""The loss between each stack's heatmaps and the target Gaussians; unlabelled joints are left out."""

import math

import torch

from pose.runtime.errors import DataError


def heatmap_loss(outputs, heatmaps, kind="cross_entropy", sigma=1.0):
    """Sum over the stacks of the mean loss over all N · K joints; a joint whose target is zero contributes nothing.

    outputs: the list of heatmaps (N, K, H, W) that `StackedHourglass` returns.
    heatmaps: (N, K, H, W), the targets from `landmarks_to_heatmaps`; zero where not labelled or outside the crop.
    kind: "mse", the squared difference averaged over the positions, or "cross_entropy", −Σ t·log p with the target t
        normalised to sum 1 and p the predicted probability of each position.
    sigma: of the Gaussians, in heatmap px.
    Because it divides by all joints, not just the labelled ones, the loss of a batch is the mean of its parts' losses.
    """
    heatmaps = heatmaps.to(outputs[0].dtype)
    labelled = heatmaps.amax(dim=(2, 3)) > 0  # (N, K)
    if kind == "mse":
        per_joint = [_squared_error(output, heatmaps) for output in outputs]
    elif kind == "cross_entropy":
        target = heatmaps / heatmaps.sum(dim=(2, 3), keepdim=True).clamp_min(1e-6)
        per_joint = [_cross_entropy(output, target, sigma) for output in outputs]
    else:
        raise DataError(f"kind is 'mse' or 'cross_entropy', not {kind!r}")
    return sum((loss * labelled).mean() for loss in per_joint)


def _squared_error(output, heatmaps):
    return (output - heatmaps).square().mean(dim=(2, 3))


def _cross_entropy(output, target, sigma):
    probability = output / (2 * math.pi * sigma**2)  # the heatmap's height, see StackedHourglass
    return -(target * probability.clamp_min(torch.finfo(torch.float32).tiny).log()).sum(dim=(2, 3))
