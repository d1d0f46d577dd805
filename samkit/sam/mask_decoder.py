"""The mask decoder: a two-way transformer between prompt tokens and the image (paper, app. A)."""

import torch
import torch.nn.functional as F
from torch import nn

from samkit.sam.layers import LayerNorm2d, Mlp


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

    def forward(
        self,
        image: torch.Tensor,
        positions: torch.Tensor,
        sparse: torch.Tensor,
        mask_tokens: slice,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Masks (B, M, 4 h, 4 w) as logits and their predicted IoU (B, M).

        image: (B, C, h, w), each prompt's image embedding with its dense prompt added.
        positions: (1, C, h, w). sparse: (B, T, C) prompt tokens.
        mask_tokens: which of the mask tokens are wanted; 0 is the single mask, the rest multimask.
        """
        batch, channels, height, width = image.shape
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(batch, -1, -1), sparse], dim=1)
        tokens, pixels = self.transformer(
            image.flatten(2).transpose(1, 2), positions.flatten(2).transpose(1, 2), tokens
        )
        iou_token, masks = tokens[:, 0], tokens[:, 1 : len(own)]
        image = pixels.transpose(1, 2).view(batch, channels, height, width)
        upscaled = self.output_upscaling(image)
        wanted = range(len(self.output_hypernetworks_mlps))[mask_tokens]
        kernels = torch.stack(
            [self.output_hypernetworks_mlps[i](masks[:, i]) for i in wanted], dim=1
        )
        logits = (kernels @ upscaled.flatten(2)).reshape(batch, len(wanted), *upscaled.shape[2:])
        return logits, self.iou_prediction_head(iou_token)[:, mask_tokens]


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
        self, image: torch.Tensor, positions: torch.Tensor, prompts: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """image (B, h w, C), its positions (1, h w, C) and prompts (B, T, C) to tokens and image."""
        tokens = prompts
        for layer in self.layers:
            tokens, image = layer(tokens, image, prompts, positions)
        attended = self.final_attn_token_to_image(tokens + prompts, image + positions, image)
        return self.norm_final_attn(tokens + attended), image


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

    def forward(
        self,
        tokens: torch.Tensor,
        image: torch.Tensor,
        prompts: torch.Tensor,
        positions: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + prompts
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        keys = image + positions
        tokens = tokens + self.cross_attn_token_to_image(tokens + prompts, keys, image)
        tokens = self.norm2(tokens)
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = image + self.cross_attn_image_to_token(keys, tokens + prompts, tokens)
        return tokens, self.norm4(image)


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than its inputs'."""

    def __init__(self, width: int, inner_width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(width, inner_width)
        self.k_proj = nn.Linear(width, inner_width)
        self.v_proj = nn.Linear(width, inner_width)
        self.out_proj = nn.Linear(inner_width, width)

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        out = F.scaled_dot_product_attention(
            self._heads(self.q_proj(q)), self._heads(self.k_proj(k)), self._heads(self.v_proj(v))
        )
        mixed: torch.Tensor = self.out_proj(out.transpose(1, 2).flatten(2))
        return mixed

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        heads: torch.Tensor = x.unflatten(-1, (self.num_heads, -1))
        return heads.transpose(1, 2)


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
