"""Boxes to masks, each in a picture of its own: small objects are seen at the model's full size."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np

from samkit.ops.grids import Box, Size
from samkit.ops.zoom import LEAST_SHARED_CONTEXT, crop_around, shared_crop_around
from samkit.pipeline import Stage
from samkit.sam.family import SamModel
from samkit.stages.encode_crops import CROPS_AT_ONCE, encode_crops
from samkit.stages.segment import Segment
from samkit.types import Frame, Masks, Prompts, Sample


@dataclass(frozen=True, repr=False)
class SegmentZoomed(Stage):
    """`Segment` with a square crop around each prompt's box, encoded by itself.

    A SAM sees a picture at a fixed size (1024 pixels a side, tiny 256), so a small object is few tokens
    to it. Zoomed in it is as large as any; the price is an encoding for each prompt. Embeddings of whole
    pictures are not read. `MaskBoxes` before it asks for masks that are there once more.

    context: the crop's side as a multiple of the box's longer one. It ends where the picture does.
    shared: crops are some of few squares (`ops.zoom.shared_crop_around`), up to twice as wide, so that
        boxes near each other take one encoding together: for thousands of proposals a third of the work.
    keep_logits: hands on the low-resolution logits beside the run lengths, each in its crop.

    Masks are held as run lengths, with their stability and the crop that each was found in
    (`crop_boxes`). Points beside the box are asked too. Raises ValueError for prompts without a box, or
    with mask logits (those lie in another frame), and for a context below 1 (4/3 where shared).

    >>> import samkit
    >>> from samkit.stages import GroundTruthBoxes
    >>> find = GroundTruthBoxes() | SegmentZoomed(samkit.load_sam("tiny"))
    """

    sam: SamModel
    _: KW_ONLY
    context: float = 1.5
    shared: bool = False
    keep_logits: bool = False

    reads = ("image", "prompts")
    writes = ("masks",)

    def __post_init__(self) -> None:
        if not self.context >= 1:
            raise ValueError(f"context is 1, the box itself, or more; got {self.context}")
        if self.shared and self.context < LEAST_SHARED_CONTEXT:
            raise ValueError(
                f"a shared crop holds every box from a context of 4/3 on; got {self.context}"
            )

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(masks=self._masks(sample)) for sample in samples]

    def _masks(self, sample: Sample) -> Masks:
        prompts = _prompts(sample)
        height, width = size = sample.image.shape[:2]
        if not len(prompts):
            frame = Frame(size, size, max(size))  # as of a picture that no model has resized
            return Masks(frame, run_lengths=(), class_ids=prompts.class_ids)
        assert prompts.boxes is not None, "checked"
        place = shared_crop_around if self.shared else crop_around
        asking: dict[Box, list[int]] = {}  # equal crops are encoded once
        for row, box in enumerate(prompts.boxes):
            asking.setdefault(place(box, self.context, (height, width)), []).append(row)
        crops, found = list(asking), []
        for start in range(0, len(crops), CROPS_AT_ONCE):
            some = crops[start : start + CROPS_AT_ONCE]
            asked = [
                sample.replace(embedding=embedding, prompts=prompts[asking[crop]], masks=None)
                for crop, embedding in zip(
                    some, encode_crops(self.sam, sample.image, some), strict=True
                )
            ]
            for crop, done in zip(some, Segment(self.sam)(asked), strict=True):
                assert done.masks is not None, "Segment writes masks"
                found.append(self._placed(done.masks, (height, width), crop, asking[crop]))
        masks = Masks.concat(found)
        return masks[np.argsort(masks.prompt_index)]

    def _placed(self, masks: Masks, size: Size, crop: Box, prompts: Sequence[int]) -> Masks:
        """What a crop's prompts found, in the frame of the whole picture."""
        return masks.replace(
            frame=Frame.fit(size, masks.frame.model_size),
            logits=masks.logits if self.keep_logits else None,
            run_lengths=tuple(masks.rle()),
            stability=np.nan_to_num(masks.stability_score, nan=0.0),
            crop_boxes=np.tile(np.array(crop, dtype=np.float32), (len(masks), 1)),
            prompt_index=np.array(prompts)[masks.prompt_index],
        )


@dataclass(frozen=True, repr=False)
class MaskBoxes(Stage):
    """Prompts are the boxes of the masks, with classes and scores; masks without a pixel are left out.

    `Proposals(sam) | MaskBoxes() | SegmentZoomed(sam)` looks at every proposal up close. As behind a
    detector the scores stay those of the boxes; `AverageScores` lets the second look count too.
    """

    reads = ("masks",)
    writes = ("prompts",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(prompts=self._prompts(sample)) for sample in samples]

    def _prompts(self, sample: Sample) -> Prompts:
        assert sample.masks is not None, "the pipeline checks what a stage reads"
        masks = sample.masks.with_run_lengths()  # once, for areas and boxes
        masks = masks[masks.areas() > 0]
        boxes = masks.outer_boxes()
        return Prompts.from_boxes(boxes, scores=masks.scores, class_ids=masks.class_ids)


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
