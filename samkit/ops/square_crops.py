"""Square pieces of a picture around its objects, as CLIP and other square-eyed models want them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from PIL import Image


@dataclass(frozen=True)
class Crop:
    """How an object is cut out.

    context: side of the square as a multiple of the longer side of the object's box, 1 or more.
    masked: whether pixels outside the object's mask become black, or dim.
    masked_attention: whether CLIP's output token sees only the mask's patches in the last layer (paper,
        app. D.5), which open_clip's VisionTransformers can.
    outside: the share of their brightness that pixels outside keep where masked. The paper's is 0; a dim
        surrounding shows besides whether the mask ends where its object does.

    Raises ValueError for a context below 1, and a share outside 0..1.
    """

    context: float = 1.5
    masked: bool = False
    masked_attention: bool = False
    outside: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.outside <= 1:
            raise ValueError(f"outside is a share of brightness, from 0 to 1: {self.outside}")
        if not self.context >= 1:
            raise ValueError(f"context widens the object's box, so it is 1 or more: {self.context}")


def square_crop(
    image: NDArray[np.uint8],
    box: ArrayLike,
    side: int | None,
    context: float = 1.0,
    mask: NDArray[np.bool_] | None = None,
    outside: float = 0.0,
) -> NDArray[np.uint8]:
    """The square around a box, resized to (side, side, 3) uint8; black where the picture ends.

    image: (H, W, 3) uint8 RGB. box: xyxy pixels, its end behind the last one. context: side of the
    square as a multiple of the box's longer side. mask: (H, W) bool; pixels outside keep
    this share of their brightness, 0 being black. side: None leaves the square at its size in the picture.

    >>> square_crop(np.full((8, 20, 3), 9, np.uint8), [2, 1, 6, 3], side=16, context=2).shape
    (16, 16, 3)
    """
    square = _cut(image, box, context)
    if mask is not None:
        inside = _cut(mask, box, context)[..., None]
        dim = np.rint(square * outside).astype(np.uint8) if outside else np.uint8(0)
        square = np.where(inside, square, dim)
    if side is None:
        return square
    resized = Image.fromarray(square).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def covered_cells(
    mask: NDArray[np.bool_], box: ArrayLike, cells: int, context: float = 1.0
) -> NDArray[np.bool_]:
    """(cells, cells) which cells of a grid over `square_crop`'s square hold any pixel of the mask.

    mask: (H, W) bool. box, context: as `square_crop` has them.

    >>> covered_cells(np.eye(4, dtype=bool), [0, 0, 4, 4], cells=2)
    array([[ True, False],
           [False,  True]])
    """
    square = torch.from_numpy(_cut(mask, box, context)).float()[None]
    covered: NDArray[np.bool_] = (F.adaptive_max_pool2d(square, cells)[0] > 0).numpy()
    return covered


def _cut(pixels: NDArray[Any], box: ArrayLike, context: float) -> NDArray[Any]:
    """The square around a box, of whatever pixels hold; zero where they end."""
    x0, y0, x1, y1 = np.asarray(box, dtype=np.float64)
    around = max(1.0, max(x1 - x0, y1 - y0)) * context / 2
    left, top = (int(np.floor((a + b) / 2 - around)) for a, b in ((x0, x1), (y0, y1)))
    width = max(1, round(2 * around))
    height, whole = pixels.shape[:2]
    rows = slice(max(0, top), min(height, top + width))
    columns = slice(max(0, left), min(whole, left + width))
    square = np.zeros((width, width, *pixels.shape[2:]), dtype=pixels.dtype)
    place = square[
        rows.start - top : max(rows.start, rows.stop) - top,
        columns.start - left : max(columns.start, columns.stop) - left,
    ]
    place[:] = pixels[rows, columns]
    return square
