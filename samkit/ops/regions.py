"""A mask's logits over its own part of a picture, and what is read off them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samkit.ops import rle

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Region:
    """Full-size logits of one mask where they may matter.

    columns: (w, h) float32, one row here for each column of the picture, so that a column's pixels
        lie side by side as in run lengths.
    left, top: the picture's column and row of the first value.
    """

    columns: NDArray[np.float32]
    left: int
    top: int


@dataclass(frozen=True)
class Cut:
    """The mask of a region: run lengths, inclusive xyxy box (the official generator's), pixels."""

    run_lengths: rle.RLE
    box: tuple[int, int, int, int]
    area: int


def stability(region: Region, offset: float) -> np.float32:
    """IoU of the masks cut at logits + and - `offset`; NaN where even the larger one is empty.

    Outside of the region nothing may be above - `offset`.
    """
    inner = np.float32(np.count_nonzero(region.columns > offset))
    outer = np.float32(np.count_nonzero(region.columns > -offset))
    return inner / outer if outer else np.float32(np.nan)


def cut(region: Region, size: Size) -> Cut | None:
    """The mask where logits are above 0, in a picture (height, width); None where there is no pixel."""
    width, height = region.columns.shape
    # A pixel outside at both ends of each column: where neighbours differ is then start, end, start ...
    inside = np.zeros((width, height + 2), dtype=bool)
    np.greater(region.columns, 0, out=inside[:, 1:-1])
    changes = np.flatnonzero(inside[:, 1:] != inside[:, :-1])
    if not len(changes):
        return None
    column, row = np.divmod(changes, height + 1)
    column, row = column + region.left, row + region.top
    starts, ends = (column * size[0] + row).reshape(-1, 2).T
    return Cut(
        rle.from_spans(starts, ends, *size),
        (int(column[0]), int(row[::2].min()), int(column[-1]), int(row[1::2].max()) - 1),
        int((ends - starts).sum()),
    )
