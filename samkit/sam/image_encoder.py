"""The image encoder: a plain vision transformer with windowed and global attention (paper, app. A)."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import nn

from samkit.sam.layers import LayerNorm2d, Mlp

# Logits of the attention that exist together: on a CPU what its cache holds (16 MB).
LOGITS_AT_ONCE = {"cpu": 1 << 22, "cuda": 1 << 30}


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
        # Contiguous, or every layer norm and residual to come would turn it again.
        x = self.patch_embed["proj"](pixels).permute(0, 2, 3, 1).contiguous() + self.pos_embed
        for block in self.blocks:
            x = block(x)
        embeddings: torch.Tensor = self.neck(x.permute(0, 3, 1, 2))
        return embeddings


class Block(nn.Module):
    """Attention and MLP, each behind a layer norm and a residual, on (B, H, W, C) tokens."""

    def __init__(self, width: int, num_heads: int, mlp_dim: int, grid: int, window: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = RelativeAttention(width, num_heads, grid, window)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, mlp_dim, nn.GELU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        out: torch.Tensor = x + self.mlp(self.norm2(x))
        return out


class RelativeAttention(nn.Module):
    """Self-attention with decomposed relative positions, over a square of tokens.

    grid: side of the whole. window: side of the windows within which tokens attend; 0 for no windows.

    The logit of query (qh, qw) and key (kh, kw) is q.k / sqrt(d) + q.Rh[qh - kh] + q.Rw[qw - kw];
    the two position terms use the unscaled query.
    """

    def __init__(self, width: int, num_heads: int, grid: int, window: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.window = window
        side = window or grid
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, width // num_heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, width // num_heads))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, W, C) tokens to the same.

        Windows that reach over the edge see zeros there, which are attended to like any token, as in
        the official code. All of them have the same query, key and value: they are worked out once.
        """
        batch, height, width, channels = x.shape
        tokens, window = x.flatten(1, 2), self.window
        if not window:
            mixed = self._attend(self.qkv(tokens), height, width)
        else:
            places = window_places(height, width, window, x.device)
            qkv = self.qkv(F.pad(tokens, (0, 0, 0, 1))).index_select(1, places.flatten())
            mixed = self._attend(qkv.view(batch * len(places), window**2, -1), window, window)
            back = places.flatten().argsort()[: height * width]
            mixed = mixed.view(batch, -1, channels).index_select(1, back)
        out: torch.Tensor = self.proj(mixed)
        return out.view(x.shape)

    def _attend(self, qkv: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """(B, height * width, 3 C) queries, keys and values to (B, height * width, C)."""
        batch, tokens, _ = qkv.shape
        q, k, v = qkv.view(batch, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        q = q.unflatten(2, (height, width))
        # Contiguous, or their sum would have to be copied: of all tensors here by far the largest.
        rel_h = torch.einsum("bnhwc,hkc->bnhwk", q, _table(self.rel_pos_h, height)).contiguous()
        rel_w = torch.einsum("bnhwc,wkc->bnhwk", q, _table(self.rel_pos_w, width)).contiguous()
        limit = LOGITS_AT_ONCE.get(qkv.device.type, 1 << 28)
        row = batch * width * tokens
        heads = []
        for n in _slices(self.num_heads, limit // (height * row)):
            rows = []
            for h in _slices(height, limit // row):
                bias = rel_h[:, n, h, :, :, None] + rel_w[:, n, h, :, None, :]
                mask = bias.flatten(4).flatten(2, 3)
                asked = q[:, n, h].flatten(2, 3)
                rows.append(F.scaled_dot_product_attention(asked, k[:, n], v[:, n], mask))
            heads.append(torch.cat(rows, dim=2))
        return torch.cat(heads, dim=1).transpose(1, 2).flatten(2)


def _slices(length: int, step: int) -> list[slice]:
    step = max(1, step)
    return [slice(start, start + step) for start in range(0, length, step)]


def _table(rel_pos: torch.Tensor, side: int) -> torch.Tensor:
    """(side, side, d): the relative position embedding of each query and key coordinate."""
    index = torch.arange(side, device=rel_pos.device)
    return rel_pos[index[:, None] - index[None, :] + side - 1]


def window_places(height: int, width: int, window: int, device: torch.device) -> torch.Tensor:
    """(windows, window * window): which token stands where; `height * width` where there is none.

    >>> window_places(2, 3, 2, torch.device("cpu")).tolist()
    [[0, 1, 3, 4], [2, 6, 5, 6]]
    """
    tokens = torch.arange(height * width, device=device).view(1, height, width)
    right, bottom = -width % window, -height % window
    tokens = F.pad(tokens, (0, right, 0, bottom), value=height * width)[0]
    return tokens.unfold(0, window, window).unfold(1, window, window).flatten(2).flatten(0, 1)
