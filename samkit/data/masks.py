"""Objects that are told by nothing but their masks, as annotations."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.boxes import xywh_to_xyxy
from samkit.types import Annotations


def annotations_from_masks(
    masks: NDArray[np.bool_], class_names: Mapping[int, str], ignored: rle.RLE | None = None
) -> Annotations:
    """Annotations of (N, H, W) masks, all of class 1, with the boxes and areas that the masks have.

    ignored: pixels that count neither way.
    """
    size = masks.shape[1], masks.shape[2]
    return annotations_from_run_lengths(size, rle.encode(masks), class_names, ignored)


def annotations_from_run_lengths(
    size: tuple[int, int],
    run_lengths: Sequence[rle.RLE],
    class_names: Mapping[int, str],
    ignored: rle.RLE | None = None,
) -> Annotations:
    """The same of N masks that never were in memory together."""
    return Annotations(
        size,
        xywh_to_xyxy(rle.boxes_xywh(run_lengths)).astype(np.float32),
        np.ones(len(run_lengths), dtype=np.int64),
        run_lengths=tuple(run_lengths),
        areas=rle.areas(run_lengths).astype(np.float64),
        is_crowd=np.zeros(len(run_lengths), dtype=bool),
        class_names=class_names,
        ignored=ignored,
    )
