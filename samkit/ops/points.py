"""Points: xy in pixels, where a whole number is the middle of a pixel's column or row index."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Size = tuple[int, int]
Click = tuple[NDArray[np.float32], int]


def unit_grid(points_per_side: int) -> NDArray[np.float64]:
    """(n * n, 2) xy points at (i + 0.5) / n of each side of the unit square, row by row; n may be 0.

    The official generator's grid (`build_point_grid`), n being `points_per_side`.
    """
    if points_per_side == 0:
        return np.zeros((0, 2))
    margin = 0.5 / points_per_side
    ticks = np.linspace(margin, 1 - margin, points_per_side)
    y, x = np.meshgrid(ticks, ticks, indexing="ij")
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def point_grid(points_per_side: int, size: Size) -> NDArray[np.float32]:
    """(n * n, 2) xy points at (i + 0.5) / n of each side of an image (height, width), row by row."""
    height, width = size
    return (unit_grid(points_per_side) * (width, height)).astype(np.float32)


def center_point(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(2,) xy of the pixel of an (H, W) mask that lies farthest from its border.

    The maximum of the exact Euclidean distance transform, what is outside the image counting as
    background; the first in row-major order where several are as far (paper D.1, RITM's clicker).
    Raises ValueError for a mask without a pixel.
    """
    xy, depth = _deepest(mask, np.zeros((0, 2), dtype=np.int64))
    if not depth:
        raise ValueError("an empty mask has no centre")
    return xy


def random_point(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32]:
    """(2,) xy of a pixel of an (H, W) mask, drawn evenly (the paper's other first click, fig. 9d).

    Raises ValueError for a mask without a pixel.
    """
    pixels = np.flatnonzero(mask)
    if not len(pixels):
        raise ValueError("an empty mask has no pixel to click on")
    y, x = divmod(int(pixels[rng.integers(len(pixels))]), mask.shape[1])
    return np.array([x, y], dtype=np.float32)


def next_click(
    truth: NDArray[np.bool_], prediction: NDArray[np.bool_], clicked: ArrayLike = ()
) -> Click | None:
    """Where an annotator clicks next: xy (2,) and label, 1 foreground or 0 background.

    truth, prediction: (H, W) masks. clicked: (n, 2) xy of earlier clicks; their pixels are never
    clicked again, though they still count as part of a region. Pixels that don't count are to be
    outside of both masks.

    Of what was missed and what was found in error, the region whose innermost pixel lies deeper is
    clicked there: at the maximum of the exact distance transform, what is outside the image counting
    as outside the region; the first in row-major order where several are as deep. As deep in both,
    the click is on the background. None where no pixel in error is left. (Paper 7.1 and D.1; RITM's
    `Clicker`, which would click a corner of the image then.)

    >>> place, positive = next_click(np.eye(3) > 0, np.zeros((3, 3)) > 0)
    >>> place.tolist(), positive
    ([0.0, 0.0], 1)
    """
    taken = np.asarray(clicked, dtype=np.int64).reshape(-1, 2)
    missed, missed_depth = _deepest(truth & ~prediction, taken)
    found, found_depth = _deepest(prediction & ~truth, taken)
    if missed_depth == found_depth == 0:
        return None
    return (missed, 1) if missed_depth > found_depth else (found, 0)


def _deepest(
    region: NDArray[np.bool_], taken: NDArray[np.int64]
) -> tuple[NDArray[np.float32], float]:
    """xy of a region's pixel farthest from its border, and how far; taken pixels are none."""
    from scipy import ndimage  # half a second, and most pipelines need no centre

    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not len(rows):
        return np.zeros(2, dtype=np.float32), 0.0
    # Only the region's own box is worked on: everything around it is outside anyway.
    top, left = rows[0], columns[0]
    inside = np.pad(region[top : rows[-1] + 1, left : columns[-1] + 1], 1)
    distance = ndimage.distance_transform_edt(inside)
    x, y = taken.T - [[left - 1], [top - 1]]
    near = (x >= 0) & (y >= 0) & (y < distance.shape[0]) & (x < distance.shape[1])
    distance[y[near], x[near]] = 0
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return np.array([left + x - 1, top + y - 1], dtype=np.float32), float(distance[y, x])
