"""Fewer masks by their rank, and what ranks them.

`NonMaxSuppression` and `Top` act on a sample's masks. With on="prompts" they act on its prompts
instead, before any decoding: a detector's weak or doubled boxes then cost nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from samkit.ops.nms import non_max_suppression
from samkit.pipeline import Stage
from samkit.stages.rows import Field, Rows, act_on, boxes_of, keep, scores_of
from samkit.types import Masks, Sample


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
        act_on(self, self.on)
        if not 0 <= self.iou_threshold <= 1:
            raise ValueError(f"iou_threshold lies between 0 and 1, got {self.iou_threshold}")

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [keep(sample, self.on, self._chosen) for sample in samples]

    def _chosen(self, rows: Rows) -> NDArray[np.int64]:
        classes = rows.class_ids if self.per_class else None
        return np.sort(
            non_max_suppression(boxes_of(rows), scores_of(rows), self.iou_threshold, classes)
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
        act_on(self, self.on)
        if self.k < 0:
            raise ValueError(f"k is not negative, got {self.k}")
        if self.per not in ("image", "class"):
            raise ValueError(f'per is "image" or "class", got {self.per!r}')

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [keep(sample, self.on, self._chosen) for sample in samples]

    def _chosen(self, rows: Rows) -> NDArray[np.int64]:
        order = np.argsort(-scores_of(rows), kind="stable")
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


@dataclass(frozen=True, repr=False)
class RankByQuality(Stage):
    """Scores become the mean of predicted IoU and stability score: how the paper cuts proposals to 1000.

    E. Mintun, segment-anything issue 205. The order of masks stays; `Top` sorts. An empty mask has no
    stability score, and gets 0.
    """

    reads = ("masks",)
    writes = ("masks",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [_ranked(sample, self._scores) for sample in samples]

    def _scores(self, masks: Masks) -> NDArray[np.float32]:
        mean = (masks.predicted_iou + masks.stability_score) / 2
        return np.asarray(np.nan_to_num(mean, nan=0.0), dtype=np.float32)


@dataclass(frozen=True, repr=False)
class AverageScores(Stage):
    """Scores become the mean of what they were and the predicted IoU.

    For masks that were asked for twice, `Proposals(sam) | MaskBoxes() | SegmentZoomed(sam)`: the score is
    the first look's predicted IoU, and two estimates are surer than one. The order of masks stays.
    """

    reads = ("masks",)
    writes = ("masks",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [_ranked(sample, self._scores) for sample in samples]

    def _scores(self, masks: Masks) -> NDArray[np.float32]:
        mean = (masks.scores + np.nan_to_num(masks.predicted_iou, nan=0.0)) / 2
        return np.asarray(mean, dtype=np.float32)


@dataclass(frozen=True, repr=False)
class FavourLarge(Stage):
    """Scores gain `weight` for each e-fold of a mask's area in pixels.

    Of a grid's masks most are small, and their number alone crowds the few large ones out of a cut such
    as `Top(1000)`. The order of masks stays. Raises ValueError for a weight that is no number.
    """

    weight: float = 0.03

    reads = ("masks",)
    writes = ("masks",)

    def __post_init__(self) -> None:
        if not np.isfinite(self.weight):
            raise ValueError(f"weight is a number, got {self.weight}")

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [_ranked(sample, self._scores) for sample in samples]

    def _scores(self, masks: Masks) -> NDArray[np.float32]:
        gain = self.weight * np.log(np.maximum(masks.areas(), 1))
        return masks.scores + gain.astype(np.float32)


def _ranked(sample: Sample, scores: Callable[[Masks], NDArray[np.float32]]) -> Sample:
    """The sample, its masks in their order with other scores."""
    if sample.masks is None:
        raise ValueError(f"sample {sample.id!r} has no masks to rank")
    return sample.replace(masks=sample.masks.replace(scores=scores(sample.masks)))
