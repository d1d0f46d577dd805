"""The prompt encoder: points, boxes and masks to the decoder's width (paper, app. A)."""

import math

import torch
from torch import nn

from samkit.sam.layers import LayerNorm2d

# Row of `point_embeddings` for each kind of point; -1 marks "not a point".
BACKGROUND, FOREGROUND, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT, NOT_A_POINT = 0, 1, 2, 3, -1


class PromptEncoder(nn.Module):
    """Sparse tokens from points and box corners, dense embeddings from low-resolution masks.

    width: C, channels of tokens and image embedding. image_size: side of the model's square, pixels.
    grid: side of the image embedding. mask_channels: channels inside the mask branch.
    """

    def __init__(self, width: int, image_size: int, grid: int, mask_channels: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.grid = grid
        self.pe_layer = PositionalEncoding(width)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, width) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, width)
        self.no_mask_embed = nn.Embedding(1, width)
        quarter = mask_channels // 4
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, quarter, 2, 2),
            LayerNorm2d(quarter),
            nn.GELU(),
            nn.Conv2d(quarter, mask_channels, 2, 2),
            LayerNorm2d(mask_channels),
            nn.GELU(),
            nn.Conv2d(mask_channels, width, 1),
        )

    def embed_points(self, xy: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
        """(B, P, 2) float32 pixels of the model's square and (B, P) kinds to (B, P, C) tokens.

        Half a pixel is added to every coordinate, points and box corners alike.
        """
        table = torch.cat(list(self.point_embeddings.parameters()))
        table = torch.cat([table, self.not_a_point_embed.weight])  # row -1
        where = self.pe_layer((xy + 0.5) / self.image_size).to(table.dtype)
        return torch.where((kinds == NOT_A_POINT)[..., None], 0, where) + table[kinds]

    def embed_masks(self, logits: torch.Tensor) -> torch.Tensor:
        """(B, 1, 4 grid, 4 grid) low-resolution logits to (B, C, grid, grid)."""
        embedded: torch.Tensor = self.mask_downscaling(logits)
        return embedded

    def embed_no_mask(self) -> torch.Tensor:
        """(1, C, 1, 1), what stands at every place where no mask is given."""
        return self.no_mask_embed.weight[:, :, None, None]

    def dense_positions(self) -> torch.Tensor:
        """(1, C, grid, grid) positional encoding of the image embedding's cells."""
        centres = (torch.arange(self.grid, device=self.pe_layer.device) + 0.5) / self.grid
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        encoded: torch.Tensor = self.pe_layer(torch.stack([x, y], dim=-1))
        return encoded.permute(2, 0, 1)[None].to(self.no_mask_embed.weight.dtype)


class PositionalEncoding(nn.Module):
    """Random Fourier features of places; always worked out in float32, whatever the model's dtype."""

    positional_encoding_gaussian_matrix: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, width // 2))

    @property
    def device(self) -> torch.device:
        return self.positional_encoding_gaussian_matrix.device

    def forward(self, places: torch.Tensor) -> torch.Tensor:
        """(..., 2) xy in [0, 1] to (..., C) float32."""
        angles: torch.Tensor = (2 * places - 1) @ self.positional_encoding_gaussian_matrix.float()
        angles = 2 * math.pi * angles
        return torch.cat([angles.sin(), angles.cos()], dim=-1)
