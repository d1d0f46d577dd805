"""Square pieces of a picture around its objects, as CLIP and other square-eyed models want them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from samkit.ops import rle
from samkit.ops.regions import Region, Size

Mask = NDArray[np.bool_] | rle.RLE
Part = tuple[slice, slice]


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
    mask: Mask | None = None,
    outside: float = 0.0,
) -> NDArray[np.uint8]:
    """The square around a box, resized to (side, side, 3) uint8; black where the picture ends.

    image: (H, W, 3) uint8 RGB, or (H, W) of whatever goes from 0 to 255, which comes back so. box: xyxy
    pixels, its end behind the last one. context: side of the square as a multiple of the box's longer side.
    mask: (H, W) bool, or run lengths; pixels outside keep this share of their brightness, 0 being black.
    side: None leaves the square at its size in the picture.

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
    return _resized(square, side)


def mask_square(mask: Mask, box: ArrayLike, side: int, context: float = 1.0) -> NDArray[np.uint8]:
    """(side, side) uint8 of a mask as `square_crop` cuts the picture, 255 inside.

    mask: (H, W) bool, or run lengths, of which only that part is decoded.

    >>> mask_square(np.eye(4, dtype=bool), [1, 1, 3, 3], side=2)
    array([[255,   0],
           [  0, 255]], dtype=uint8)
    """
    return _resized(_cut(mask, box, context) * np.uint8(255), side)


def with_mask(
    cut: NDArray[np.uint8], mask: Mask, box: ArrayLike, context: float = 1.0
) -> NDArray[np.uint8]:
    """What `square_crop` cut (side, side, 3) with the mask as a fourth channel, 255 inside.

    mask, box, context: as there.
    """
    return np.dstack([cut, mask_square(mask, box, cut.shape[0], context)])


def in_square(mask: Mask, box: ArrayLike, context: float = 1.0) -> int:
    """How many pixels of a mask lie in `square_crop`'s square. mask: as `mask_square` has it."""
    return int(np.count_nonzero(_cut(mask, box, context)))


def part_seen(size: Size, box: ArrayLike, context: float = 1.0) -> tuple[int, int, int, int]:
    """What of a picture (H, W) lies in `square_crop`'s square, xyxy.

    >>> part_seen((30, 100), [0, 0, 100, 30]), part_seen((30, 100), [4, 2, 10, 6], context=2)
    ((0, 0, 100, 30), (1, 0, 13, 10))
    """
    (rows, columns), _, _ = _places(size, box, context)
    return columns.start, rows.start, columns.stop, rows.stop


def covered_cells(
    mask: Mask, box: ArrayLike, cells: int, context: float = 1.0
) -> NDArray[np.bool_]:
    """(cells, cells) which cells of a grid over `square_crop`'s square hold any pixel of the mask.

    mask: (H, W) bool, or run lengths. box, context: as `square_crop` has them.

    >>> covered_cells(np.eye(4, dtype=bool), [0, 0, 4, 4], cells=2)
    array([[ True, False],
           [False,  True]])
    """
    square = torch.from_numpy(_cut(mask, box, context)).float()[None]
    covered: NDArray[np.bool_] = (F.adaptive_max_pool2d(square, cells)[0] > 0).numpy()
    return covered


def region_from_square(
    values: torch.Tensor, size: Size, box: ArrayLike, context: float = 1.0
) -> Region:
    """Logits (side, side) over `square_crop`'s square, at the picture's size (H, W) and in their place.

    values: float, enlarged or made smaller as logits are (bilinear). box, context: as `square_crop` has
    them. Of a square beside the picture nothing is left.

    >>> region = region_from_square(torch.ones(8, 8), (4, 6), [3, 1, 5, 3])
    >>> region.columns.shape, region.left, region.top
    ((2, 2), 3, 1)
    """
    (rows, columns), inside, width = _places(size, box, context)
    square = F.interpolate(
        values[None, None], (width, width), mode="bilinear", align_corners=False, antialias=True
    )[0, 0]
    by_column = np.ascontiguousarray(square[inside].float().T.numpy())
    return Region(by_column, columns.start, rows.start)


def _resized(square: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(square).resize((side, side), Image.Resampling.BICUBIC))


def _cut(pixels: NDArray[Any] | rle.RLE, box: ArrayLike, context: float) -> NDArray[Any]:
    """The square around a box, of whatever pixels hold; zero where they end."""
    size = tuple(pixels["size"]) if isinstance(pixels, dict) else pixels.shape[:2]
    whole, inside, width = _places(size, box, context)
    part = rle.decode_part(pixels, *whole) if isinstance(pixels, dict) else pixels[whole]
    square = np.zeros((width, width, *part.shape[2:]), dtype=part.dtype)
    square[inside] = part
    return square


def _places(size: tuple[int, ...], box: ArrayLike, context: float) -> tuple[Part, Part, int]:
    """What of a picture (H, W) lies in the square, where in the square that is, and the square's side."""
    x0, y0, x1, y1 = np.asarray(box, dtype=np.float64)
    around = max(1.0, max(x1 - x0, y1 - y0)) * context / 2
    width = max(1, round(2 * around))
    whole, inside = [], []
    for a, b, end in ((y0, y1, size[0]), (x0, x1, size[1])):
        first = int(np.floor((a + b) / 2 - around))
        start = max(0, first)
        stop = max(start, min(end, first + width))
        whole.append(slice(start, stop))
        inside.append(slice(start - first, stop - first))
    return (whole[0], whole[1]), (inside[0], inside[1]), width
