"""Masks drawn anew by a small network that has learned what objects look like up close."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.clip.model import Clip
from samkit.ops import rle
from samkit.ops.regions import cut
from samkit.ops.square_crops import region_from_square, square_crop, with_mask
from samkit.pipeline import Stage
from samkit.sam.mask_refiner import MaskRefiner
from samkit.stages.asked import classes_among, phrases_of
from samkit.types import Masks, Sample

AT_ONCE = 64  # squares


@dataclass(frozen=True, repr=False)
class RedrawMasks(Stage):
    """Each mask drawn anew in a square around it: mask refinement, as CascadePSP and SAMRefiner do it.

    A SAM sees the whole picture at a fixed size and answers at a quarter of that. The refiner sees the mask's
    surroundings at a size of their own, and where the mask lies: so it finds the rest of what was half
    found, gives up what was too much, and draws what is thin. It draws well what it has learned of;
    train one on objects like yours (recipes/train_mask_refiner.py).

    clip: of the refiner; with it each mask's phrase is told, that of the sample's `phrases` which its class
    names, as behind TextPrompt and RankByText: drawn is what is meant, and the guess of the IoU tells
    whether it is there.
    context: side of the square as a multiple of the mask's longer side.
    passes: how often; the second begins with what the first drew.
    mirrored: each square is drawn a second time as in a mirror, and the mean of both is taken: a little
    better, in twice the time.
    rescore: share of the refiner's guess in the predicted IoU, and in the score where that was one; the
    rest is what it was, which knows what the SAM had to say. 1 or True takes the guess alone.

    Works on run lengths, so on masks of any origin; afterwards they hold no logits and no stability.
    Number, order and classes stay. A mask of which nothing would be left stays as it was, with the guess
    made of that nothing. Raises ValueError for a context below 1, passes below 1, a share outside 0 to 1,
    a CLIP whose phrases the refiner was not taught, and classes that are no phrases.

    >>> from samkit.sam.mask_refiner import load_mask_refiner
    >>> redraw = RedrawMasks(load_mask_refiner("tiny"), passes=2)
    """

    refiner: MaskRefiner
    clip: Clip | None = None
    _: KW_ONLY
    context: float = 1.7
    passes: int = 1
    mirrored: bool = False
    rescore: float = 0.0

    writes = ("masks",)

    def __post_init__(self) -> None:
        if not self.context >= 1:
            raise ValueError(f"context widens the mask's box, so it is 1 or more: {self.context}")
        if self.passes < 1:
            raise ValueError(f"passes is how often a mask is drawn, 1 or more: {self.passes}")
        if not 0 <= self.rescore <= 1:
            raise ValueError(f"rescore is the guess's share, from 0 to 1: {self.rescore}")
        if self.clip:
            self.refiner.check_reads(self.clip.name, self.clip.texts_name)
        own = ("phrases",) if self.clip else ()
        object.__setattr__(self, "reads", ("image", "masks", *own))

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(masks=self._redrawn(sample)) for sample in samples]

    def _redrawn(self, sample: Sample) -> Masks:
        masks = sample.masks
        assert masks is not None, "the pipeline checks what a stage reads"
        masks = masks.with_run_lengths().replace(logits=None, stability=None)
        iou = np.array(masks.predicted_iou, dtype=np.float32)
        told = self._told(sample, masks)
        for _ in range(self.passes):
            masks, iou = self._once(sample.image, masks, iou, told)
        if not self.rescore:
            return masks
        was_score = np.array_equal(masks.scores, masks.predicted_iou)
        iou = self.rescore * iou + (1 - self.rescore) * masks.predicted_iou
        rescored = masks.replace(predicted_iou=iou)
        return rescored.replace(scores=iou) if was_score else rescored

    def _told(self, sample: Sample, masks: Masks) -> torch.Tensor | None:
        """What CLIP makes of each mask's phrase, (N, D)."""
        if self.clip is None or not len(masks):
            return None
        phrases = phrases_of(sample, None)
        return self.clip.texts(phrases)[classes_among(masks, len(phrases))]

    def _once(
        self,
        image: NDArray[np.uint8],
        masks: Masks,
        iou: NDArray[np.float32],
        told: torch.Tensor | None,
    ) -> tuple[Masks, NDArray[np.float32]]:
        run_lengths, iou = masks.rle(), iou.copy()
        size = (image.shape[0], image.shape[1])
        boxes, some = masks.outer_boxes(), np.flatnonzero(masks.areas())
        for start in range(0, len(some), AT_ONCE):
            rows = some[start : start + AT_ONCE]
            squares = self._squares(image, [run_lengths[row] for row in rows], boxes[rows])
            words = None if told is None else told[rows].to(self.refiner.device)
            logits, guesses = self.refiner.drawn(*squares, words, self.mirrored)
            iou[rows] = guesses.numpy()
            for row, values in zip(rows, logits, strict=True):
                region = region_from_square(values, size, boxes[row], self.context)
                if found := cut(region, size):
                    run_lengths[row] = found.run_lengths
        return masks.replace(run_lengths=tuple(run_lengths)), iou

    def _squares(
        self, image: NDArray[np.uint8], masks: list[rle.RLE], boxes: NDArray[np.float32]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        side, squares = self.refiner.side, []
        for one, box in zip(masks, boxes, strict=True):
            surroundings = square_crop(image, box, side, self.context)
            squares.append(with_mask(surroundings, one, box, self.context))
        both = torch.from_numpy(np.stack(squares)).to(self.refiner.device).permute(0, 3, 1, 2) / 255
        return both[:, :3], both[:, 3]
