"""Fewer masks: by what is known of each, by overlap, by rank.

All three act on a sample's masks. With on="prompts" they act on its prompts instead, before any
decoding: a detector's weak or doubled boxes then cost nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samkit.ops.boxes import box_areas
from samkit.ops.nms import non_max_suppression
from samkit.pipeline import Stage
from samkit.types import Masks, Prompts, Sample

Field = Literal["masks", "prompts"]
Rows = Masks | Prompts


@dataclass(frozen=True, repr=False, kw_only=True)
class Filter(Stage):
    """Keeps what lies within all bounds given; a bound itself is within. Order is kept.

    min_score, max_score: of what ranks (`.scores`).
    min_area, max_area: pixels inside a mask; of a prompt, square pixels of its box.
    min_predicted_iou, min_stability: of masks only. A mask without a stability score (NaN: it is
        empty) is dropped by any bound on it.

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
    on: Field = "masks"

    def __post_init__(self) -> None:
        _act_on(self, self.on)
        for name, low, high in (
            ("score", self.min_score, self.max_score),
            ("area", self.min_area, self.max_area),
        ):
            if low is not None and high is not None and low > high:
                raise ValueError(
                    f"min_{name} {low} is above max_{name} {high}: nothing would be left"
                )
        of_masks = (self.min_predicted_iou, self.min_stability)
        if self.on == "prompts" and of_masks != (None, None):
            raise ValueError(
                'predicted IoU and stability are known of masks only; use on="masks" after Segment'
            )

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [_keep(sample, self.on, self._chosen) for sample in samples]

    def _chosen(self, rows: Rows) -> NDArray[np.bool_]:
        chosen = np.ones(len(rows), dtype=bool)
        # Each value is worked out only if asked for: areas and stability need full-size pixels.
        if self.min_score is not None or self.max_score is not None:
            chosen &= _between(_scores(rows), self.min_score, self.max_score)
        if self.min_area is not None or self.max_area is not None:
            areas = rows.areas() if isinstance(rows, Masks) else box_areas(_boxes(rows))
            chosen &= _between(areas, self.min_area, self.max_area)
        if self.min_predicted_iou is not None and isinstance(rows, Masks):
            chosen &= _between(rows.predicted_iou, self.min_predicted_iou, None)
        if self.min_stability is not None and isinstance(rows, Masks):
            chosen &= _between(rows.stability_score, self.min_stability, None)
        return chosen


@dataclass(frozen=True, repr=False)
class NonMaxSuppression(Stage):
    """Drops what overlaps something better ranked. Order is kept.

    iou_threshold: a mask goes when the IoU of its box with that of a better, kept one is above this.
        Boxes are the official generator's (`Masks.boxes`), so a mask one pixel wide has none to
        overlap with.
    per_class: only masks of one class suppress each other, where classes are known.

    Raises ValueError for a threshold outside 0..1, and for prompts without boxes or scores.
    """

    iou_threshold: float = 0.7
    per_class: bool = True
    on: Field = "masks"

    def __post_init__(self) -> None:
        _act_on(self, self.on)
        if not 0 <= self.iou_threshold <= 1:
            raise ValueError(f"iou_threshold lies between 0 and 1, got {self.iou_threshold}")

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [_keep(sample, self.on, self._chosen) for sample in samples]

    def _chosen(self, rows: Rows) -> NDArray[np.int64]:
        classes = rows.class_ids if self.per_class else None
        return np.sort(
            non_max_suppression(_boxes(rows), _scores(rows), self.iou_threshold, classes)
        )


@dataclass(frozen=True, repr=False)
class Top(Stage):
    """The k best ranked of each image, or of each class of an image, best first.

    Equal scores keep their order. Raises ValueError for a negative k, and for prompts without scores.
    """

    k: int
    per: Literal["image", "class"] = "image"
    on: Field = "masks"

    def __post_init__(self) -> None:
        _act_on(self, self.on)
        if self.k < 0:
            raise ValueError(f"k is not negative, got {self.k}")
        if self.per not in ("image", "class"):
            raise ValueError(f'per is "image" or "class", got {self.per!r}')

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [_keep(sample, self.on, self._chosen) for sample in samples]

    def _chosen(self, rows: Rows) -> NDArray[np.int64]:
        order = np.argsort(-_scores(rows), kind="stable")
        if self.per == "image" or rows.class_ids is None:
            return order[: self.k]
        taken: Counter[int] = Counter()
        chosen = []
        for row in order:
            class_id = int(rows.class_ids[row])
            if taken[class_id] < self.k:
                chosen.append(row)
            taken[class_id] += 1
        return np.array(chosen, dtype=np.int64)


def _act_on(stage: Stage, field: str) -> None:
    """Which field a stage reads and writes is a setting here, so it is the instance's."""
    if field not in ("masks", "prompts"):
        raise ValueError(f'on is "masks" or "prompts", got {field!r}')
    object.__setattr__(stage, "reads", (field,))
    object.__setattr__(stage, "writes", (field,))


def _keep(sample: Sample, field: Field, choose: Any) -> Sample:
    rows: Rows | None = getattr(sample, field)
    if rows is None:
        raise ValueError(
            f"sample {sample.id!r} has no {field}; put a stage that writes them before"
        )
    # Nothing to choose from, and prompts that hold nothing at all have no scores either.
    return sample.replace(**{field: rows[choose(rows)]}) if len(rows) else sample


def _scores(rows: Rows) -> NDArray[np.float32]:
    if rows.scores is None:
        raise ValueError(
            "these prompts have no scores to rank by; give Prompts(scores=...), or act on masks, "
            "which the predicted IoU ranks"
        )
    return rows.scores


def _boxes(rows: Rows) -> NDArray[np.float32]:
    if isinstance(rows, Masks):
        return rows.boxes()
    if rows.boxes is None or not rows.has_box.all():
        raise ValueError("some of these prompts have no box; act on masks instead")
    return rows.boxes


def _between(values: ArrayLike, low: float | None, high: float | None) -> NDArray[np.bool_]:
    """(N,) whether each value lies within the bounds; NaN never does."""
    array = np.asarray(values)
    return (array >= (-np.inf if low is None else low)) & (
        array <= (np.inf if high is None else high)
    )
