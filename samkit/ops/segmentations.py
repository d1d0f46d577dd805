"""COCO's `segmentation` as files hold it, checked before compiled code sees it.

That code takes what it is given: corners far away would have it draw outlines of gigabytes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from samkit.ops.boxes import FARTHEST
from samkit.ops.short import short

# COCO's coder works at five steps a pixel and 16 bytes a step: under 400 MB for one object.
LONGEST_OUTLINE = 1 << 22
LARGEST_MASK = 2**31 - 1  # run lengths and areas are 32-bit numbers


def check_size(size: Any, height: int, width: int) -> None:
    """Raises ValueError unless `size` is [height, width] of a mask that run lengths can hold."""
    if not isinstance(size, list | tuple) or list(size) != [height, width]:
        raise ValueError(f"its mask has size {size!r}, its image {[height, width]} (height, width)")
    if min(height, width) < 0 or height * width > LARGEST_MASK:
        raise ValueError(f"a mask has at most {LARGEST_MASK} pixels, got {height} x {width}")


def check_polygons(polygons: list[Any]) -> list[list[float]]:
    """Polygons [x, y, x, y, ...] of three corners and more; those of fewer enclose nothing.

    Raises ValueError unless all are pairs of finite numbers with an outline of bearable length.
    """
    kept, length = [], 0.0
    for polygon in polygons:
        if not isinstance(polygon, list | tuple) or len(polygon) % 2:
            raise ValueError(f"a polygon is [x, y, x, y, ...] in pairs, got {short(polygon)}")
        xy = _numbers(polygon, "iuf")
        if not (np.abs(xy) <= FARTHEST).all():
            raise ValueError(f"a polygon's corners are pixels of its image, got {short(polygon)}")
        if len(polygon) >= 6:
            corners = xy.astype(np.float64).reshape(-1, 2)
            length += float(np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1).sum())
            kept.append(xy.tolist())
    if length > LONGEST_OUTLINE:
        raise ValueError(
            f"its polygons' outline is {length:.0f} pixels long; are those its pixels?"
        )
    return kept


def check_counts(counts: Any, pixels: int) -> str | list[int]:
    """Run lengths as COCO's text or as a list. Raises ValueError unless they fill `pixels` exactly."""
    if isinstance(counts, list):
        runs = _numbers(counts, "iu") if counts else np.zeros(0, np.int64)
    else:
        runs = run_lengths_of_text(counts)
    if runs.size and (runs.min() < 0 or runs.max() > pixels):
        worst = runs.min() if runs.min() < 0 else runs.max()
        raise ValueError(f"run lengths are from 0 to {pixels} (its pixels), got {worst}")
    if int(runs.sum(dtype=np.int64)) != pixels:
        raise ValueError(f"run lengths add up to {runs.sum()}, its image has {pixels} pixels")
    if isinstance(counts, list):
        return [int(run) for run in runs]
    return counts if isinstance(counts, str) else counts.decode("ascii")


def run_lengths_of_text(counts: Any) -> NDArray[np.int64]:
    """The run lengths in COCO's text: digits of five bits from "0" on, differences from the third.

    Raises ValueError for what is no such text.

    >>> run_lengths_of_text("06T10").tolist()
    [0, 6, 36, 6]
    """
    if isinstance(counts, str):
        try:
            counts = counts.encode("ascii")
        except UnicodeEncodeError as error:
            raise ValueError(f"run lengths are ASCII text, got {short(counts)}") from error
    if not isinstance(counts, bytes):
        raise ValueError(f"run lengths are a text or a list of numbers, got {short(counts)}")
    digits = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    if not digits.size:
        return digits
    ends = np.flatnonzero((digits & 32) == 0)
    if digits.min() < 0 or digits.max() > 63 or not len(ends) or ends[-1] != len(digits) - 1:
        raise ValueError(f"these are no compressed run lengths: {short(counts)}")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 7:  # 35 bits: no run of a mask is longer
        raise ValueError(f"these are no compressed run lengths: {short(counts)}")
    places = np.arange(len(digits)) - np.repeat(starts, lengths)
    values = np.add.reduceat((digits & 31) << (5 * places), starts)
    values -= np.where(digits[ends] & 16, 1 << (5 * lengths), 0)
    # From the fourth on each is told as the difference to the last but one.
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def _numbers(values: Any, kinds: str) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected a flat list of numbers, got {short(values)}") from error
    if array.ndim != 1 or (array.size and array.dtype.kind not in kinds):
        raise ValueError(f"expected a flat list of numbers, got {short(values)}")
    return array
