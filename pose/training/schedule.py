"""The learning rate over a training."""

import math


def rate_at(step, steps, highest, warmup):
    """The learning rate of step 0 … steps−1: it rises linearly in a share `warmup` of them, then falls as half a
    cosine from `highest` to zero (one cycle: Smith & Topin 2018)."""
    rise = max(1, round(warmup * steps))
    if step < rise:
        return highest * (step + 1) / rise
    return highest * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
