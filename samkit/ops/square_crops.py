"""Square pieces of a picture around its objects, as CLIP and other square-eyed models want them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image


@dataclass(frozen=True)
class Crop:
    """How an object is cut out.

    context: side of the square as a multiple of the longer side of the object's box, 1 or more.
    masked: whether pixels outside the object's mask become black.

    Raises ValueError for a context below 1.
    """

    context: float = 1.5
    masked: bool = False

    def __post_init__(self) -> None:
        if not self.context >= 1:
            raise ValueError(f"context widens the object's box, so it is 1 or more: {self.context}")


def square_crop(
    image: NDArray[np.uint8],
    box: ArrayLike,
    side: int | None,
    context: float = 1.0,
    mask: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """The square around a box, resized to (side, side, 3) uint8; black where the picture ends.

    image: (H, W, 3) uint8 RGB. box: xyxy pixels, its end behind the last one. context: side of the
    square as a multiple of the box's longer side. mask: (H, W) bool; pixels outside become black.
    side: None leaves the square at its size in the picture.

    >>> square_crop(np.full((8, 20, 3), 9, np.uint8), [2, 1, 6, 3], side=16, context=2).shape
    (16, 16, 3)
    """
    x0, y0, x1, y1 = np.asarray(box, dtype=np.float64)
    around = max(1.0, max(x1 - x0, y1 - y0)) * context / 2
    left, top = (int(np.floor((a + b) / 2 - around)) for a, b in ((x0, x1), (y0, y1)))
    width = max(1, round(2 * around))
    height, whole = image.shape[:2]
    rows = slice(max(0, top), min(height, top + width))
    columns = slice(max(0, left), min(whole, left + width))
    square = np.zeros((width, width, 3), dtype=np.uint8)
    place = square[
        rows.start - top : max(rows.start, rows.stop) - top,
        columns.start - left : max(columns.start, columns.stop) - left,
    ]
    seen = image[rows, columns]
    place[:] = seen if mask is None else seen * mask[rows, columns, None]
    if side is None:
        return square
    resized = Image.fromarray(square).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(resized)
