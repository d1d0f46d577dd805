"""Several masks of one thing become one: compared pixel by pixel, not only by their boxes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.containment import shares_inside
from samkit.pipeline import Stage
from samkit.types import Masks, Sample


@dataclass(frozen=True, repr=False)
class Merge(Stage):
    """Near-duplicates become one mask, and so does, if wanted, a whole with what lies inside it.

    iou_threshold: a mask goes into a better ranked, kept one when their IoU is above this, whatever
        their boxes; None merges no duplicates.
    inside: then, of those left, a mask goes into a larger one when at least this share of its
        pixels lies in it, whatever their ranks: into the largest such. None keeps parts of wholes.
    union: the mask that stays takes in the pixels of those merged into it; it then has no logits and
        no stability score any more. Otherwise it stays as it is, and the others are dropped.

    Order is kept, as are the scores and everything else of the masks that stay. Works on run
    lengths. Raises ValueError for thresholds outside 0..1.

    >>> Merge(0.9, inside=0.95)
    Merge(0.9, inside=0.95)
    """

    iou_threshold: float | None = 0.8
    inside: float | None = None
    union: bool = False

    reads = ("masks",)
    writes = ("masks",)

    def __post_init__(self) -> None:
        for name in ("iou_threshold", "inside"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} lies between 0 and 1, got {value}")

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(masks=self._merged(sample)) for sample in samples]

    def _merged(self, sample: Sample) -> Masks:
        masks = sample.masks
        if masks is None:
            raise ValueError(
                f"sample {sample.id!r} has no masks; put a Segment or Proposals before"
            )
        run_lengths = masks.rle()
        into = np.arange(len(masks))
        if self.iou_threshold is not None:
            into = best_of_duplicates(run_lengths, masks.scores, self.iou_threshold)
        if self.inside is not None:
            left = np.flatnonzero(into == np.arange(len(into)))
            around = largest_around([run_lengths[i] for i in left], self.inside)
            into[left] = left[around]
            into = into[into]  # what was merged into a part goes where the part goes
        kept = np.flatnonzero(into == np.arange(len(into)))
        if not self.union or len(kept) == len(masks):
            return masks[kept]
        united = [rle.union([run_lengths[i] for i in np.flatnonzero(into == k)]) for k in kept]
        return masks[kept].replace(run_lengths=tuple(united), logits=None, stability=None)


def best_of_duplicates(
    run_lengths: Sequence[rle.RLE], scores: NDArray[np.float32], iou_threshold: float
) -> NDArray[np.int64]:
    """(N,) index of the best ranked, kept mask that each of N duplicates, its own where it is kept."""
    iou = rle.iou(run_lengths, run_lengths)
    into = np.full(len(run_lengths), -1)
    for row in np.argsort(-scores, kind="stable"):
        if into[row] < 0:
            into[(into < 0) & (iou[row] > iou_threshold)] = row
            into[row] = row  # an empty mask does not even overlap itself
    return into


def largest_around(run_lengths: Sequence[rle.RLE], inside: float) -> NDArray[np.int64]:
    """(N,) index of the largest mask that at least the share `inside` of each of N lies in, or its own.

    That mask is itself in no larger one, unless by a chain of shares that none reaches alone; then
    the end of the chain is meant. Of equal areas the first counts as the larger.
    """
    areas = rle.areas(run_lengths)
    shares = shares_inside(run_lengths, run_lengths)
    order = np.argsort(-areas, kind="stable")
    into = np.arange(len(run_lengths))
    for place, row in enumerate(order):
        larger = order[:place]
        around = larger[shares[row, larger] >= inside]
        if len(around):
            into[row] = into[around[0]]
    return into
