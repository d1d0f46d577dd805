"""Drop path and dropout, put onto a model from outside: its tensors and its answers stay official."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from samkit.sam.image_encoder import Block
from samkit.sam.layers import Mlp
from samkit.sam.mask_decoder import Attention
from samkit.sam.model import Sam


def regularise(sam: Sam, drop_path: float = 0.0, dropout: float = 0.0) -> None:
    """From now on, while `sam.training`, residual branches are dropped at random.

    drop_path: share of images for which the last encoder block's attention or MLP is skipped; it
        rises linearly from 0 at the first block (Huang et al. 2016; paper, app. A: 0.4 for ViT-H).
    dropout: share of numbers set to 0 in what the decoder's attentions and MLPs give (paper: 0.1).

    Hooks only: `sam.eval()` switches all off, and no tensor is added. Raises ValueError unless both
    are at least 0 and below 1.
    """
    if not (0 <= drop_path < 1 and 0 <= dropout < 1):
        raise ValueError(f"drop_path and dropout are in [0, 1), got {drop_path} and {dropout}")
    depth = sam.config.depth
    for number, block in enumerate(sam.image_encoder.blocks):
        assert isinstance(block, Block)
        if rate := drop_path * number / max(1, depth - 1):
            block.attn.register_forward_hook(_path_dropper(rate))
            block.mlp.register_forward_hook(_path_dropper(rate))
    if dropout:
        for layer in sam.mask_decoder.transformer.modules():
            if isinstance(layer, Attention | Mlp):
                layer.register_forward_hook(_number_dropper(dropout))


Hook = Callable[[nn.Module, Any, torch.Tensor], torch.Tensor]


def _path_dropper(rate: float) -> Hook:
    def hook(module: nn.Module, _: Any, out: torch.Tensor) -> torch.Tensor:
        if not module.training:
            return out
        kept = torch.rand(len(out), device=out.device) >= rate
        factors = (kept / (1 - rate)).to(out.dtype)
        return out * factors.view(-1, *[1] * (out.ndim - 1))

    return hook


def _number_dropper(rate: float) -> Hook:
    return lambda module, _, out: F.dropout(out, rate, module.training)
