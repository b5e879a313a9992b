"""How accurately landmarks are decoded from heatmaps: clean, near the border, through the image, and under noise.

python benchmarks/heatmap_error.py
"""

import math

import numpy as np
import torch

from pose import crop_matrix, heatmap_to_image, heatmaps_to_landmarks, landmarks_to_heatmaps, transform_landmarks

SEED = 0
PEOPLE = 200


def mean_error(found, true):
    return np.linalg.norm(np.asarray(found) - np.asarray(true), axis=-1).mean()


def main():
    rng = np.random.default_rng(SEED)
    noise = torch.Generator().manual_seed(SEED)
    print(f"{20 * PEOPLE} landmarks per row, seed {SEED}\n")
    print("| what | mean error | bias |\n|---|---|---|")
    for name, low, high in (("heatmap, anywhere", -0.5, 63.5), ("heatmap, nearest 1 px to the border", -0.5, 0.5)):
        true = rng.uniform(low, high, (PEOPLE, 20, 2)).astype(np.float32)
        found = heatmaps_to_landmarks(landmarks_to_heatmaps(true, 64, 1.0))[0].numpy()
        print(f"| {name}, heatmap px | {mean_error(found, true):.1e} | {abs((found - true).mean((0, 1))).max():.1e} |")
    for side in (256, 512, 900):
        center, scale = rng.uniform(0, side, (PEOPLE, 2)), np.full(PEOPLE, side / 200)
        rot = rng.uniform(-180, 180, PEOPLE)
        true = center[:, None] + side * rng.uniform(-0.35, 0.35, (PEOPLE, 20, 2))
        tpts = transform_landmarks(true, crop_matrix(center, scale, rot, 64))
        decoded = heatmaps_to_landmarks(landmarks_to_heatmaps(tpts, 64, 1.0))[0].numpy()
        found = heatmap_to_image(decoded, center, scale, rot, 64)
        print(f"| image, box of {side} px, any turn, px | {mean_error(found, true):.1e} | "
              f"{abs((found - true).mean((0, 1))).max():.1e} |")  # fmt: skip
    for sigma in (1.0, 1.5, 2.0):
        true = rng.uniform(5, 58, (PEOPLE, 20, 2)).astype(np.float32)
        heatmaps = landmarks_to_heatmaps(true, 64, sigma)
        noisy = heatmaps + 0.05 * torch.randn(heatmaps.shape, generator=noise)
        found = heatmaps_to_landmarks(noisy)[0].numpy()
        # Cramér–Rao: the variance along an axis is noise² / Σ (∂G/∂x)², and that sum is π/2 for every sigma.
        best = 4 * 0.05 / math.sqrt(math.pi / 2) * math.sqrt(math.pi / 2)
        print(f"| noise of 0.05 of the peak, sigma {sigma}, input px (at best {best:.2f}) | "
              f"{4 * mean_error(found, true):.2f} | {4 * abs((found - true).mean((0, 1))).max():.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
