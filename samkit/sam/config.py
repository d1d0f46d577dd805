"""The sizes of a SAM, by name or read off its tensors."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class SamConfig:
    """Everything that decides the shape of a SAM's tensors. Defaults are the official ones.

    image_size: side of the square input, pixels. width, depth, num_heads, mlp_dim, window_size,
    global_blocks: of the image encoder. channels: of image embedding and decoder. mask_channels:
    inside the prompt encoder's mask branch. The `decoder_` and `iou_` fields: of the mask decoder.
    """

    width: int
    depth: int
    num_heads: int
    global_blocks: tuple[int, ...]
    mlp_dim: int
    image_size: int = 1024
    patch_size: int = 16
    window_size: int = 14
    channels: int = 256
    mask_channels: int = 16
    decoder_depth: int = 2
    decoder_heads: int = 8
    decoder_mlp_dim: int = 2048
    decoder_attention_width: int = 128
    num_mask_tokens: int = 4
    iou_head_depth: int = 3
    iou_head_hidden: int = 256

    @property
    def grid(self) -> int:
        """Side of the image embedding, cells."""
        return self.image_size // self.patch_size

    @property
    def low_res_size(self) -> int:
        """Side of the low-resolution logits, cells."""
        return 4 * self.grid


CONFIGS = {
    "vit_b": SamConfig(768, 12, 12, (2, 5, 8, 11), 3072),
    "vit_l": SamConfig(1024, 24, 16, (5, 11, 17, 23), 4096),
    "vit_h": SamConfig(1280, 32, 16, (7, 15, 23, 31), 5120),
}


def read_config(tensors: Mapping[str, torch.Tensor]) -> SamConfig:
    """The configuration that tensors under the official names have.

    Not in the tensors, and so as in the official code: 8 decoder heads, the layer norms' epsilons,
    pixel mean and deviation. Raises ValueError naming the tensor that is missing or odd.
    """

    def shape(name: str, dimensions: int) -> torch.Size:
        if name not in tensors:
            raise ValueError(f"this is not a SAM checkpoint: it has no tensor {name!r}")
        found = tensors[name].shape
        if len(found) != dimensions or 0 in found:
            told = f"{dimensions} dimensions, none of them 0, got {tuple(found)}"
            raise ValueError(f"this is not a SAM checkpoint: {name} has {told}")
        return found

    def count(prefix: str, suffix: str) -> int:
        return next(i for i in range(len(tensors) + 1) if f"{prefix}{i}{suffix}" not in tensors)

    encoder, decoder = "image_encoder", "mask_decoder"
    _, grid, _, width = shape(f"{encoder}.pos_embed", 4)
    patch_size = shape(f"{encoder}.patch_embed.proj.weight", 4)[-1]
    depth = max(1, count(f"{encoder}.blocks.", ".norm1.weight"))
    tables = [shape(f"{encoder}.blocks.{i}.attn.rel_pos_h", 2) for i in range(depth)]
    sides = [(rows + 1) // 2 for rows, _ in tables]
    windows = sorted({side for side in sides if side != grid})
    if len(windows) > 1:
        raise ValueError(f"blocks have windows of different sizes, {windows}; a SAM has one")
    if width % tables[0][1]:
        raise ValueError(
            f"this is not a SAM checkpoint: heads of width {tables[0][1]} do not make up {width}"
        )
    layers = f"{decoder}.transformer.layers."
    iou_head = f"{decoder}.iou_prediction_head.layers."
    return SamConfig(
        width=width,
        depth=depth,
        num_heads=width // tables[0][1],
        global_blocks=tuple(i for i, side in enumerate(sides) if side == grid),
        mlp_dim=shape(f"{encoder}.blocks.0.mlp.lin1.weight", 2)[0],
        image_size=grid * patch_size,
        patch_size=patch_size,
        window_size=windows[0] if windows else grid,
        channels=shape(f"{decoder}.iou_token.weight", 2)[1],
        mask_channels=shape("prompt_encoder.mask_downscaling.3.weight", 4)[0],
        decoder_depth=count(layers, ".norm1.weight"),
        decoder_mlp_dim=shape(f"{layers}0.mlp.lin1.weight", 2)[0],
        decoder_attention_width=shape(f"{layers}0.cross_attn_token_to_image.q_proj.weight", 2)[0],
        num_mask_tokens=shape(f"{decoder}.mask_tokens.weight", 2)[0],
        iou_head_depth=count(iou_head, ".weight"),
        iou_head_hidden=shape(f"{iou_head}0.weight", 2)[0],
    )
