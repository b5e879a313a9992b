"""Landmarks to heatmaps and back: a Gaussian at the sub-pixel place, and the least-squares fit that finds it again."""

import torch

WINDOW = 3  # the fit looks at (2·3 + 1)² pixels around the highest one
FIT_STEPS = 8


def landmarks_to_heatmaps(landmarks, out_res, sigma=1.0):
    """A Gaussian of height 1 at each landmark's sub-pixel place.

    landmarks: (..., K, 2) tensor, x then y, heatmap px; NaN where not labelled.
    out_res: the heatmap's side in px. sigma: the Gaussian's standard deviation in heatmap px.
    Returns (..., K, out_res, out_res) float32, rows y and columns x. The heatmap of a joint that is not labelled, or
    lies outside the map (beyond −0.5 … out_res−0.5), is zero.
    """
    landmarks = torch.as_tensor(landmarks, dtype=torch.float32)
    inside = ((landmarks >= -0.5) & (landmarks <= out_res - 0.5)).all(dim=-1)
    pixels = torch.arange(out_res, dtype=torch.float32, device=landmarks.device)
    # A Gaussian is separable: one profile along x, one along y, and their outer product.
    profiles = torch.exp(-((pixels - landmarks[..., None]) ** 2) / (2 * sigma**2))
    profiles = torch.where(inside[..., None, None], profiles, 0.0)
    return profiles[..., 1, :, None] * profiles[..., 0, None, :]


def heatmaps_to_landmarks(heatmaps):
    """The sub-pixel place and the height of the highest peak in each heatmap.

    Around the highest pixel a Gaussian of free place, height and width is fitted to the pixels by least squares
    (Levenberg–Marquardt): exact on a Gaussian, also where the border cuts it, and close to the best unbiased
    estimate under noise, since it weighs every pixel of the window.

    heatmaps: (..., K, H, W) tensor, rows y and columns x.
    Returns landmarks (..., K, 2) float32, x then y, heatmap px, and confidence (..., K) float32, the height of the
    fitted peak within 0 … 1. A constant heatmap (that of an unlabelled joint, say) gives NaN and confidence 0.
    """
    heatmaps = torch.as_tensor(heatmaps)
    *batch, height, width = heatmaps.shape
    flat = heatmaps.reshape(-1, height * width).float()
    peak, place = flat.max(dim=1)
    empty = ~(flat.amin(dim=1) < peak)  # also where a network that diverged gives NaN

    values, dx, dy, inside = _windows(flat, place, height, width)
    x, y, fitted = _fit_gaussians(values / _nonzero(peak)[:, None], dx, dy, inside)
    landmarks = torch.stack([place % width + x, place // width + y], dim=-1)
    confidence = (fitted * peak).clamp(0, 1)
    landmarks = torch.where(empty[:, None], torch.nan, landmarks)
    confidence = torch.where(empty, 0.0, confidence)
    return landmarks.reshape(*batch, 2), confidence.reshape(batch)


def _nonzero(peak):
    return torch.where(peak == 0, 1.0, peak)


def _windows(flat, place, height, width):
    """The pixels around the peak: values (M, P), offsets dx and dy (P,) in px, and which lie in the map (M, P)."""
    offsets = torch.arange(-WINDOW, WINDOW + 1, device=flat.device)
    dy, dx = (grid.reshape(-1) for grid in torch.meshgrid(offsets, offsets, indexing="ij"))
    x, y = place[:, None] % width + dx, place[:, None] // width + dy
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    return flat.gather(1, index), dx.float(), dy.float(), inside.float()


def _fit_gaussians(values, dx, dy, inside):
    """Places x, y (M,) relative to the window's middle and heights (M,) of the Gaussians nearest to `values` (M, P).

    The parameters are x, y, the height a and s = log of the width; the model is a·exp(−r²/(2·e^{2s})).
    """
    count = len(values)
    parameters = values.new_zeros(count, 4)
    parameters[:, 2] = 1.0  # the window is scaled to a peak of 1
    damping = values.new_full((count, 1, 1), 1e-3)
    identity = torch.eye(4, device=values.device)
    error = _residual(parameters, values, dx, dy, inside)[0].square().sum(dim=1)
    for _ in range(FIT_STEPS):
        residual, jacobian = _residual(parameters, values, dx, dy, inside)
        normal = jacobian.transpose(1, 2) @ jacobian
        gradient = jacobian.transpose(1, 2) @ residual[:, :, None]
        step = torch.linalg.solve_ex(normal + damping * identity, gradient)[0][:, :, 0]  # does not wait for a GPU
        trial = _within_bounds(parameters + step)
        trial_error = _residual(trial, values, dx, dy, inside)[0].square().sum(dim=1)
        better = trial_error < error
        parameters = torch.where(better[:, None], trial, parameters)
        error = torch.where(better, trial_error, error)
        damping = torch.where(better[:, None, None], damping * 0.1, damping * 10)
    return parameters[:, 0], parameters[:, 1], parameters[:, 2]


def _residual(parameters, values, dx, dy, inside):
    """What the model lacks to the values, (M, P), and the model's derivatives, (M, P, 4); zero outside the map."""
    x, y, a, s = (parameter[:, None] for parameter in parameters.unbind(1))
    precision = torch.exp(-2 * s)
    u, v = dx - x, dy - y
    shape = torch.exp(-0.5 * (u**2 + v**2) * precision) * inside
    model = a * shape
    derivatives = [model * u * precision, model * v * precision, shape, model * (u**2 + v**2) * precision]
    return (values * inside - model), torch.stack(derivatives, dim=2)


def _within_bounds(parameters):
    """The peak is at most 1 px from the highest pixel, its height positive, its width 0.3 … 5 px."""
    low = parameters.new_tensor([-1.0, -1.0, 0.05, -1.2])
    high = parameters.new_tensor([1.0, 1.0, 2.0, 1.6])
    return parameters.clamp(low, high)
