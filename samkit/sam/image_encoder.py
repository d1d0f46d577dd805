"""The image encoder: a plain vision transformer with windowed and global attention (paper, app. A)."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import nn

from samkit.sam.layers import LayerNorm2d, Mlp


class ImageEncoder(nn.Module):
    """(B, 3, S, S) normalised pixels to (B, out_channels, S / patch, S / patch) image embeddings.

    Blocks whose index is in `global_blocks` attend to all tokens, the others within windows of
    `window_size` tokens a side.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        width: int,
        depth: int,
        num_heads: int,
        mlp_dim: int,
        window_size: int,
        global_blocks: Collection[int],
        out_channels: int,
    ) -> None:
        super().__init__()
        grid = image_size // patch_size
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch_size, patch_size)})
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, width))
        self.blocks = nn.ModuleList(
            Block(width, num_heads, mlp_dim, grid, 0 if i in global_blocks else window_size)
            for i in range(depth)
        )
        self.neck = nn.Sequential(
            nn.Conv2d(width, out_channels, 1, bias=False),
            LayerNorm2d(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            LayerNorm2d(out_channels),
        )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.patch_embed["proj"](pixels).permute(0, 2, 3, 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        embeddings: torch.Tensor = self.neck(x.permute(0, 3, 1, 2))
        return embeddings


class Block(nn.Module):
    """Attention and MLP, each behind a layer norm and a residual, on (B, H, W, C) tokens."""

    def __init__(self, width: int, num_heads: int, mlp_dim: int, grid: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = RelativeAttention(width, num_heads, window or grid)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, mlp_dim, nn.GELU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm1(x)
        if self.window:
            windows, padded_size = to_windows(y, self.window)
            y = from_windows(self.attn(windows), self.window, padded_size, x.shape[1:3])
        else:
            y = self.attn(y)
        x = x + y
        out: torch.Tensor = x + self.mlp(self.norm2(x))
        return out


class RelativeAttention(nn.Module):
    """Self-attention over a square of `side` x `side` tokens with decomposed relative positions.

    The logit of query (qh, qw) and key (kh, kw) is q.k / sqrt(d) + q.Rh[qh - kh] + q.Rw[qw - kw];
    the two position terms use the unscaled query.
    """

    def __init__(self, width: int, num_heads: int, side: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, width // num_heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, width // num_heads))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, height, width, channels = x.shape
        tokens = height * width
        qkv = self.qkv(x).view(batch, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)  # each (batch, heads, tokens, head width)
        grid = q.reshape(batch, self.num_heads, height, width, -1)
        rel_h = torch.einsum("bnhwc,hkc->bnhwk", grid, _table(self.rel_pos_h, height))
        rel_w = torch.einsum("bnhwc,wkc->bnhwk", grid, _table(self.rel_pos_w, width))
        bias = (rel_h[..., :, None] + rel_w[..., None, :]).reshape(
            batch, self.num_heads, tokens, tokens
        )
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        mixed: torch.Tensor = self.proj(out.transpose(1, 2).reshape(batch, height, width, channels))
        return mixed


def _table(rel_pos: torch.Tensor, side: int) -> torch.Tensor:
    """(side, side, d): the relative position embedding of each query and key coordinate."""
    index = torch.arange(side, device=rel_pos.device)
    return rel_pos[index[:, None] - index[None, :] + side - 1]


def to_windows(x: torch.Tensor, window: int) -> tuple[torch.Tensor, tuple[int, int]]:
    """(B, H, W, C) to (B * windows, window, window, C), zero-padded at the bottom and right.

    The padding comes after the norm and is attended to like any token, as in the official code.
    """
    batch, height, width, channels = x.shape
    x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
    height, width = x.shape[1:3]
    x = x.view(batch, height // window, window, width // window, window, channels)
    return x.transpose(2, 3).reshape(-1, window, window, channels), (height, width)


def from_windows(
    windows: torch.Tensor, window: int, padded_size: tuple[int, int], size: torch.Size
) -> torch.Tensor:
    """What `to_windows` did, undone: (B, H, W, C) without the padding."""
    height, width = padded_size
    channels = windows.shape[-1]
    x = windows.view(-1, height // window, width // window, window, window, channels)
    x = x.transpose(2, 3).reshape(-1, height, width, channels)
    return x[:, : size[0], : size[1]]
