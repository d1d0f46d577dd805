"""Fewer masks, by what is known of each.

`Filter` acts on a sample's masks. With on="prompts" it acts on its prompts instead, before any
decoding: a detector's weak boxes then cost nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samkit.ops.boxes import box_areas
from samkit.pipeline import Stage
from samkit.stages.rows import Field, Rows, act_on, boxes_of, keep, scores_of
from samkit.types import Masks, Sample


@dataclass(frozen=True, repr=False, kw_only=True)
class Filter(Stage):
    """Keeps what lies within all bounds given; a bound itself is within. Order is kept.

    min_score, max_score: of what ranks (`.scores`).
    min_area, max_area: pixels inside a mask; of a prompt, square pixels of its box.
    min_predicted_iou, min_stability: of masks only. A mask without a stability score (NaN: it is
        empty) is dropped by any bound on it.
    min_coverage, max_coverage: the share of the picture inside a mask; of masks only.
    max_aspect: how many times as long as broad the box of a mask or prompt may be. An empty box has
        no shape, and is dropped.
    touching_border: False drops masks with a pixel in the picture's outermost rows and columns, which
        are often cut off there; True drops the others; None does not look. Of masks only.

    Raises ValueError for bounds that exclude each other, for a bound that prompts don't have, and
    for prompts without the scores or boxes to hold against a bound.

    >>> Filter(min_score=0.5, on="prompts")
    Filter(min_score=0.5, on='prompts')
    """

    min_score: float | None = None
    max_score: float | None = None
    min_area: float | None = None
    max_area: float | None = None
    min_predicted_iou: float | None = None
    min_stability: float | None = None
    min_coverage: float | None = None
    max_coverage: float | None = None
    max_aspect: float | None = None
    touching_border: bool | None = None
    on: Field = "masks"

    def __post_init__(self) -> None:
        act_on(self, self.on)
        for name, low, high in (
            ("score", self.min_score, self.max_score),
            ("area", self.min_area, self.max_area),
            ("coverage", self.min_coverage, self.max_coverage),
        ):
            if low is not None and high is not None and low > high:
                raise ValueError(
                    f"min_{name} {low} is above max_{name} {high}: nothing would be left"
                )
        of_masks: list[object] = [self.min_predicted_iou, self.min_stability, self.touching_border]
        of_masks += [self.min_coverage, self.max_coverage]
        if self.on == "prompts" and any(bound is not None for bound in of_masks):
            raise ValueError(
                "predicted IoU, stability, coverage and the border are known of masks only; use "
                'on="masks" after Segment'
            )

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [keep(sample, self.on, self._chosen) for sample in samples]

    def _chosen(self, rows: Rows) -> NDArray[np.bool_]:
        chosen = np.ones(len(rows), dtype=bool)
        # Each value is worked out only if asked for: areas and stability need full-size pixels.
        if self.min_score is not None or self.max_score is not None:
            chosen &= _between(scores_of(rows), self.min_score, self.max_score)
        if self.min_area is not None or self.max_area is not None:
            areas = rows.areas() if isinstance(rows, Masks) else box_areas(boxes_of(rows))
            chosen &= _between(areas, self.min_area, self.max_area)
        if self.max_aspect is not None:
            chosen &= _between(_aspects(rows), None, self.max_aspect)
        if isinstance(rows, Masks):
            chosen &= self._of_masks(rows)
        return chosen

    def _of_masks(self, masks: Masks) -> NDArray[np.bool_]:
        chosen = np.ones(len(masks), dtype=bool)
        height, width = masks.frame.original_size
        if self.min_predicted_iou is not None:
            chosen &= _between(masks.predicted_iou, self.min_predicted_iou, None)
        if self.min_stability is not None:
            chosen &= _between(masks.stability_score, self.min_stability, None)
        if self.min_coverage is not None or self.max_coverage is not None:
            coverage = masks.areas() / (height * width)
            chosen &= _between(coverage, self.min_coverage, self.max_coverage)
        if self.touching_border is not None:
            x0, y0, x1, y1 = masks.boxes().T
            touching = (x0 == 0) | (y0 == 0) | (x1 == width - 1) | (y1 == height - 1)
            chosen &= (touching & (masks.areas() > 0)) == self.touching_border
        return chosen


def _between(values: ArrayLike, low: float | None, high: float | None) -> NDArray[np.bool_]:
    """(N,) whether each value lies within the bounds; NaN never does."""
    array = np.asarray(values)
    return (array >= (-np.inf if low is None else low)) & (
        array <= (np.inf if high is None else high)
    )


def _aspects(rows: Rows) -> NDArray[np.float64]:
    """(N,) the longer side of each box over its shorter one; NaN for a box without area."""
    boxes = boxes_of(rows).astype(np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    if isinstance(rows, Masks):  # their boxes are inclusive
        sides = (sides + 1) * (rows.areas() > 0)[:, None]
    shorter, longer = sides.min(axis=1), sides.max(axis=1)
    nan = np.full(len(boxes), np.nan)
    return np.asarray(np.divide(longer, shorter, out=nan, where=shorter > 0))
