"""Landmarks to heatmaps and back: a Gaussian at the sub-pixel position, and the least-squares fit that recovers it."""

import torch

WINDOW = 3  # the fit uses (2·3 + 1)² pixels around the highest one
FIT_STEPS = 3


def landmarks_to_heatmaps(landmarks, out_res, sigma=1.0):
    """A Gaussian of height 1 at each landmark's sub-pixel position.

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
    """The sub-pixel position and the height of the highest peak in each heatmap.

    Around the highest pixel a Gaussian of free position, height and width is fitted to the pixels by least squares
    (Levenberg–Marquardt). The fit is exact on a Gaussian, even one cut by the border if sigma is 0.8 or more, or by a
    corner if it is from 0.9 to 2. Under noise it is close to the best unbiased estimate, since it weighs every pixel of
    the window.

    heatmaps: (..., K, H, W) tensor, rows y and columns x.
    Returns landmarks (..., K, 2) float32, x then y, heatmap px, and confidence (..., K) float32, the height of the
    fitted peak within 0 … 1. A constant heatmap (such as an unlabelled joint's) gives NaN and confidence 0.
    """
    heatmaps = torch.as_tensor(heatmaps)
    *batch, height, width = heatmaps.shape
    maps = heatmaps.reshape(-1, height, width).float()
    peak, column, row = _highest(maps)
    height_above = peak - maps.amin(dim=(1, 2))
    empty = ~(height_above > 0) | height_above.isinf()  # also if a diverged network gives NaN or infinity

    values, inside_x, inside_y = _windows(maps, column, row)
    x, y, fitted = _fit_gaussians(values / _nonzero(peak), inside_x, inside_y)
    landmarks = torch.where(empty[:, None], torch.nan, torch.stack([column + x, row + y], dim=-1))
    confidence = torch.where(empty, 0.0, (fitted * peak).clamp(0, 1))
    return landmarks.reshape(*batch, 2), confidence.reshape(batch)


def _highest(maps):
    """The highest value of each map (M, H, W), its column and its row, (M,) each."""
    rows = maps.amax(dim=2)  # much faster than one argmax over all pixels
    peak, row = rows.max(dim=1)
    column = maps[torch.arange(len(maps), device=maps.device), row].argmax(dim=1)
    return peak, column, row


def _nonzero(peak):
    return torch.where(peak == 0, 1.0, peak)


# From here on the maps are the last axis, so that short sums over a window's rows and columns vectorise over the maps.


def _windows(maps, column, row):
    """The pixels (P, P, M) around each peak, zero outside the map, and which columns and rows are inside it, (P, M)
    each.
    """
    height, width = maps.shape[1:]
    offsets = torch.arange(-WINDOW, WINDOW + 1, device=maps.device)[:, None]
    x, y = column + offsets, row + offsets
    inside_x, inside_y = (x >= 0) & (x < width), (y >= 0) & (y < height)
    first = torch.arange(len(maps), device=maps.device) * (height * width)
    index = first + y.clamp(0, height - 1)[:, None] * width + x.clamp(0, width - 1)
    return maps.flatten()[index] * (inside_y[:, None] & inside_x), inside_x.float(), inside_y.float()


def _fit_gaussians(values, inside_x, inside_y):
    """Positions x, y (M,) relative to the window's middle and heights (M,) of the Gaussians closest to `values` (P, P,
    M).

    The parameters are x, y and s = log of the width; the best height follows from them (variable projection: Golub and
    Pereyra, "The Differentiation of Pseudo-Inverses and Nonlinear Least Squares Problems", 1973).
    """
    parameters = _first_guess(values, inside_x, inside_y)
    damping = torch.full_like(parameters[0], 1e-3)
    error, height, gradient, normal = _evaluate(parameters, values, inside_x, inside_y)
    for _ in range(FIT_STEPS):
        trial = _within_bounds(parameters + _step(gradient, normal, damping))
        evaluated = _evaluate(trial, values, inside_x, inside_y)
        better = evaluated[0] < error
        parameters = torch.where(better, trial, parameters)
        error, height, gradient, normal = (
            torch.where(better, new, old) for new, old in zip(evaluated, (error, height, gradient, normal), strict=True)
        )
        damping = torch.where(better, damping * 0.1, damping * 10)
    return parameters[0], parameters[1], height


def _first_guess(values, inside_x, inside_y):
    """x, y and s (3, M) of the Gaussian through the middle pixel and its neighbours, whose logarithm is a parabola.

    At the map's edge there is one neighbour only; the width is then that along the other axis, or 1.
    """
    near = slice(WINDOW - 1, WINDOW + 2)
    logs = torch.stack([values[WINDOW, near], values[near, WINDOW]]).clamp_min(1e-3).log()  # (2, 3, M): x, y
    before, after = logs[:, 0] - logs[:, 1], logs[:, 2] - logs[:, 1]
    has_before, has_after = (torch.stack([inside_x, inside_y])[:, WINDOW + side] > 0 for side in (-1, 1))
    both = has_before & has_after
    curvature = -(before + after)
    known = (both * curvature).sum(dim=0) / both.sum(dim=0).clamp_min(1)
    known = torch.where(known > 0, known, 1.0)
    curvature = torch.where(both & (curvature > 0), curvature, known)
    one_sided = torch.where(has_after, after + curvature / 2, -(before + curvature / 2))
    slope = torch.where(both, (after - before) / 2, one_sided)
    return _within_bounds(torch.stack([*(slope / curvature), -known.log() / 2]))


def _evaluate(parameters, values, inside_x, inside_y):
    """The squared error (M,), the best height (M,), and the gradient (3, M) and normal matrix (5, M) of x, y and s.

    With the height projected out the normal matrix is a covariance, of (u, v, u² + v²) under the squared Gaussian,
    where u and v are the distances to its middle along x and y. Since the Gaussian is separable, so are all sums, and u
    and v are uncorrelated. This leaves xx, yy, ss, xs, ys.
    """
    x, y, s = parameters
    precision = torch.exp(-2 * s)
    u, v = _offsets(values) - x, _offsets(values) - y  # (P, M)
    along_x, along_y = _gaussian(u, precision) * inside_x, _gaussian(v, precision) * inside_y
    norm = along_x.square().sum(dim=0) * along_y.square().sum(dim=0)
    shape = along_y[:, None] * along_x
    height = (values * shape).sum(dim=(0, 1)) / norm
    residual = values - height * shape
    slope = height * precision

    weighted = residual * shape
    by_x, by_y = weighted.sum(dim=0), weighted.sum(dim=1)
    to_x, to_y = (by_x * u).sum(dim=0), (by_y * v).sum(dim=0)
    to_s = (by_x * u.square()).sum(dim=0) + (by_y * v.square()).sum(dim=0)
    (xx, xs, x_ss), (yy, ys, y_ss) = _covariances(u, along_x), _covariances(v, along_y)
    normal = torch.stack([xx, yy, x_ss + y_ss, xs, ys]) * (slope.square() * norm)
    return residual.square().sum(dim=(0, 1)), height, slope * torch.stack([to_x, to_y, to_s]), normal


def _gaussian(u, precision):
    return torch.exp((-0.5 * u.square() * precision).clamp_min(-20))  # denormal numbers are slow


def _offsets(values):
    return torch.arange(-WINDOW, WINDOW + 1, device=values.device, dtype=values.dtype)[:, None]


def _covariances(u, profile):
    """For u and u² (P, M) under the squared profile: the variance of u, the covariance, the variance of u²; (M,)."""
    weight = profile.square()
    weight = weight / weight.sum(dim=0)
    u2 = u.square()
    u, u2 = (value - (weight * value).sum(dim=0) for value in (u, u2))
    return (weight * u.square()).sum(dim=0), (weight * u * u2).sum(dim=0), (weight * u2.square()).sum(dim=0)


def _step(gradient, normal, damping):
    """The solution (3, M) of (normal + damping) · step = gradient; s is solved first, since x and y are not coupled."""
    (gx, gy, gs), (xx, yy, ss, xs, ys) = gradient, normal
    xx, yy, ss = xx + damping, yy + damping, ss + damping
    step_s = (gs - xs * gx / xx - ys * gy / yy) / (ss - xs.square() / xx - ys.square() / yy)
    return torch.stack([(gx - xs * step_s) / xx, (gy - ys * step_s) / yy, step_s])


def _within_bounds(parameters):
    """Limits the peak to 1 px from the highest pixel, and its width to 0.3 … 5 px."""
    x, y, s = parameters
    return torch.stack([x.clamp(-1, 1), y.clamp(-1, 1), s.clamp(-1.2, 1.6)])
