"""Prompts that need no model: from the truth, or from the image's size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.points import center_point, point_grid
from samkit.pipeline import Stage
from samkit.types import Annotations, Prompts, Sample


@dataclass(frozen=True, repr=False, kw_only=True)
class GroundTruthBoxes(Stage):
    """One box prompt per true object, with its class.

    No scores are given, so that the model's predicted IoU ranks the masks.

    include_crowd: also prompt with regions of many objects (COCO's `iscrowd`), which evaluators
        ignore.
    """

    include_crowd: bool = False

    reads = ("annotations",)
    writes = ("prompts",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(prompts=self._prompts(_truth(sample))) for sample in samples]

    def _prompts(self, truth: Annotations) -> Prompts:
        chosen = _objects(truth, self.include_crowd)
        return Prompts.from_boxes(truth.boxes[chosen], class_ids=truth.class_ids[chosen])


@dataclass(frozen=True, repr=False, kw_only=True)
class CenterPoint(Stage):
    """One foreground point per true object, the pixel farthest from its border (paper 7.1, D.1).

    include_crowd: also prompt with regions of many objects (COCO's `iscrowd`).

    Raises ValueError for annotations without masks and for an object without a pixel.
    """

    include_crowd: bool = False

    reads = ("annotations",)
    writes = ("prompts",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(prompts=self._prompts(sample)) for sample in samples]

    def _prompts(self, sample: Sample) -> Prompts:
        truth = _truth(sample)
        if truth.run_lengths is None:
            raise ValueError(
                f"sample {sample.id!r} has boxes only; CenterPoint needs annotations with masks"
            )
        chosen = _objects(truth, self.include_crowd)
        points = np.zeros((len(chosen), 2), dtype=np.float32)
        for row, number in enumerate(chosen):
            # Decoded one by one: a crowded picture's masks at full size don't fit side by side.
            [mask] = rle.decode([truth.run_lengths[number]])
            if not mask.any():
                raise ValueError(
                    f"object {number} of sample {sample.id!r} has no pixel, so no centre; "
                    "leave it out of the annotations"
                )
            points[row] = center_point(mask)
        return Prompts.from_points(points).replace(class_ids=truth.class_ids[chosen])


@dataclass(frozen=True, repr=False)
class Grid(Stage):
    """points_per_side ** 2 prompts of one foreground point, at (i + 0.5) / points_per_side of each side.

    Raises ValueError for fewer than one point a side.
    """

    points_per_side: int = 32

    reads = ("image",)
    writes = ("prompts",)

    def __post_init__(self) -> None:
        if self.points_per_side < 1:
            raise ValueError(f"points_per_side is at least 1, got {self.points_per_side}")

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(prompts=self._prompts(sample)) for sample in samples]

    def _prompts(self, sample: Sample) -> Prompts:
        height, width = sample.image.shape[:2]
        return Prompts.from_points(point_grid(self.points_per_side, (height, width)))


def _truth(sample: Sample) -> Annotations:
    if sample.annotations is None:
        raise ValueError(f"sample {sample.id!r} has no annotations to take prompts from")
    return sample.annotations


def _objects(truth: Annotations, include_crowd: bool) -> NDArray[np.int64]:
    """Indices of the annotations to prompt with."""
    if include_crowd or truth.is_crowd is None:
        return np.arange(len(truth))
    return np.flatnonzero(~truth.is_crowd)
