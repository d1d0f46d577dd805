"""Connected parts of a mask: small holes filled, small islands removed."""

import numpy as np
from numpy.typing import NDArray

# Pixels that touch at a corner are connected, as in the official code.
NEIGHBOURS = np.ones((3, 3), dtype=bool)


def remove_small_regions(
    mask: NDArray[np.bool_], min_area: int, drop: bool = False
) -> tuple[NDArray[np.bool_], bool]:
    """An (H, W) mask without holes and then without islands of fewer than `min_area` pixels.

    Returns it and whether anything changed. Where every part is smaller the largest stays, the first
    of several as large; with drop=True none does, as the paper has it (app. B). The background itself
    counts as a hole where it is that small. The official `remove_small_regions`, called for holes
    and then for islands.
    """
    if not mask.any():
        return mask, False
    part = _around(mask, min_area)
    filled, had_holes = _fill_holes(mask[part], min_area)
    cleaned, had_islands = _remove_islands(filled, min_area, drop)
    if not (had_holes or had_islands):
        return mask, False
    result = mask.copy()
    result[part] = cleaned
    return result, True


def _around(mask: NDArray[np.bool_], min_area: int) -> tuple[slice, slice]:
    """Part of the picture that decides as the whole does: the mask's box and enough around it.

    Background that leaves it, across a side that is no side of the picture, includes all of that
    side's strip, and a strip has at least `min_area` pixels.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    above_and_below = -(-min_area // (columns[-1] - columns[0] + 1))
    beside = -(-min_area // (rows[-1] - rows[0] + 1))
    return (
        slice(max(0, rows[0] - above_and_below), rows[-1] + 1 + above_and_below),
        slice(max(0, columns[0] - beside), columns[-1] + 1 + beside),
    )


def _fill_holes(mask: NDArray[np.bool_], min_area: int) -> tuple[NDArray[np.bool_], bool]:
    labels, areas = _components(~mask)
    small = areas < min_area
    if not small.any():
        return mask, False
    return mask | np.append(False, small)[labels], True


def _remove_islands(
    mask: NDArray[np.bool_], min_area: int, drop: bool
) -> tuple[NDArray[np.bool_], bool]:
    labels, areas = _components(mask)
    kept = areas >= min_area
    if kept.all():
        return mask, False
    if not kept.any() and not drop:
        kept[areas.argmax()] = True
    return np.append(False, kept)[labels], True


def _components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """(H, W) labels from 1, 0 outside of the mask, and the area of each."""
    from scipy import ndimage  # half a second

    labels, count = ndimage.label(mask, NEIGHBOURS)
    return labels, np.bincount(labels.ravel(), minlength=count + 1)[1:]
