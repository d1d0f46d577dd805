"""One object while it is being clicked on: what it was answered, and where to click next."""

import itertools
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.masks import pair_iou
from samkit.ops.points import Click, next_click
from samkit.types import Annotations, ImageEmbedding, Sample

Binary = NDArray[np.bool_]


@dataclass(eq=False)
class ClickedObject:
    """One true object and what has been said about it so far."""

    sample: Sample
    truth: Annotations
    embedding: ImageEmbedding
    number: int
    points: list[NDArray[np.float32]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    iou: list[float] = field(default_factory=list)
    predicted_iou: list[float] = field(default_factory=list)
    oracle: float = 0.0
    agreement: float = float("nan")
    logits: torch.Tensor | None = None
    chosen: int = 0

    @property
    def box(self) -> NDArray[np.float32]:
        box: NDArray[np.float32] = self.truth.boxes[self.number]
        return box

    @property
    def pixels(self) -> int:
        """How many of its pixels count."""
        if self.truth.ignored is not None:
            return int(self.mask().sum())
        return int(rle.areas([self.run_length])[0])

    @property
    def run_length(self) -> rle.RLE:
        assert self.truth.run_lengths is not None
        return self.truth.run_lengths[self.number]

    def mask(self) -> Binary:
        [mask] = self.counted(rle.decode([self.run_length]))
        return np.asarray(mask)

    def counted(self, masks: Binary) -> Binary:
        """Masks without the pixels that don't count."""
        if self.truth.ignored is None:
            return masks
        return masks & ~rle.decode([self.truth.ignored])

    def prompt(self, click: Click | None) -> None:
        xy, label = click or (np.full(2, np.nan, dtype=np.float32), -1)
        self.points.append(xy)
        self.labels.append(label)

    def hear(self, predicted_iou: NDArray[np.float32], logits: torch.Tensor | None) -> None:
        self.chosen = int(predicted_iou.argmax())
        self.predicted_iou.append(float(predicted_iou[self.chosen]))
        self.logits = None if logits is None else logits[self.chosen]

    def look(self, masks: Binary, last: bool) -> None:
        """Measures what was answered, and clicks where it errs most."""
        truth, masks = self.mask(), self.counted(masks)
        found = [pair_iou(mask, truth) for mask in masks]
        if not self.iou:
            self.oracle = max(found)
            pairs = [pair_iou(a, b) for a, b in itertools.combinations(masks, 2)]
            self.agreement = float(np.mean(pairs)) if pairs else self.agreement
        self.iou.append(found[self.chosen])
        if not last:
            clicked = [xy for xy, label in zip(self.points, self.labels, strict=True) if label >= 0]
            click = next_click(truth, masks[self.chosen], np.array(clicked))
            if click is not None:
                self.prompt(click)
