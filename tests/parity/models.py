"""Official SAMs of any size with every tensor drawn at random, and our own of the same weights."""

from functools import partial

import torch
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)

from samkit.sam.checkpoints import build_sam
from samkit.sam.config import SamConfig
from samkit.sam.model import Sam as OurSam

SMALL = SamConfig(64, 4, 4, (1, 3), 256, image_size=128, window_size=5)
# Nothing official about these sizes: another decoder width, three layers, five mask tokens.
ODD = SamConfig(
    48, 3, 3, (2,), 96, image_size=192, window_size=7, channels=64, mask_channels=8, decoder_depth=3,
    decoder_mlp_dim=96, decoder_attention_width=32, num_mask_tokens=5, iou_head_depth=2,
    iou_head_hidden=40,
)  # fmt: skip


def official(config: SamConfig) -> Sam:
    """The official package's classes, given `config`'s sizes."""
    return Sam(
        image_encoder=ImageEncoderViT(
            img_size=config.image_size,
            patch_size=config.patch_size,
            embed_dim=config.width,
            depth=config.depth,
            num_heads=config.num_heads,
            mlp_ratio=config.mlp_dim / config.width,
            out_chans=config.channels,
            qkv_bias=True,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            rel_pos_zero_init=True,
            window_size=config.window_size,
            global_attn_indexes=config.global_blocks,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=config.channels,
            image_embedding_size=(config.grid, config.grid),
            input_image_size=(config.image_size, config.image_size),
            mask_in_chans=config.mask_channels,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=config.num_mask_tokens - 1,
            transformer=TwoWayTransformer(
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
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    ).eval()


def randomise(model: torch.nn.Module, seed: int = 0, scale: float = 1.0) -> None:
    """Draws every tensor anew, position embeddings, relative positions, norms and biases too.

    The official initialisation leaves several of them at zero or one, which would hide errors.
    scale: factor on the patch embedding and its positions; small values make the first layer norms
    see activations so small that their epsilon matters.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        if "gaussian_matrix" in name:
            value = noise
        elif "norm" in name or "neck.1" in name or "neck.3" in name:
            value = noise * 0.2 + (1.0 if name.endswith("weight") else 0.0)
        elif name.endswith("bias"):
            value = noise * 0.1
        elif "rel_pos" in name:
            value = noise * 0.3
        elif tensor.ndim > 1:
            value = noise * tensor[0].numel() ** -0.5 * 1.2
        else:
            value = noise * 0.2 + 1.0
        if "patch_embed" in name or "pos_embed" in name:
            value = value * scale
        if any(
            part in name
            for part in (
                "pos_embed",
                "point_embed",
                "not_a_point",
                "no_mask",
                "iou_token.",
                "mask_tokens.",
            )
        ):
            value = value * tensor[0].numel() ** 0.5 * 0.7
        tensor.copy_(value)


def pair(config: SamConfig, seed: int = 0, scale: float = 1.0) -> tuple[Sam, OurSam]:
    """The same random weights in the official classes and in ours."""
    theirs = official(config)
    randomise(theirs, seed, scale)
    ours = build_sam({name: tensor.clone() for name, tensor in theirs.state_dict().items()})
    ours.name = "random-float32-samkit"
    return theirs, ours.eval()
