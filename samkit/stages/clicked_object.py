"""One object while it is being clicked on: what it was answered, and where to click next."""

import itertools
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.masks import pair_iou
from samkit.ops.patches import Patch, crop, together
from samkit.ops.points import Click, next_click
from samkit.ops.upscale import regions
from samkit.types import Annotations, ImageEmbedding, Masks, Sample

# Masks of one image, and which of them answer an object.
Answer = tuple[Masks, slice]


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
            return int(np.count_nonzero(self.mask.pixels))
        return int(rle.areas([self.run_length])[0])

    @property
    def run_length(self) -> rle.RLE:
        assert self.truth.run_lengths is not None
        return self.truth.run_lengths[self.number]

    @cached_property
    def mask(self) -> Patch:
        """Its pixels that count."""
        [mask] = rle.decode([self.run_length])
        return crop(
            mask if self.truth.ignored is None else mask & ~rle.decode([self.truth.ignored])[0]
        )

    def prompt(self, click: Click | None) -> None:
        xy, label = click or (np.full(2, np.nan, dtype=np.float32), -1)
        self.points.append(xy)
        self.labels.append(label)

    def hear(self, answer: Answer, last: bool) -> None:
        """Measures what was answered, and clicks where it errs most."""
        masks, own = answer
        predicted_iou = masks.predicted_iou[own]
        self.chosen = int(predicted_iou.argmax())
        self.predicted_iou.append(float(predicted_iou[self.chosen]))
        self.logits = None if masks.logits is None else masks.logits[own][self.chosen]
        (truth, *answers), left, top = together([self.mask, *patches(masks, own)])
        if self.truth.ignored is not None:
            height, width = truth.shape
            ignored = rle.decode([self.truth.ignored])[0, top : top + height, left : left + width]
            answers = [answer & ~ignored for answer in answers]
        found = [pair_iou(answer, truth) for answer in answers]
        if not self.iou:
            self.oracle = max(found)
            pairs = [pair_iou(a, b) for a, b in itertools.combinations(answers, 2)]
            self.agreement = float(np.mean(pairs)) if pairs else self.agreement
        self.iou.append(found[self.chosen])
        if not last:
            clicked = [xy for xy, label in zip(self.points, self.labels, strict=True) if label >= 0]
            corner = np.array([left, top], dtype=np.float32)
            click = next_click(truth, answers[self.chosen], [xy - corner for xy in clicked])
            if click is not None:
                self.prompt((click[0] + corner, click[1]))


def patches(masks: Masks, own: slice) -> list[Patch]:
    """Each of these masks where it has pixels, enlarged no further than that."""
    frame = masks.frame
    if masks.run_lengths is not None or frame.crop_box is not None:
        return [crop(mask) for chunk in masks[own].binary_chunks() for mask in chunk]
    assert masks.logits is not None, "masks hold run lengths or logits"
    logits = masks.logits[own]
    enlarged = regions(logits, 0.0, frame.model_size, frame.resized_size, frame.crop_size)
    return [Patch(one.columns.T > 0, one.left, one.top) for one in enlarged]
