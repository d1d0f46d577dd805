"""Square crops around boxes: where to look when one thing is to be seen up close."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samkit.ops.grids import Box, Size

# Pixels of a crop's side at least: fewer show nothing to compare the object with.
LEAST_SIDE = 24
# Shared crops lie at multiples of this share of their side, so a box's middle is within half of it. From
# this context on, no box then reaches out of its crop.
STEP = 1 / 4
LEAST_SHARED_CONTEXT = 1 / (1 - STEP)


def crop_around(box: ArrayLike, context: float, size: Size) -> Box:
    """(x0, y0, x1, y1), whole pixels of a picture (height, width): the square around a box xyxy.

    Its side is `context` times the box's longer one, 24 pixels at least, less where the picture ends.

    >>> crop_around([10, 10, 40, 30], 2.0, (100, 60))
    (0, 0, 55, 50)
    """
    middle, side = _middle_and_side(box, context)
    return _square(middle, side, size)


def shared_crop_around(box: ArrayLike, context: float, size: Size) -> Box:
    """As `crop_around`, but one of few squares, so that boxes near each other have the same.

    Sides are 24, 48, 96, ... pixels, so up to twice as long; places are a quarter of a side apart. With
    a context of 4/3 or more the whole box lies inside.

    >>> shared_crop_around([10, 10, 40, 30], 1.5, (100, 60))
    (0, 0, 48, 48)
    >>> shared_crop_around([9, 12, 38, 33], 1.5, (100, 60))
    (0, 0, 48, 48)
    """
    middle, side = _middle_and_side(box, context)
    side = LEAST_SIDE * 2.0 ** math.ceil(math.log2(side / LEAST_SIDE))
    step = side * STEP
    return _square(np.rint(middle / step) * step, side, size)


def _middle_and_side(box: ArrayLike, context: float) -> tuple[NDArray[np.float64], float]:
    xyxy = np.asarray(box, dtype=np.float64)
    longer = float((xyxy[2:] - xyxy[:2]).max())
    return (xyxy[:2] + xyxy[2:]) / 2, max(longer * context, LEAST_SIDE)


def _square(middle: NDArray[np.float64], side: float, size: Size) -> Box:
    """Whole pixels, at least one of them, cut off where the picture ends."""
    end = np.array([size[1], size[0]])
    low = np.clip(np.floor(middle - side / 2), 0, end - 1)
    high = np.clip(np.ceil(middle + side / 2), low + 1, end)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
