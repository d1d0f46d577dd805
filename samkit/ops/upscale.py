"""Low-resolution logits to full size, each mask over its own rows and columns only.

The official code enlarges twice, bilinearly: to the model's square, whose padding is cut off, then to
the picture. Both are linear along each axis, so together they are one matrix per axis, of no more than
a few numbers a row: full = rows @ logits @ columns.T.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from samkit.ops.masks import upscale_logits
from samkit.ops.regions import Region

Size = tuple[int, int]

# Below so many multiplications full matrices beat sparse ones, which take longer to cut than to apply.
FEW = 1 << 22
# The largest full matrix that is kept for it, in numbers (1 MB).
KEPT = 1 << 18
# How far the two ways may differ, as a share of the largest low-resolution value that a pixel looks at:
# torch's two enlargements round eight times, these weights and products sixteen times, by 2**-24 each.
ROUNDING = 24 * 2.0**-24
# More pixels than these near 0 are not looked at one by one.
DOUBTS = 32


@dataclass(frozen=True, eq=False)
class Axis:
    """What enlarges along one axis.

    weights: (full, low) sparse float32 matrix. dense: the same in full, None where it is large. first, last: (full,) the low-resolution places that
        each full-size place looks at, both inclusive; they never step back.
    """

    weights: Any
    dense: torch.Tensor | None
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def reach(self, low: int, high: int) -> tuple[int, int]:
        """The full-size places, as a range, that look at any low-resolution place of low to high."""
        return (
            int(np.searchsorted(self.last, low)),
            int(np.searchsorted(self.first, high, side="right")),
        )


def regions(
    logits: torch.Tensor, above: float, model_size: int, resized_size: Size, crop_size: Size
) -> Iterator[Region]:
    """Of each of (N, h, w) logits the full-size region outside of which none is above `above`.

    One region exists at a time. Values are those of `samkit.ops.masks.upscale_logits` up to rounding
    (a few units in the last place). Sizes are (height, width) as a Frame has them.
    """
    height, width = logits.shape[1:]
    rows = axis(height, model_size, resized_size[0], crop_size[0])
    columns = axis(width, model_size, resized_size[1], crop_size[1])
    for mask in logits.float().cpu().numpy():
        yield _region(mask, mask > above, rows, columns)


def exact_regions(
    logits: torch.Tensor, model_size: int, resized_size: Size, crop_size: Size
) -> Iterator[Region]:
    """As `regions` above 0, but every value's sign is that of `samkit.ops.masks.upscale_logits`.

    Where a value is so near to 0 that rounding may decide, or where one is not finite, that mask is
    enlarged as a whole: of tiny's masks of photographs one in seventy.
    """
    height, width = logits.shape[1:]
    rows = axis(height, model_size, resized_size[0], crop_size[0])
    columns = axis(width, model_size, resized_size[1], crop_size[1])
    for mask in logits.float():
        values = mask.cpu().numpy()
        region = _region(values, values > 0, rows, columns)
        if _in_doubt(region, np.abs(values), rows, columns):
            [full] = upscale_logits(mask[None], model_size, resized_size, crop_size)
            region = Region(np.ascontiguousarray(full.cpu().numpy().T), 0, 0)
        yield region


def _in_doubt(region: Region, size: NDArray[np.float32], rows: Axis, columns: Axis) -> bool:
    """Whether rounding may decide a sign. size: (h, w) the low-resolution values' magnitudes."""
    near = ROUNDING * size.max()
    # Written so that a value that is no number is near, too.
    x, y = np.nonzero(~(np.abs(region.columns) > near))
    if len(x) > DOUBTS:
        return True
    for column, row in zip(x + region.left, y + region.top, strict=True):
        seen = size[
            rows.first[row] : rows.last[row] + 1, columns.first[column] : columns.last[column] + 1
        ]
        value = region.columns[column - region.left, row - region.top]
        if not np.abs(value) > ROUNDING * seen.max():
            return True
    return False


def _region(
    mask: NDArray[np.float32], counts: NDArray[np.bool_], rows: Axis, columns: Axis
) -> Region:
    hit_rows, hit_columns = np.flatnonzero(counts.any(axis=1)), np.flatnonzero(counts.any(axis=0))
    if not len(hit_rows):
        return Region(np.zeros((0, 0), dtype=np.float32), 0, 0)
    top, bottom = rows.reach(hit_rows[0], hit_rows[-1])
    left, right = columns.reach(hit_columns[0], hit_columns[-1])
    if top >= bottom or left >= right:  # All of it lies in the padding.
        return Region(np.zeros((0, 0), dtype=np.float32), 0, 0)
    # Only the low-resolution columns that are looked at; the sparse rows pick what they need.
    begin, end = columns.first[left], columns.last[right - 1] + 1
    if rows.dense is not None and columns.dense is not None:
        above, below = rows.first[top], rows.last[bottom - 1] + 1
        if (bottom - top) * (end - begin) * (below - above + right - left) < FEW:
            # torch's product: numpy's library has threads of its own, which go on spinning after it.
            tall = (
                rows.dense[top:bottom, above:below] @ torch.from_numpy(mask)[above:below, begin:end]
            )
            return Region((columns.dense[left:right, begin:end] @ tall.T).numpy(), left, top)
    tall = rows.weights[top:bottom] @ np.ascontiguousarray(mask[:, begin:end])
    wide = columns.weights[left:right, begin:end] @ np.ascontiguousarray(tall.T)
    return Region(wide, left, top)


@lru_cache(maxsize=64)
def axis(low: int, model_size: int, resized: int, full: int) -> Axis:
    """`low` places enlarged to `model_size`, of which the first `resized` become `full`.

    The weights are torch's own: what its enlargement makes of unit vectors.
    """
    from scipy import sparse  # half a second

    units = torch.eye(low)[:, None, :, None]
    square = F.interpolate(units, (model_size, 1), mode="bilinear", align_corners=False)
    visible = square[:, :, :resized]
    dense = F.interpolate(visible, (full, 1), mode="bilinear", align_corners=False)[:, 0, :, 0].T
    kept = dense.clone() if dense.numel() <= KEPT else None
    looked_at = dense.numpy() != 0
    first, last = looked_at.argmax(axis=1), low - 1 - looked_at[:, ::-1].argmax(axis=1)
    return Axis(sparse.csr_array(dense.numpy()), kept, first, last)
