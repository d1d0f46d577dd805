"""Masks as a poor SAM might have found them, made of true ones."""

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from samkit.training.augment import Bools
from samkit.training.found import BOX_NOISE, outer_box


def spoiled(target: Bools, others: Bools, rng: np.random.Generator) -> Bools:
    """An object's mask (H, W) as a poor SAM might have found it; it may come back empty.

    One in five is its loose box. The others are blurred and uneven, with a neighbour of `others` (N, H, W)
    at times, or with a side missing.
    """
    x0, y0, x1, y1 = outer_box(target)
    side, kind = max(x1 - x0, y1 - y0), rng.random()
    spoilt = np.zeros_like(target)
    if kind < 0.2:
        noise = rng.normal(0, BOX_NOISE, 4) * np.array([x1 - x0, y1 - y0] * 2)
        left, top, right, bottom = np.maximum(
            0, np.rint(np.array([x0, y0, x1, y1]) + noise)
        ).astype(int)
        spoilt[top:bottom, left:right] = True
        return spoilt
    reach = int(0.3 * side) + 3
    rows, columns = slice(max(0, y0 - reach), y1 + reach), slice(max(0, x0 - reach), x1 + reach)
    soft = target[rows, columns].astype(np.float32)
    if kind > 0.6 and len(others) and rng.random() < 0.4:
        soft = np.maximum(soft, others[rng.integers(len(others))][rows, columns])
    soft = gaussian_filter(soft, max(0.6, side * rng.uniform(0.02, 0.14)))
    few = [max(2, round(length / max(4, side * rng.uniform(0.15, 0.6)))) for length in soft.shape]
    coarse = rng.normal(0, 1, few).astype(np.float32)
    uneven = zoom(coarse, np.array(soft.shape) / few, order=1)
    spoilt[rows, columns] = soft + uneven * rng.uniform(0.05, 0.25) > rng.uniform(0.2, 0.55)
    if kind > 0.75:
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(-0.1, 0.4) * side
        y, x = np.ogrid[: target.shape[0], : target.shape[1]]
        along = (x - (x0 + x1) / 2) * np.cos(angle) + (y - (y0 + y1) / 2) * np.sin(angle)
        spoilt &= along < far
    return spoilt
