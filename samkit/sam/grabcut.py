"""OpenCV's GrabCut behind `name`, `encode`, `decode`: a classical baseline (extra: bench)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.grabcut import grab_cut
from samkit.sam.decoding import refuse_outside
from samkit.types import Frame, ImageEmbedding, Masks, Prompts
from samkit.types.sample import check_image


class GrabCut:
    """Boxes to masks by colour models and graph cuts (Rother, Kolmogorov, Blake 2004).

    iterations: of fitting the models and cutting.

    Needs no weights. One mask per prompt, as run lengths, with a predicted IoU of 1; its
    "embedding" is the image itself. Colours are clustered from the same seed at every call.
    """

    def __init__(self, iterations: int = 5) -> None:
        self.iterations = iterations
        self.name = f"grabcut-{iterations}-iterations-opencv"

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> list[ImageEmbedding]:
        """The images themselves."""
        return [
            ImageEmbedding({"image": torch.from_numpy(image)}, Frame(size, size, max(size)))
            for image in map(check_image, images)
            for size in [image.shape[:2]]
        ]

    def decode(
        self,
        embeddings: Sequence[ImageEmbedding],
        prompts: Sequence[Prompts],
        multimask_output: bool = True,
    ) -> list[Masks]:
        """One mask per box, whatever `multimask_output` is.

        Raises ValueError for a prompt that is not a box alone, or that lies outside its image.
        """
        refuse_outside([embedding.frame for embedding in embeddings], prompts)
        return [self._masks(e, asked) for e, asked in zip(embeddings, prompts, strict=True)]

    def _masks(self, embedding: ImageEmbedding, prompts: Prompts) -> Masks:
        if not prompts.has_box.all() or prompts.num_points.any() or prompts.masks is not None:
            raise ValueError(
                "GrabCut takes boxes alone; with Clicks use first='box', num_clicks=(1,)"
            )
        image = embedding["image"].numpy()
        boxes = np.zeros((0, 4)) if prompts.boxes is None else prompts.boxes
        run_lengths = tuple(rle.encode(self._cut(image, box)[None])[0] for box in boxes)
        return Masks(embedding.frame, run_lengths=run_lengths, class_ids=prompts.class_ids)

    def _cut(self, image: NDArray[np.uint8], box: NDArray[Any]) -> NDArray[np.bool_]:
        height, width = image.shape[:2]
        x0, y0 = np.floor(np.clip(box[:2], 0, (width - 1, height - 1))).astype(int)
        x1, y1 = np.ceil(np.clip(box[2:], (x0 + 1, y0 + 1), (width, height))).astype(int)
        guess = np.zeros((height, width), dtype=bool)
        guess[y0:y1, x0:x1] = True
        return grab_cut(image, np.zeros_like(guess), ~guess, guess, self.iterations)
