"""Where a training starts: from nothing, or with an image encoder that MAE has taught."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from samkit.sam.checkpoints import read_tensors
from samkit.sam.config import SamConfig
from samkit.sam.mask_decoder import Attention
from samkit.sam.model import Sam
from samkit.training.whitening import attend_to_alike, whiten

Tensors = Mapping[str, torch.Tensor]


def from_nothing(config: SamConfig, seed: int = 0, images: torch.Tensor | None = None) -> Sam:
    """Random weights from which clicks, and pictures, are understood sooner.

    images: (N, S, S, 3) uint8 to whiten the patch embedding with (`samkit.training.whitening`).

    Queries and keys of the decoder's cross-attentions start alike (orthogonal, gain 2), and the
    position embedding as a random projection of the dense positional encoding, so that from the start
    a prompt attends to its own place. The encoder's attention starts as `attend_to_alike` has it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sam = Sam(config)
        for layer in sam.image_encoder.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
        attend_to_alike(sam)
        _attend_to_own_place(sam)
    if images is not None:
        whiten(sam, images)
    return sam


@torch.no_grad()
def _attend_to_own_place(sam: Sam) -> None:
    for name, module in sam.mask_decoder.named_modules():
        if isinstance(module, Attention) and "self_attn" not in name:
            nn.init.orthogonal_(module.q_proj.weight, gain=2)
            module.k_proj.weight.copy_(module.q_proj.weight)
    positions = sam.prompt_encoder.dense_positions()[0].permute(1, 2, 0)
    width = positions.shape[-1]
    projection = torch.randn(width, sam.config.width) / width**0.5
    sam.image_encoder.pos_embed.copy_(0.5 * (positions @ projection)[None])


@torch.no_grad()
def with_mae(sam: Sam, weights: str | Path | Tensors) -> Sam:
    """The model with the image encoder's blocks from a masked autoencoder (He et al. 2022), in place.

    weights: a file, or tensors by name, as timm has them (`blocks.0.attn.qkv.weight`) or the
        transformers library (`vit.encoder.layer.0...`). Width, depth and patch size must be the
        model's. The position embedding loses its class token and is interpolated to the model's grid;
        what SAM has beyond MAE (relative positions, neck) stays as it is.

    Raises ValueError that names what is missing or has another shape.
    """
    given = read_tensors(Path(weights)) if isinstance(weights, str | Path) else weights
    found = _official_names({_plain(name): tensor for name, tensor in given.items()})
    encoder = sam.image_encoder
    wanted = {
        name: tensor
        for name, tensor in encoder.state_dict().items()
        if name.startswith(("patch_embed", "blocks")) and "rel_pos" not in name
    }
    problems = [
        f"{name} is missing"
        if name not in found
        else f"{name} has shape {tuple(found[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name not in found or found[name].shape != tensor.shape
    ]
    if "pos_embed" not in found:
        problems.append("pos_embed is missing")
    if problems:
        raise ValueError(
            f"these are no MAE weights for this encoder: {'; '.join(problems[:4])}"
            + (f" and {len(problems) - 4} more" if len(problems) > 4 else "")
        )
    encoder.load_state_dict({name: found[name] for name in wanted}, strict=False)
    encoder.pos_embed.copy_(_grid_of(found["pos_embed"], sam.config.grid))
    return sam


def _plain(name: str) -> str:
    return re.sub(r"^(module|model|encoder|vit|image_encoder)\.(?=.*)", "", name)


def _official_names(given: Tensors) -> dict[str, torch.Tensor]:
    """timm's or the transformers library's names to those of the image encoder."""
    renamed = {}
    for name, tensor in given.items():
        name = re.sub(r"^(encoder\.)?(layer|layers)\.(\d+)\.", r"blocks.\3.", name)
        for pattern, official in _RENAMED:
            name = re.sub(pattern, official, name)
        renamed[name] = tensor
    for block in {m[1] for name in renamed if (m := re.match(r"(blocks\.\d+)\.attn\.q\.", name))}:
        for kind in ("weight", "bias"):
            parts = [renamed.pop(f"{block}.attn.{part}.{kind}") for part in "qkv"]
            renamed[f"{block}.attn.qkv.{kind}"] = torch.cat(parts)
    return renamed


_RENAMED = (
    (r"^embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
    (r"^embeddings\.position_embeddings", "pos_embed"),
    (r"\.attention\.(attention\.)?(query|q_proj)\.", ".attn.q."),
    (r"\.attention\.(attention\.)?(key|k_proj)\.", ".attn.k."),
    (r"\.attention\.(attention\.)?(value|v_proj)\.", ".attn.v."),
    (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.intermediate\.dense\.", ".mlp.lin1."),
    (r"(blocks\.\d+)\.output\.dense\.", r"\1.mlp.lin2."),
    (r"\.mlp\.fc", ".mlp.lin"),
)


def _grid_of(positions: torch.Tensor, grid: int) -> torch.Tensor:
    """(1, n or 1 + n, C) position embedding, n a square number, to (1, grid, grid, C)."""
    side = int(positions.shape[1] ** 0.5)
    square = positions[:, positions.shape[1] - side**2 :].unflatten(1, (side, side))
    return resized_positions(square, grid)


def resized_positions(positions: torch.Tensor, grid: int) -> torch.Tensor:
    """(1, h, w, C) position embedding to (1, grid, grid, C), bicubic."""
    if positions.shape[1:3] == (grid, grid):
        return positions
    channels_first = positions.float().permute(0, 3, 1, 2)
    out = F.interpolate(channels_first, (grid, grid), mode="bicubic", align_corners=False)
    return out.permute(0, 2, 3, 1).to(positions.dtype)


@torch.no_grad()
def resized(sam: Sam, image_size: int) -> Sam:
    """The same SAM for another input size, a multiple of its patches, ready for fine-tuning.

    The position embedding and the relative positions of the blocks with global attention are
    interpolated; windows stay as they are. Raises ValueError for a size that is no multiple.
    """
    if image_size % sam.config.patch_size or image_size < sam.config.patch_size:
        raise ValueError(
            f"image_size is a multiple of the patch size {sam.config.patch_size}, got {image_size}"
        )
    config = replace(sam.config, image_size=image_size)
    tensors = dict(sam.state_dict())
    key = "image_encoder.pos_embed"
    tensors[key] = resized_positions(tensors[key], config.grid)
    for block in config.global_blocks:
        for axis in "hw":
            name = f"image_encoder.blocks.{block}.attn.rel_pos_{axis}"
            table = tensors[name].float().T[None]
            longer = F.interpolate(table, 2 * config.grid - 1, mode="linear", align_corners=True)
            tensors[name] = longer[0].T.to(tensors[name].dtype).contiguous()
    new = Sam(config, sam.name)
    new.load_state_dict(tensors, strict=True)
    return new.to(sam.device, sam.dtype).train(sam.training)
