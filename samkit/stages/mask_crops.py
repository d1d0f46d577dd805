"""What stages share that look at masks one by one: square crops of many pictures, a few at a time."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.square_crops import Crop, square_crop
from samkit.types import Masks

# Crops that exist at one time: 22 MB of CLIP's largest inputs.
CROPS_AT_ONCE = 64
Images = Sequence[NDArray[np.uint8]]


def mask_crops(
    image: NDArray[np.uint8], masks: Masks, side: int, crop: Crop
) -> Iterator[NDArray[np.uint8]]:
    """(side, side, 3) uint8 around each mask; around an empty one, the picture's first pixel."""
    run_lengths = masks.rle()
    boxes = masks.replace(run_lengths=tuple(run_lengths), logits=None).boxes()
    boxes[:, 2:] += 1  # boxes of masks name the last pixel, crops end behind it
    for box, one in zip(boxes, run_lengths, strict=True):
        pixels = rle.decode([one])[0] if crop.masked else None
        yield square_crop(image, box, side, crop.context, pixels)


def in_batches(
    crops: Iterator[NDArray[np.uint8]], embed: Callable[[Images], torch.Tensor]
) -> torch.Tensor | None:
    """Embeddings (N, D) of all crops, made of a bounded number at a time; None for no crops."""
    parts, waiting = [], []
    for crop in crops:
        waiting.append(crop)
        if len(waiting) == CROPS_AT_ONCE:
            parts.append(embed(waiting))
            waiting = []
    if waiting:
        parts.append(embed(waiting))
    return torch.cat(parts) if parts else None
