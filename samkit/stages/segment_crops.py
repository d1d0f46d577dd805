"""Prompts that say what and not where, asked of a picture and of crops of it."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
from numpy.typing import NDArray

from samkit.ops.grids import Box, crop_boxes, cut_off
from samkit.pipeline import Stage
from samkit.sam.family import SamModel
from samkit.stages.encode_crops import CROPS_AT_ONCE, encode_crops
from samkit.stages.segment import Segment, num_parts
from samkit.types import ImageEmbedding, Masks, Prompts, Sample


@dataclass(frozen=True, repr=False)
class SegmentCrops(Stage):
    """`Segment` for text, in the picture and in crops of it: what is small there is large in a crop.

    A phrase says what is looked for and not where, so every crop is asked too, and of all answers that
    with the highest predicted IoU is taken. A SAM must have learned that what is not there gets a low
    one: `strangers` and `zoom` of recipes/train_text_prompt.py. A mask that ends at the edge of its crop
    is passed over, for its thing may go on outside.

    crop_n_layers: layers of crops; layer i has 2**i a side, so 1 looks 5 times in all and 2 21 times.
    crop_overlap_ratio: how far crops of the first layer overlap, as a share of the shorter side.
    edge: how near to its crop's edge a mask is taken to end there, as a share of the crop's longer side; a
        token of `tiny` is .0625 of it.
    several: all masks are kept, not the best alone, each with its score, those of one prompt together;
        `NonMaxSuppression` behind it takes away those that several crops found.

    Prompts that say where - points, boxes, masks - are asked of the whole picture alone. Masks are held
    as run lengths, with the crop that each was found in (`crop_boxes`). Raises ValueError for no layers.
    """

    sam: SamModel
    _: KW_ONLY
    crop_n_layers: int = 1
    crop_overlap_ratio: float = 512 / 1500
    edge: float = 0.06
    several: bool = False

    reads = ("image", "embedding", "prompts")
    writes = ("masks",)

    def __post_init__(self) -> None:
        if self.crop_n_layers < 1:
            raise ValueError(
                f"crop_n_layers is {self.crop_n_layers}; without crops it is Segment that you want"
            )

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(masks=self._masks(sample)) for sample in samples]

    def _masks(self, sample: Sample) -> Masks:
        assert sample.prompts is not None and sample.embedding is not None, "the pipeline checks"
        size = sample.image.shape[:2]
        layers = crop_boxes(size, self.crop_n_layers, self.crop_overlap_ratio)
        whole, *crops = [box for box, _ in layers]
        found = [self._asked(sample, sample.embedding, sample.prompts, whole)]
        anywhere = np.flatnonzero(num_parts(sample.prompts.replace(embeddings=None)) == 0)
        if len(anywhere):
            for start in range(0, len(crops), CROPS_AT_ONCE):
                some = crops[start : start + CROPS_AT_ONCE]
                for embedding, box in zip(
                    encode_crops(self.sam, sample.image, some), some, strict=True
                ):
                    masks = self._asked(sample, embedding, sample.prompts[anywhere], box)
                    masks = masks.replace(prompt_index=anywhere[masks.prompt_index])
                    edge = max(1.0, self.edge * max(embedding.frame.crop_size))
                    found.append(masks[~cut_off(masks.boxes(), box, size, edge)])
        masks = Masks.concat(found)
        return masks[self._chosen(masks)]

    def _asked(
        self, sample: Sample, embedding: ImageEmbedding, prompts: Prompts, box: Box
    ) -> Masks:
        """What `Segment` finds there, in the frame of the whole picture."""
        assert sample.embedding is not None, "checked above"
        asked = sample.replace(embedding=embedding, prompts=prompts, masks=None)
        [done] = Segment(self.sam, several=self.several)([asked])
        assert done.masks is not None, "Segment writes masks"
        masks = done.masks.with_run_lengths()
        boxes = np.tile(np.array(box, dtype=np.float32), (len(masks), 1))
        return masks.replace(frame=sample.embedding.frame, crop_boxes=boxes)

    def _chosen(self, masks: Masks) -> NDArray[np.int64]:
        """Rows by prompt, the best first; of each prompt that one alone unless several are kept."""
        rows = np.lexsort((-masks.predicted_iou, masks.prompt_index))
        if self.several:
            return rows
        return rows[np.unique(masks.prompt_index[rows], return_index=True)[1]]
