"""Which mask is a part of which: wholes, parts and subparts by what lies inside what."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samkit.ops import rle

LEVELS = ("whole", "part", "subpart")


def mask_parents(
    run_lengths: Sequence[rle.RLE], inside: float = 0.9, largest: float = 0.8
) -> NDArray[np.int64]:
    """(N,) index of the mask that each of N is a part of, -1 for a whole.

    A mask's parent is the smallest of those that hold at least `inside` of its pixels and of whose
    own area it is at most `largest`; of equal areas the first. The bound on its size keeps two
    versions of one object from being each other's part: both become children of the same parent.
    Empty masks are wholes. As `Annotations.parents`.

    >>> car, wheel, hub, sign = np.zeros((4, 1, 99), dtype=bool)
    >>> car[:, :60], wheel[:, 10:30], hub[:, 15:20], sign[:, 70:] = True, True, True, True
    >>> mask_parents(rle.encode(np.stack([car, wheel, hub, sign]))).tolist()
    [-1, 0, 1, -1]
    """
    areas = rle.areas(run_lengths)
    shares = shares_inside(run_lengths, run_lengths)
    fits = (shares >= inside) & (areas[:, None] <= largest * areas[None]) & (areas[:, None] > 0)
    # The smallest that fits: the first column in the order of areas.
    order = np.argsort(areas, kind="stable")
    fits = fits[:, order]
    return np.where(fits.any(axis=1), order[fits.argmax(axis=1)], -1) if len(areas) else areas


def mask_levels(parents: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) 0 for wholes, 1 for parts, 2 for subparts and whatever lies deeper; `LEVELS` are the words.

    >>> mask_levels(np.array([-1, 0, 1, 2])).tolist()
    [0, 1, 2, 2]
    """
    levels = np.zeros(len(parents), dtype=np.int64)
    above = np.asarray(parents)
    # A parent is larger than its child, so that climbing ends.
    while (above >= 0).any():
        levels += above >= 0
        above = np.where(above >= 0, parents[above], -1)
    return np.minimum(levels, len(LEVELS) - 1)


def shares_inside(run_lengths: Sequence[rle.RLE], others: Sequence[rle.RLE]) -> NDArray[np.float64]:
    """(N, M) the share of each of N masks' pixels that lies in each of M others; 0 of an empty one."""
    # What COCO does for crowds: the intersection over the first mask's own area.
    return rle.iou(run_lengths, others, [True] * len(others))
