"""Points: xy in pixels, where a whole number is the middle of a pixel's column or row index."""

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]


def point_grid(points_per_side: int, size: Size) -> NDArray[np.float32]:
    """(n * n, 2) xy points at (i + 0.5) / n of each side of an image (height, width), row by row.

    The official generator's grid (`build_point_grid`), n being `points_per_side`.
    """
    margin = 0.5 / points_per_side
    ticks = np.linspace(margin, 1 - margin, points_per_side)
    y, x = np.meshgrid(ticks, ticks, indexing="ij")
    height, width = size
    return np.stack([x * width, y * height], axis=-1).reshape(-1, 2).astype(np.float32)


def center_point(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(2,) xy of the pixel of an (H, W) mask that lies farthest from its border.

    The maximum of the exact Euclidean distance transform, what is outside the image counting as
    background; the first in row-major order where several are as far (paper D.1, RITM's clicker).
    Raises ValueError for a mask without a pixel.
    """
    from scipy import ndimage  # half a second, and most pipelines need no centre

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError("an empty mask has no centre")
    # Only the mask's own box is worked on: everything around it is background anyway.
    top, left = rows[0], columns[0]
    inside = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1], 1)
    distance = ndimage.distance_transform_edt(inside)
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return np.array([left + x - 1, top + y - 1], dtype=np.float32)
