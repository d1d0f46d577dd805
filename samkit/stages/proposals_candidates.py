"""Masks of one crop that wait for the suppression of duplicates."""

import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.nms import non_max_suppression
from samkit.types import Masks


@dataclass(frozen=True, eq=False)
class Candidates:
    """A list of masks, batch after batch, in half the room that they take outside of it.

    A grid of 64 points a side makes 12,288 masks, of a large photograph 10 KB of run lengths each, and
    few of them stay. So run lengths wait packed. Boxes wait beside them: to read them off all run
    lengths at once would take a multiple of those.
    """

    batches: list[Masks] = field(default_factory=list)
    boxes: list[NDArray[np.float32]] = field(default_factory=list)
    packed: list[bytes] = field(default_factory=list)

    def add(self, masks: Masks, boxes: NDArray[np.float32]) -> None:
        """Masks with run lengths, and their (N, 4) boxes."""
        self.packed.extend(zlib.compress(one["counts"].encode(), level=1) for one in masks.rle())
        empty = rle.empty(*masks.frame.original_size)
        self.batches.append(masks.replace(run_lengths=(empty,) * len(masks)))
        self.boxes.append(boxes)

    def suppressed(self, iou_threshold: float) -> Masks:
        """Those that stay, by predicted IoU, best first."""
        masks, boxes = Masks.concat(self.batches), np.concatenate(self.boxes)
        rows = non_max_suppression(boxes, masks.predicted_iou, iou_threshold)
        size = masks.frame.original_size
        run_lengths: list[rle.RLE] = [
            {"size": list(size), "counts": zlib.decompress(self.packed[row]).decode()}
            for row in rows
        ]
        return masks[rows].replace(run_lengths=tuple(run_lengths))
