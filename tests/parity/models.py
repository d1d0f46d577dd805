"""Official SAMs of any size with every tensor drawn at random, and our own of the same weights."""

import torch
from segment_anything.modeling import Sam

from samkit.sam.checkpoints import build_sam
from samkit.sam.config import SamConfig
from samkit.sam.model import Sam as OurSam
from samkit.sam.official import official_model

SMALL = SamConfig(64, 4, 4, (1, 3), 256, image_size=128, window_size=5)
# Nothing official about these sizes: another decoder width, three layers, five mask tokens.
ODD = SamConfig(
    48, 3, 3, (2,), 96, image_size=192, window_size=7, channels=64, mask_channels=8, decoder_depth=3,
    decoder_mlp_dim=96, decoder_attention_width=32, num_mask_tokens=5, iou_head_depth=2,
    iou_head_hidden=40,
)  # fmt: skip


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
    theirs = official_model(config)
    randomise(theirs, seed, scale)
    ours = build_sam({name: tensor.clone() for name, tensor in theirs.state_dict().items()})
    ours.name = "random-float32-samkit"
    return theirs, ours.eval()
