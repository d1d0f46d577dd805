"""Tensor names of the transformers library's `SamModel`, as the hub's files hold them, and back.

The values are the same in both. The library keeps the matrix of positions twice, under two names.
Its decoder has 1e-6 as epsilon of layer norms where the official one has 1e-5; samkit is official.
"""

import re
from collections.abc import Mapping

import torch

Tensors = dict[str, torch.Tensor]

POSITIONS = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
HUB_POSITIONS = (
    "shared_image_embedding.positional_embedding",
    "prompt_encoder.shared_embedding.positional_embedding",
)
# Beginnings of names: the hub's and the official. The first that fits is exchanged.
PREFIXES = (
    ("vision_encoder.patch_embed.projection.", "image_encoder.patch_embed.proj."),
    ("vision_encoder.layers.", "image_encoder.blocks."),
    ("vision_encoder.neck.conv1.", "image_encoder.neck.0."),
    ("vision_encoder.neck.layer_norm1.", "image_encoder.neck.1."),
    ("vision_encoder.neck.conv2.", "image_encoder.neck.2."),
    ("vision_encoder.neck.layer_norm2.", "image_encoder.neck.3."),
    ("vision_encoder.", "image_encoder."),
    ("prompt_encoder.point_embed.", "prompt_encoder.point_embeddings."),
    ("prompt_encoder.mask_embed.conv1.", "prompt_encoder.mask_downscaling.0."),
    ("prompt_encoder.mask_embed.layer_norm1.", "prompt_encoder.mask_downscaling.1."),
    ("prompt_encoder.mask_embed.conv2.", "prompt_encoder.mask_downscaling.3."),
    ("prompt_encoder.mask_embed.layer_norm2.", "prompt_encoder.mask_downscaling.4."),
    ("prompt_encoder.mask_embed.conv3.", "prompt_encoder.mask_downscaling.6."),
    ("mask_decoder.upscale_conv1.", "mask_decoder.output_upscaling.0."),
    ("mask_decoder.upscale_layer_norm.", "mask_decoder.output_upscaling.1."),
    ("mask_decoder.upscale_conv2.", "mask_decoder.output_upscaling.3."),
)
# The decoder's deep MLPs: proj_in, layers.0 .. layers.(n - 3), proj_out to layers.0 .. layers.(n - 1).
_MLP = re.compile(
    r"(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head)\.)"
    r"(proj_in|proj_out|layers\.\d+)(\.(?:weight|bias))"
)


def official_names(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """The same tensors under the official names, whichever of the two they come under.

    Names that belong to neither stay as they are. Raises ValueError where the two copies of the
    matrix of positions differ.
    """
    if not any(name.startswith("vision_encoder.") for name in tensors):
        return dict(tensors)
    positions = [tensors[name] for name in HUB_POSITIONS if name in tensors]
    # Sparse ones cannot be compared; `build_sam` refuses them by name.
    plain = all(tensor.layout == torch.strided for tensor in positions)
    if len(positions) == 2 and plain and not torch.equal(*positions):
        raise ValueError(f"{HUB_POSITIONS[0]} and {HUB_POSITIONS[1]} differ; a SAM has one matrix")
    lengths = _mlp_lengths(tensors)
    named = {POSITIONS: positions[0]} if positions else {}
    for name, tensor in tensors.items():
        if name in HUB_POSITIONS:
            continue
        if mlp := _MLP.fullmatch(name):
            place = {"proj_in": 0, "proj_out": lengths[mlp[1]] - 1}.get(mlp[2])
            place = int(mlp[2].removeprefix("layers.")) + 1 if place is None else place
            name = f"{mlp[1]}layers.{place}{mlp[3]}"
        named[_exchange(name, ".layer_norm", ".norm", PREFIXES)] = tensor
    return named


def hub_names(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Tensors under the official names as `transformers.SamModel.load_state_dict` takes them.

    >>> sorted(hub_names({POSITIONS: torch.zeros(2, 1)}))
    ['prompt_encoder.shared_embedding.positional_embedding', 'shared_image_embedding.positional_embedding']
    """
    lengths = _mlp_lengths(tensors)
    reverse = tuple((official, hub) for hub, official in PREFIXES)
    named: Tensors = {}
    for name, tensor in tensors.items():
        if name == POSITIONS:
            # Copies of their own: safetensors refuses two names for one memory.
            named.update({hub: tensor.clone() for hub in HUB_POSITIONS})
            continue
        if mlp := _MLP.fullmatch(name):
            place, last = int(mlp[2].removeprefix("layers.")), lengths[mlp[1]] - 1
            layer = {0: "proj_in", last: "proj_out"}.get(place, f"layers.{place - 1}")
            name = f"{mlp[1]}{layer}{mlp[3]}"
        named[_exchange(name, ".norm", ".layer_norm", reverse)] = tensor
    return named


def _mlp_lengths(tensors: Mapping[str, torch.Tensor]) -> dict[str, int]:
    """How many layers each of the decoder's deep MLPs has."""
    lengths: dict[str, int] = {}
    for mlp in filter(None, map(_MLP.fullmatch, tensors)):
        if mlp[3] == ".weight":
            lengths[mlp[1]] = lengths.get(mlp[1], 0) + 1
    return lengths


def _exchange(name: str, norm: str, new_norm: str, prefixes: tuple[tuple[str, str], ...]) -> str:
    for old, new in prefixes:
        if name.startswith(old):
            name = new + name.removeprefix(old)
            break
    # What the prefixes leave are the norms of blocks and of the decoder's layers.
    return name.replace(norm, new_norm)
