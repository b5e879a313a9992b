"""Converts landmarks in pixels to features that are independent of the person's position and size and of the number
of frames. Everything is differentiable, so that end-to-end training can pass gradients to the hourglass."""

import torch

MIN_TORSO = 0.2  # of the joints' spread; 0.66 … 1.35 in the clips of UTD-MHAD and UT-Kinect


def fill_missing(landmarks, lengths):
    """Replaces each missing landmark by the joint's last known position or, before that, its first.

    landmarks: (N, T, K, 2) tensor; anything not finite or beyond a clip's length is missing.
    lengths: (N,) int, frames of each clip.
    Returns landmarks (N, T, K, 2) without NaN, zero for joints that are never seen, and seen (N, K) bool.
    """
    steps = torch.arange(landmarks.shape[1], device=landmarks.device)
    known = landmarks.isfinite().all(dim=-1) & (steps < lengths[:, None])[:, :, None]  # (N, T, K)
    if not known.is_cuda and known.all():  # the usual case; checking would make a GPU wait
        return landmarks, known[:, 0]
    landmarks = torch.where(known[..., None], landmarks, 0.0)
    seen = known.any(dim=1)
    before = torch.where(known, steps[:, None], -1).cummax(dim=1).values
    first = known.int().argmax(dim=1, keepdim=True)
    source = torch.where(before < 0, first, before)
    return landmarks.gather(1, source[..., None].expand(-1, -1, -1, 2)), seen


def normalise(landmarks, lengths, seen, skeleton):
    """Landmarks relative to the hips, and the hips' path, both in units of the clip's median torso.

    landmarks: (N, T, K, 2) px without NaN, seen: (N, K), both from `fill_missing`; lengths: (N,).
    Returns landmarks (N, T, K, 2) and path (N, T, 1, 2), the hips relative to their mean position in the clip. If no
    hip is seen, the mean of all joints replaces it. If the torso is not seen, or is nearly a point (as with -1 -1 for
    missing joints), the joints' spread about the hips replaces it, which is about as large.
    """
    hips = [i for i, name in enumerate(skeleton.names) if "hip" in name]
    origin = _mean_seen(landmarks, seen, hips)  # (N, T, 1, 2)
    centred = (landmarks - origin) * seen[:, None, :, None]
    a, b = skeleton.torso_indices
    torso = (landmarks[:, :, a] - landmarks[:, :, b]).norm(dim=-1)  # (N, T)
    count = seen.sum(dim=1).clamp_min(1)[:, None]
    spread = (centred.square().sum(dim=(2, 3)) / count + 1e-12).sqrt()
    valid = torch.arange(landmarks.shape[1], device=landmarks.device) < lengths[:, None]
    torso, spread = (torch.where(valid, x, torch.nan).nanmedian(dim=1).values for x in (torso, spread))
    usable = seen[:, a] & seen[:, b] & (torso > MIN_TORSO * spread)
    size = torch.where(usable, torso, spread).clamp_min(1e-3)[:, None, None, None]
    weight = valid[:, :, None, None] / lengths[:, None, None, None]
    path = origin - (origin * weight).sum(dim=1, keepdim=True)
    return centred / size, path / size


def _mean_seen(landmarks, seen, joints):
    """The mean position (N, T, 1, 2) of those `joints` that are seen, or of all seen joints if none of them is."""
    if joints and not seen.is_cuda and seen[:, joints].all():
        return landmarks[:, :, joints].mean(dim=2, keepdim=True)
    chosen = torch.zeros_like(seen)
    chosen[:, joints] = seen[:, joints]
    chosen = torch.where(chosen.any(dim=1, keepdim=True), chosen, seen)
    weight = chosen / chosen.sum(dim=1, keepdim=True).clamp_min(1)
    return (landmarks * weight[:, None, :, None]).sum(dim=2, keepdim=True)


def resample(sequence, lengths, frames):
    """Resamples each clip to `frames` evenly spaced time steps, interpolating linearly between its frames.

    sequence: (N, T, …); lengths: (N,). Returns (N, frames, …).
    """
    positions = torch.linspace(0, 1, frames, device=sequence.device) * (lengths[:, None] - 1)  # (N, frames)
    below = positions.floor().long()
    above = torch.minimum(below + 1, lengths[:, None] - 1)
    share = (positions - below).view(*positions.shape, *[1] * (sequence.ndim - 2))
    clips = torch.arange(len(sequence), device=sequence.device)[:, None]
    return sequence[clips, below] * (1 - share) + sequence[clips, above] * share


def bones(positions, seen, skeleton):
    """The vector along each limb, from its inner joint to its outer one (Shi et al., "Two-Stream Adaptive Graph
    Convolutional Networks for Skeleton-Based Action Recognition", CVPR 2019).

    positions: (N, T, K, 2); seen: (N, K) bool. Returns vectors (N, T, L, 2) in the unit of the positions, zero where a
    joint is never seen, and which of the limbs are seen (N, L) bool.
    """
    inner, outer = skeleton.limb_ends
    both = seen[:, inner] & seen[:, outer]
    return (positions[:, :, outer] - positions[:, :, inner]) * both[:, None, :, None], both


def velocities(sequence):
    """The change of each value of (N, T, …) since the previous frame; zero in the first frame."""
    return torch.cat([torch.zeros_like(sequence[:, :1]), sequence[:, 1:] - sequence[:, :-1]], dim=1)
