"""Objects that are told by nothing but their masks, as annotations."""

from collections.abc import Mapping

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
    run_lengths = tuple(rle.encode(masks))
    return Annotations(
        (masks.shape[1], masks.shape[2]),
        xywh_to_xyxy(rle.boxes_xywh(run_lengths)).astype(np.float32),
        np.ones(len(masks), dtype=np.int64),
        run_lengths=run_lengths,
        areas=rle.areas(run_lengths).astype(np.float64),
        is_crowd=np.zeros(len(masks), dtype=bool),
        class_names=class_names,
        ignored=ignored,
    )
