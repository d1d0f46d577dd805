"""The official `segment_anything` package behind `name`, `encode`, `decode` (extra: official).

Parity and speed are then the same pipeline with another object.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.types import Frame, ImageEmbedding, Masks, Prompts


class OfficialSam:
    """A `segment_anything.modeling.Sam` with samkit's three members; one decoder call per prompt."""

    def __init__(self, model: Any, name: str = "official") -> None:
        from segment_anything import SamPredictor

        self.model = model.eval()
        self.name = name
        self._predictor = SamPredictor

    @classmethod
    def load(cls, model_type: str, checkpoint: str | Path) -> "OfficialSam":
        """vit_b, vit_l or vit_h from an official checkpoint."""
        from segment_anything import sam_model_registry

        model = sam_model_registry[model_type](checkpoint=str(checkpoint))
        return cls(model, f"{Path(checkpoint).stem}-float32-official")

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> list[ImageEmbedding]:
        """One embedding per image, encoded one after the other."""
        embeddings = []
        for image in images:
            predictor = self._predictor(self.model)
            predictor.set_image(image)
            frame = Frame(image.shape[:2], predictor.input_size, self.model.image_encoder.img_size)
            embeddings.append(ImageEmbedding({"image_embedding": predictor.features[0]}, frame))
        return embeddings

    def decode(
        self,
        embeddings: Sequence[ImageEmbedding],
        prompts: Sequence[Prompts],
        multimask_output: bool = True,
    ) -> list[Masks]:
        """Masks as `samkit.sam.model.Sam.decode` orders them; no embedding prompts."""
        return [
            self._decode(embedding, asked, multimask_output)
            for embedding, asked in zip(embeddings, prompts, strict=True)
        ]

    def _decode(self, embedding: ImageEmbedding, prompts: Prompts, multimask: bool) -> Masks:
        predictor = self._predictor(self.model)
        frame = embedding.frame
        predictor.features = embedding["image_embedding"][None]
        predictor.original_size, predictor.input_size = frame.original_size, frame.resized_size
        predictor.is_image_set = True
        side = 4 * embedding["image_embedding"].shape[-1]
        logits, iou = [torch.zeros(0, side, side)], [np.zeros(0, np.float32)]
        for one in prompts:
            points = one.points is not None and len(one.points[0]) > 0
            _, predicted_iou, low_res = predictor.predict(
                point_coords=one.points[0] if points and one.points else None,
                point_labels=one.labels[0] if points and one.labels else None,
                box=one.boxes[0] if one.boxes is not None and one.has_box[0] else None,
                mask_input=None
                if one.masks is None or one.masks[0] is None
                else one.masks[0][None].numpy(),
                multimask_output=multimask,
            )
            logits.append(torch.from_numpy(low_res))
            iou.append(predicted_iou)
        stacked, which = torch.cat(logits), np.arange(len(prompts))
        which = which.repeat(len(stacked) // max(1, len(prompts)))
        return Masks(
            frame,
            logits=stacked,
            predicted_iou=np.concatenate(iou),
            prompt_index=which,
            scores=None if prompts.scores is None else prompts.scores[which],  # type: ignore[arg-type]
            class_ids=None if prompts.class_ids is None else prompts.class_ids[which],
        )
