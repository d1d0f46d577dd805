"""Masks that are held over their own part of a picture: most objects are small."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Binary = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Patch:
    """A mask in a picture: (h, w) pixels, and the picture's column and row of the first one.

    Outside of it the mask has no pixel.
    """

    pixels: Binary
    left: int
    top: int


def crop(mask: Binary) -> Patch:
    """The patch of an (H, W) mask that reaches from its first to its last pixel; 0 x 0 for none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Patch(np.zeros((0, 0), dtype=bool), 0, 0)
    top, left = int(rows[0]), int(columns[0])
    return Patch(mask[top : rows[-1] + 1, left : columns[-1] + 1].copy(), left, top)


def together(patches: Sequence[Patch]) -> tuple[Binary, int, int]:
    """Masks (N, h, w) over the smallest part of the picture that holds them all, its left and top.

    >>> together([Patch(np.ones((1, 1)) > 0, 4, 7), Patch(np.ones((1, 2)) > 0, 5, 7)])
    (array([[[ True, False, False]],
    <BLANKLINE>
           [[False,  True,  True]]]), 4, 7)
    """
    some = [patch for patch in patches if patch.pixels.size]
    left, top = (
        min((getattr(patch, side) for patch in some), default=0) for side in ("left", "top")
    )
    height = max((patch.top + patch.pixels.shape[0] for patch in some), default=0) - top
    width = max((patch.left + patch.pixels.shape[1] for patch in some), default=0) - left
    masks = np.zeros((len(patches), height, width), dtype=bool)
    for mask, patch in zip(masks, patches, strict=True):
        if patch.pixels.size:
            y, x = patch.top - top, patch.left - left
            mask[y : y + patch.pixels.shape[0], x : x + patch.pixels.shape[1]] = patch.pixels
    return masks, left, top
