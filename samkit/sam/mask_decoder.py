"""The mask decoder: a two-way transformer between prompt tokens and the image (paper, app. A)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from samkit.sam.layers import LayerNorm2d, Mlp

# Prompts whose masks are enlarged together on a CPU: what lies between then stays in a core's cache.
UPSCALED_AT_ONCE = 4


@dataclass(frozen=True, eq=False)
class SharedImages:
    """I images as the transformer's first layer sees them, worked out once for all their prompts.

    cells: (I, h w, C). keys, values: (I, heads, h w, c), what tokens look at. queries: the same shape,
        what the images ask the tokens.
    """

    cells: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor
    queries: torch.Tensor


class MaskDecoder(nn.Module):
    """Prompt tokens and image embeddings to mask logits and predicted IoUs.

    width: C. num_mask_tokens: one for the single mask, the others for the multimask output.
    attention_width: channels inside the cross-attentions (half of C in all official models).
    """

    def __init__(
        self,
        width: int,
        depth: int,
        num_heads: int,
        mlp_dim: int,
        attention_width: int,
        num_mask_tokens: int,
        iou_head_depth: int,
        iou_head_hidden: int,
    ) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer(width, depth, num_heads, mlp_dim, attention_width)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(num_mask_tokens, width)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, 2, 2),
            LayerNorm2d(width // 4),
            nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, 2, 2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            DeepMlp(width, width, width // 8, 3) for _ in range(num_mask_tokens)
        )
        self.iou_prediction_head = DeepMlp(width, iou_head_hidden, num_mask_tokens, iou_head_depth)

    def share(self, images: torch.Tensor, positions: torch.Tensor) -> SharedImages:
        """(I, C, h, w) images, with a dense prompt that all prompts of an image have, and positions."""
        return self.transformer.layers[0].share(_cells(images), _cells(positions))  # type: ignore[operator,no-any-return]

    def forward(
        self,
        image: torch.Tensor | SharedImages,
        positions: torch.Tensor,
        sparse: torch.Tensor,
        mask_tokens: slice,
        which: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Masks (B, M, 4 h, 4 w) as logits and their predicted IoU (B, M).

        image: (B, C, h, w), each prompt's image embedding with its dense prompt added; or images that
            prompts share.
        positions: (1, C, h, w). sparse: (B, T, C) prompt tokens.
        mask_tokens: which of the mask tokens are wanted; 0 is the single mask, the rest multimask.
        which: (B,) each prompt's place among shared images.
        """
        batch, (height, width) = len(sparse), positions.shape[2:]
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(batch, -1, -1), sparse], dim=1)
        seen = image if isinstance(image, SharedImages) else _cells(image)
        tokens, pixels = self.transformer(seen, which, _cells(positions), tokens)
        iou_token, masks = tokens[:, 0], tokens[:, 1 : len(own)]
        wanted = range(len(self.output_hypernetworks_mlps))[mask_tokens]
        kernels = torch.stack(
            [self.output_hypernetworks_mlps[i](masks[:, i]) for i in wanted], dim=-1
        )
        step = UPSCALED_AT_ONCE if pixels.device.type == "cpu" else max(1, batch)
        pieces = zip(pixels.split(step), kernels.split(step), strict=True)
        logits = torch.cat([self._upscale(some) @ own for some, own in pieces])  # (B, h w 16, M)
        # The 16 are the rows and columns of the first doubling, then those of the second.
        logits = logits.view(batch, height, width, 2, 2, 2, 2, len(wanted))
        logits = logits.permute(0, 7, 1, 3, 5, 2, 4, 6).reshape(
            batch, len(wanted), 4 * height, 4 * width
        )
        return logits, self.iou_prediction_head(iou_token)[:, mask_tokens]

    def _upscale(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, h w, C) to (B, h w 16, C / 8): each cell's sixteen, one after the other.

        A transposed convolution whose stride is its size is a matrix product for each cell.
        """
        first, norm, activation, second, last = self.output_upscaling
        assert isinstance(norm, LayerNorm2d)
        pixels = activation(norm.last(_spread(pixels, first)))
        upscaled: torch.Tensor = last(_spread(pixels, second)).flatten(1, 3)
        return upscaled


def _cells(image: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) to (B, h w, C); contiguous once, or every layer would copy its input anew."""
    return image.flatten(2).transpose(1, 2).contiguous()


def _spread(x: torch.Tensor, layer: nn.Module) -> torch.Tensor:
    """(..., C) to (..., 4, D): what a 2 x 2 transposed convolution of stride 2 makes of each cell."""
    assert isinstance(layer, nn.ConvTranspose2d) and layer.bias is not None
    weight = layer.weight.permute(0, 2, 3, 1).flatten(1)  # (C, 4 D)
    spread: torch.Tensor = F.linear(x, weight.T, layer.bias.repeat(4)).unflatten(-1, (4, -1))
    return spread


class TwoWayTransformer(nn.Module):
    """Tokens attend to themselves and the image, the image attends to tokens; then tokens once more."""

    def __init__(
        self, width: int, depth: int, num_heads: int, mlp_dim: int, attention_width: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayLayer(width, num_heads, mlp_dim, attention_width, first=i == 0)
            for i in range(depth)
        )
        self.final_attn_token_to_image = Attention(width, attention_width, num_heads)
        self.norm_final_attn = nn.LayerNorm(width)

    def forward(
        self,
        image: torch.Tensor | SharedImages,
        which: torch.Tensor | None,
        positions: torch.Tensor,
        prompts: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """image (B, h w, C), its positions (1, h w, C) and prompts (B, T, C) to tokens and image."""
        first, *others = self.layers
        tokens, cells = first(prompts, image, which, prompts, positions)
        for layer in others:
            tokens, cells = layer(tokens, cells, None, prompts, positions)
        attended = self.final_attn_token_to_image(tokens + prompts, cells + positions, cells)
        return self.norm_final_attn(tokens + attended), cells


class TwoWayLayer(nn.Module):
    """Self-attention of tokens, tokens to image, MLP on tokens, image to tokens.

    Each is a residual with a layer norm behind it (eps 1e-5), except the first layer's
    self-attention: it has neither residual nor positional term, its output replaces the tokens.
    """

    def __init__(
        self, width: int, num_heads: int, mlp_dim: int, attention_width: int, first: bool
    ) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(width, width, num_heads)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_token_to_image = Attention(width, attention_width, num_heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, mlp_dim, nn.ReLU())
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = Attention(width, attention_width, num_heads)

    def share(self, cells: torch.Tensor, positions: torch.Tensor) -> SharedImages:
        """Images (I, h w, C) and positions (1, h w, C) as this layer sees them, if it is the first."""
        placed = cells + positions
        seen, asking = self.cross_attn_token_to_image, self.cross_attn_image_to_token
        return SharedImages(
            cells,
            seen.heads(seen.k_proj(placed)),
            seen.heads(seen.v_proj(cells)),
            asking.heads(asking.q_proj(placed)),
        )

    def forward(
        self,
        tokens: torch.Tensor,
        image: torch.Tensor | SharedImages,
        which: torch.Tensor | None,
        prompts: torch.Tensor,
        positions: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + prompts
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        look, ask = self.cross_attn_token_to_image, self.cross_attn_image_to_token
        if isinstance(image, SharedImages):
            looked = look.at_shared(tokens + prompts, image.keys, image.values, which)
        else:
            keys = image + positions
            looked = look(tokens + prompts, keys, image)
        tokens = self.norm2(tokens + looked)
        tokens = self.norm3(tokens + self.mlp(tokens))
        if isinstance(image, SharedImages):
            told = ask.from_shared(image.queries, which, tokens + prompts, tokens)
            image = _of_each(image.cells, which) + told
        else:
            image = image + ask(keys, tokens + prompts, tokens)
        return tokens, self.norm4(image)


def _of_each(images: torch.Tensor, which: torch.Tensor | None) -> torch.Tensor:
    """(I, ...) to (B, ...), or to (1, ...) that broadcasts where there is one image."""
    return images if len(images) == 1 or which is None else images[which]


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than its inputs'.

    Between an image's thousands of cells and a prompt's handful of tokens the cells are not projected:
    their projections are linear, so they are applied to the tokens instead, which gives the same
    numbers up to rounding at half the work.
    """

    def __init__(self, width: int, inner_width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(width, inner_width)
        self.k_proj = nn.Linear(width, inner_width)
        self.v_proj = nn.Linear(width, inner_width)
        self.out_proj = nn.Linear(inner_width, width)

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """(B, n, C) queries, (B, m, C) keys and values to (B, n, C)."""
        few, many = sorted((q.shape[1], k.shape[1]))
        if few * self.num_heads < min(many, self.q_proj.out_features):
            return self._of_few(q, k, v) if q.shape[1] == few else self._of_many(q, k, v)
        queries, keys, values = (
            self.heads(project(x))
            for project, x in ((self.q_proj, q), (self.k_proj, k), (self.v_proj, v))
        )
        if few == many or q.shape[1] == few or q.device.type != "cpu":
            heads = F.scaled_dot_product_attention(queries, keys, values)
            mixed: torch.Tensor = self.out_proj(_side_by_side(heads))
            return mixed
        # Cells along the rows here too: on a CPU a softmax over a handful of neighbours is slow.
        weights = ((keys * self._scale) @ queries.transpose(2, 3)).softmax(dim=2)
        along_rows = (values.transpose(2, 3) @ weights).flatten(1, 2)  # (B, inner width, m)
        out = self.out_proj
        return torch.baddbmm(
            out.bias, along_rows.transpose(1, 2), out.weight.T.expand(len(q), -1, -1)
        )

    def _of_few(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Tokens look at the image. The keys' bias adds the same to all of a query's logits: no change."""
        heads = self.heads(self.q_proj(q)) * self._scale
        looked_for = heads @ self._split(self.k_proj.weight)  # (B, heads, n, C)
        logits = looked_for.flatten(1, 2) @ k.transpose(1, 2)
        seen = (logits.softmax(dim=-1) @ v).view(looked_for.shape)
        values = seen @ self._split(self.v_proj.weight).transpose(1, 2)
        mixed: torch.Tensor = self.out_proj(_side_by_side(values) + self.v_proj.bias)
        return mixed

    def _of_many(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """The image looks at tokens. Its cells stand along the rows, which is quick on a CPU."""
        keys = self.heads(self.k_proj(k)) * self._scale
        looked_for = keys @ self._split(self.q_proj.weight)  # (B, heads, m, C)
        bias = keys @ self._split(self.q_proj.bias[:, None])  # (B, heads, m, 1)
        logits = torch.baddbmm(bias.flatten(1, 2), looked_for.flatten(1, 2), q.transpose(1, 2))
        weights = logits.view(*keys.shape[:3], -1).softmax(dim=2).flatten(1, 2)
        return weights.transpose(1, 2) @ self._given(v)

    def at_shared(
        self, q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, which: torch.Tensor | None
    ) -> torch.Tensor:
        """Tokens (B, n, C) look at images whose (I, heads, m, c) keys and values are there already."""
        heads = self.heads(self.q_proj(q)) * self._scale
        keys, values = _of_each(keys, which), _of_each(values, which)
        rows = _joined(heads, len(keys))
        seen = (rows @ keys.transpose(2, 3)).softmax(dim=-1) @ values
        mixed: torch.Tensor = self.out_proj(_side_by_side(_parted(seen, heads)))
        return mixed

    def from_shared(
        self, queries: torch.Tensor, which: torch.Tensor | None, k: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """Images whose (I, heads, m, c) queries are there already look at tokens (B, n, C)."""
        keys, queries = self.heads(self.k_proj(k)) * self._scale, _of_each(queries, which)
        logits = _joined(keys, len(queries)) @ queries.transpose(2, 3)
        weights = _parted(logits, keys).softmax(dim=2).flatten(1, 2)  # (B, heads n, m)
        return weights.transpose(1, 2) @ self._given(v)

    def _given(self, v: torch.Tensor) -> torch.Tensor:
        """(B, heads n, C): what each token gives each head's share of the output.

        A head's weights sum to 1, so its share of the biases comes out once.
        """
        given = self.heads(self.v_proj(v)) @ self._split(self.out_proj.weight.T)
        return (given + self.out_proj.bias / self.num_heads).flatten(1, 2)

    @property
    def _scale(self) -> float:
        return float((self.q_proj.out_features // self.num_heads) ** -0.5)

    def heads(self, x: torch.Tensor) -> torch.Tensor:
        """(B, n, inner width) to (B, heads, n, inner width / heads)."""
        heads: torch.Tensor = x.unflatten(-1, (self.num_heads, -1))
        return heads.transpose(1, 2)

    def _split(self, weight: torch.Tensor) -> torch.Tensor:
        """(inner width, C) to (heads, inner width / heads, C)."""
        heads: torch.Tensor = weight.unflatten(0, (self.num_heads, -1))
        return heads


def _joined(heads: torch.Tensor, images: int) -> torch.Tensor:
    """(B, heads, n, c) as it is, or with one image (1, heads, B n, c): one product for all prompts."""
    return heads if images > 1 else heads.transpose(0, 1).flatten(1, 2)[None]


def _parted(rows: torch.Tensor, heads: torch.Tensor) -> torch.Tensor:
    """Back to (B, heads, n, ...), the first three sizes of `heads`."""
    batch, _, count = heads.shape[:3]
    return rows if len(rows) == batch > 1 else rows[0].unflatten(1, (batch, count)).transpose(0, 1)


def _side_by_side(heads: torch.Tensor) -> torch.Tensor:
    """(B, heads, n, c) to (B, n, heads * c)."""
    return heads.transpose(1, 2).flatten(2)


class DeepMlp(nn.Module):
    """`depth` linear layers with ReLU between them."""

    def __init__(self, width: int, hidden: int, out: int, depth: int) -> None:
        super().__init__()
        sizes = [width, *[hidden] * (depth - 1), out]
        self.layers = nn.ModuleList(map(nn.Linear, sizes[:-1], sizes[1:]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        out: torch.Tensor = self.layers[-1](x)
        return out
