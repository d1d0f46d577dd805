"""The official `segment_anything` package behind `name`, `encode`, `decode` (extra: official).

Parity and speed are then the same pipeline with another object.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.ops.fingerprint import fingerprint
from samkit.sam.config import SamConfig
from samkit.sam.decoding import refuse_outside
from samkit.sam.model import Sam
from samkit.sam.preprocess import PIXEL_MEAN, PIXEL_STD
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
        weights = fingerprint(model.state_dict())
        return cls(model, f"{Path(checkpoint).stem}-{weights}-float32-official")

    @classmethod
    def twin_of(cls, sam: Sam) -> "OfficialSam":
        """The official classes with a samkit model's sizes and weights, whatever its size."""
        model = official_model(sam.config)
        model.load_state_dict(sam.state_dict(), strict=True)
        return cls(model, sam.name.replace("-samkit", "-official"))

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.device
        return device

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
        """Masks as `samkit.sam.model.Sam.decode` orders them, and refuses; no embedding prompts."""
        refuse_outside([embedding.frame for embedding in embeddings], prompts)
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


def official_model(config: SamConfig) -> Any:
    """The official package's classes, given these sizes."""
    from segment_anything import modeling

    return modeling.Sam(
        image_encoder=modeling.ImageEncoderViT(
            img_size=config.image_size,
            patch_size=config.patch_size,
            embed_dim=config.width,
            depth=config.depth,
            num_heads=config.num_heads,
            mlp_ratio=config.mlp_dim / config.width,
            out_chans=config.channels,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=config.window_size,
            global_attn_indexes=config.global_blocks,
        ),
        prompt_encoder=modeling.PromptEncoder(
            embed_dim=config.channels,
            image_embedding_size=(config.grid, config.grid),
            input_image_size=(config.image_size, config.image_size),
            mask_in_chans=config.mask_channels,
        ),
        mask_decoder=modeling.MaskDecoder(
            num_multimask_outputs=config.num_mask_tokens - 1,
            transformer=modeling.TwoWayTransformer(
                depth=config.decoder_depth,
                embedding_dim=config.channels,
                mlp_dim=config.decoder_mlp_dim,
                num_heads=config.decoder_heads,
                attention_downsample_rate=config.channels // config.decoder_attention_width,
            ),
            transformer_dim=config.channels,
            iou_head_depth=config.iou_head_depth,
            iou_head_hidden_dim=config.iou_head_hidden,
        ),
        pixel_mean=list(PIXEL_MEAN),
        pixel_std=list(PIXEL_STD),
    ).eval()
