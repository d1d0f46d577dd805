"""Masks that may overlap as one picture of numbers, in which every pixel has one owner."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samkit.ops import rle

MOST = 2**16 - 1


def label_map(
    run_lengths: Sequence[rle.RLE], size: tuple[int, int], priority: ArrayLike | None = None
) -> NDArray[np.uint16]:
    """(H, W) uint16: 0 for background, i + 1 for the i-th of N masks; saved by Pillow as a 16-bit PNG.

    size: (height, width), needed where there are no masks.
    priority: (N,); where masks overlap the highest wins, of equal ones the first. None is the rule of
        the smallest: a part shows on top of its whole. `masks.scores` shows the best ranked instead.

    A mask of which nothing shows has no pixel in the map; its number is left out, not given to
    another. Raises ValueError for more than 65,535 masks, for masks of another size and for a priority
    of another length.

    >>> whole, part = rle.encode(np.array([[[1, 1, 1]], [[0, 1, 0]]], dtype=bool))
    >>> label_map([whole, part], (1, 3)).tolist()
    [[1, 2, 1]]
    """
    if len(run_lengths) > MOST:
        raise ValueError(f"16 bits number {MOST} masks, got {len(run_lengths)}; keep fewer (Top)")
    other = next((r["size"] for r in run_lengths if r["size"] != list(size)), None)
    if other is not None:
        raise ValueError(f"the map is {list(size)} (height, width), a mask {other}")
    rank = -rle.areas(run_lengths) if priority is None else np.asarray(priority)
    if rank.shape != (len(run_lengths),):
        raise ValueError(f"priority has shape ({len(run_lengths)},), got {rank.shape}")
    # Painted from the lowest to the highest, of equal ones the last first: what is on top wins.
    order = np.argsort(rank[::-1], kind="stable")
    labels = np.zeros(size, dtype=np.uint16)
    for row in (len(run_lengths) - 1 - order).tolist():
        labels[rle.decode([run_lengths[row]])[0]] = row + 1
    return labels
