"""Boxes to masks, each in a picture of its own: small objects are seen at the model's full size."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
from numpy.typing import ArrayLike

from samkit.ops.grids import Box
from samkit.pipeline import Stage
from samkit.sam.family import SamModel
from samkit.stages.encode_crops import CROPS_AT_ONCE, encode_crops
from samkit.stages.segment import Segment
from samkit.types import Frame, Masks, Prompts, Sample

# Pixels of a crop's side at least: fewer show nothing to compare the object with.
LEAST_SIDE = 24


@dataclass(frozen=True, repr=False)
class SegmentZoomed(Stage):
    """`Segment` with a square crop around each prompt's box, encoded by itself.

    A SAM sees a picture at a fixed size (1024 pixels a side, tiny 256), so a small object is few tokens
    to it. Zoomed in it is as large as any; the price is an encoding for each prompt. Embeddings of whole
    pictures are not read. `MaskBoxes` before it asks for masks that are there once more.

    context: the crop's side as a multiple of the box's longer one. It ends where the picture does.

    Masks are held as run lengths, with the crop that each was found in (`crop_boxes`). Points beside
    the box are asked too. Raises ValueError for prompts without a box, or with mask logits (those lie in
    another frame), and for a context below 1.

    >>> import samkit
    >>> from samkit.stages import GroundTruthBoxes
    >>> find = GroundTruthBoxes() | SegmentZoomed(samkit.load_sam("tiny"))
    """

    sam: SamModel
    _: KW_ONLY
    context: float = 1.5

    reads = ("image", "prompts")
    writes = ("masks",)

    def __post_init__(self) -> None:
        if not self.context >= 1:
            raise ValueError(f"context is 1, the box itself, or more; got {self.context}")

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(masks=self._masks(sample)) for sample in samples]

    def _masks(self, sample: Sample) -> Masks:
        prompts = _prompts(sample)
        height, width = size = sample.image.shape[:2]
        whole = Frame(size, size, max(size))  # as of a picture that no model has resized
        if not len(prompts):
            return Masks(whole, run_lengths=(), class_ids=prompts.class_ids)
        assert prompts.boxes is not None, "checked"
        crops = [crop_around(box, self.context, (height, width)) for box in prompts.boxes]
        found = []
        for start in range(0, len(crops), CROPS_AT_ONCE):
            some = crops[start : start + CROPS_AT_ONCE]
            asked = [
                sample.replace(embedding=embedding, prompts=prompts[row], masks=None)
                for row, embedding in enumerate(encode_crops(self.sam, sample.image, some), start)
            ]
            found += [
                done.masks.with_run_lengths()
                for done in Segment(self.sam)(asked)
                if done.masks is not None
            ]
        masks = Masks.concat([part.replace(frame=whole) for part in found])
        boxes = np.array(crops, dtype=np.float32)
        return masks.replace(prompt_index=np.arange(len(crops)), crop_boxes=boxes)


@dataclass(frozen=True, repr=False)
class MaskBoxes(Stage):
    """Prompts are the boxes of the masks, with their classes; masks without a pixel are left out.

    `Proposals(sam) | MaskBoxes() | SegmentZoomed(sam)` looks at every proposal up close.
    """

    reads = ("masks",)
    writes = ("prompts",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(prompts=self._prompts(sample)) for sample in samples]

    def _prompts(self, sample: Sample) -> Prompts:
        assert sample.masks is not None, "the pipeline checks what a stage reads"
        masks = sample.masks.with_run_lengths()  # once, for areas and boxes
        masks = masks[masks.areas() > 0]
        boxes = masks.boxes()
        boxes[:, 2:] += 1  # behind the last pixel, as boxes of prompts end
        return Prompts.from_boxes(boxes, class_ids=masks.class_ids)


def crop_around(box: ArrayLike, context: float, size: tuple[int, int]) -> Box:
    """(x0, y0, x1, y1), whole pixels of a picture (height, width): the square around a box xyxy.

    Its side is `context` times the box's longer one, 24 pixels at least, less where the picture ends.

    >>> crop_around([10, 10, 40, 30], 2.0, (100, 60))
    (0, 0, 55, 50)
    """
    xyxy = np.asarray(box, dtype=np.float64)
    middle, longer = (xyxy[:2] + xyxy[2:]) / 2, (xyxy[2:] - xyxy[:2]).max()
    half = max(longer * context, LEAST_SIDE) / 2
    end = np.array([size[1], size[0]])
    low = np.clip(np.floor(middle - half), 0, end - 1)
    high = np.clip(np.ceil(middle + half), low + 1, end)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _prompts(sample: Sample) -> Prompts:
    prompts = sample.prompts
    assert prompts is not None, "the pipeline checks what a stage reads"
    if not prompts.has_box.all():
        raise ValueError(
            f"sample {sample.id!r}: prompt {int(np.argmin(prompts.has_box))} has no box to zoom in on; "
            "for points put Segment and MaskBoxes before SegmentZoomed"
        )
    if any(mask is not None for mask in prompts.masks or ()):
        raise ValueError(
            f"sample {sample.id!r}: mask logits lie in the frame of the whole picture and cannot be "
            "asked in a crop; give SegmentZoomed boxes alone"
        )
    return prompts
