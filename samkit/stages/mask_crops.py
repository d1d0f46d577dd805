"""What stages share that look at masks one by one: square crops of many pictures, a few at a time."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.ops.square_crops import Crop, covered_cells, square_crop, with_mask
from samkit.types import Masks

# Crops that exist at one time: 22 MB of CLIP's largest inputs.
CROPS_AT_ONCE = 64
Pixels = NDArray[np.uint8]
Patches = NDArray[np.bool_]
# Two lists of the same length, or no patches at all.
Embed = Callable[[Sequence[Pixels], Sequence[Patches] | None], torch.Tensor]


def mask_crops(
    image: Pixels, masks: Masks, side: int, crop: Crop, grid: int = 0, seen: bool = False
) -> Iterator[tuple[Pixels, Patches | None]]:
    """(side, side, 3) uint8 around each mask; around an empty one, the picture's first pixel.

    seen: (side, side, 4), the mask last, for a CLIP that sees masks. With `crop.masked_attention` also
    the mask's patches, (grid, grid) bool; else None.
    """
    run_lengths = masks.rle()
    boxes = masks.replace(run_lengths=tuple(run_lengths), logits=None).outer_boxes()
    for box, one in zip(boxes, run_lengths, strict=True):
        alone = one if crop.masked else None
        cut = square_crop(image, box, side, crop.context, alone, crop.outside)
        cut = with_mask(cut, one, box, crop.context) if seen else cut
        inside = covered_cells(one, box, grid, crop.context) if crop.masked_attention else None
        yield cut, inside


def in_batches(crops: Iterator[tuple[Pixels, Patches | None]], embed: Embed) -> torch.Tensor | None:
    """Embeddings (N, D) of all crops, made of a bounded number at a time; None for no crops."""
    parts = []
    while waiting := list(itertools.islice(crops, CROPS_AT_ONCE)):
        inside = [patches for _, patches in waiting if patches is not None]
        parts.append(embed([pixels for pixels, _ in waiting], inside or None))
    return torch.cat(parts) if parts else None
