"""What every cell of a picture can teach the image encoder, beyond the few masks a step asks for.

Not in the paper, which had eleven million pictures. From nothing, on few pictures and little time, the
decoder soon learns to fill a box from its corners alone, and then hardly any gradient asks the encoder
what is in the picture. So a small head, thrown away afterwards, reads from each image embedding where
the outlines are and how far the object at each place reaches in four directions (as FCOS does, Tian
et al. 2019). Measured in docs/training.md.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

CELLS, CELL_PIXELS = 4, 4  # per side of a token, and of a cell: as fine as low-resolution logits
START = 24.0  # pixels that the head answers where it answers 0: half the side of a usual object
# Channels of targets: distances to left, top, right, bottom in the smallest object at a place, the
# same in the largest, the outline; then where the distances and where the outline are known.
PART, WHOLE, OUTLINE, INSIDE, KNOWN = slice(0, 4), slice(4, 8), 8, 9, 10


def dense_targets(masks: NDArray[np.bool_], side: int, complete: bool) -> NDArray[np.float32]:
    """(11, side, side) of (N, S, S) masks in a square of S pixels, S a multiple of `side`.

    complete: whether every object has its mask. Where not, a place without one is unknown, not empty.
    """
    size = masks.shape[1]
    cell = size // side
    assert cell * side == size, f"{size} pixels are no multiple of {side} cells"
    targets = np.zeros((11, side, side), dtype=np.float32)
    centres = np.arange(side) * cell + (cell - 1) / 2
    outline = np.zeros((size, size), dtype=bool)
    areas = masks.sum(axis=(1, 2))
    for mask in masks[np.argsort(-areas, kind="stable")]:  # the smallest comes last and wins
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            continue
        outline[1:] |= mask[1:] != mask[:-1]
        outline[:, 1:] |= mask[:, 1:] != mask[:, :-1]
        reach = np.stack(
            np.broadcast_arrays(
                centres[None] - columns[0] + 0.5,
                centres[:, None] - rows[0] + 0.5,
                columns[-1] - centres[None] + 0.5,
                rows[-1] - centres[:, None] + 0.5,
            )
        )
        here = mask[cell // 2 :: cell, cell // 2 :: cell]
        first = here & (targets[INSIDE] == 0)
        targets[WHOLE][:, first] = reach[:, first]
        targets[PART][:, here] = reach[:, here]
        targets[INSIDE][here] = 1
    cells = (side, cell, side, cell)
    targets[OUTLINE] = outline.reshape(cells).any(axis=(1, 3))
    covered = np.asarray(masks.any(axis=0))
    inside = covered.reshape(cells).all(axis=(1, 3))
    targets[KNOWN] = 1 if complete else np.maximum(targets[OUTLINE], inside)
    return targets


class DenseHead(nn.Module):
    """(I, C, grid, grid) image embeddings to (I, 9, 4 grid, 4 grid): two sets of reaches, outlines."""

    def __init__(self, channels: int, hidden: int = 192) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(channels, hidden, 1)
        self.out = nn.Conv2d(hidden, 9 * CELLS**2, 1)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return F.pixel_shuffle(self.out(F.gelu(self.hidden(embeddings))), CELLS)


def dense_loss(predicted: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean of -log IoU of the boxes told, half, plus twice the cross-entropy of the outlines.

    predicted: (I, 9, h, w) of `DenseHead`. targets: (I, 11, h, w).
    """
    inside, known = targets[:, INSIDE], targets[:, KNOWN]
    boxes = predicted.new_zeros(())
    for part in (PART, WHOLE):
        overlap = _box_iou(START * predicted[:, part].clamp(-5, 3).exp(), targets[:, part])
        boxes = boxes - (overlap.log() * inside).sum() / inside.sum().clamp(min=1) / 2
    outline = targets[:, OUTLINE]
    weight = known * (1 + 2 * outline)  # outlines are rare
    edges = F.binary_cross_entropy_with_logits(
        predicted[:, OUTLINE], outline, weight=weight, reduction="sum"
    )
    return 0.5 * boxes + 2 * edges / known.sum().clamp(min=1)


def _box_iou(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(I, h, w) IoU of boxes told by their reaches (I, 4, h, w) from a place inside both."""
    other = other.clamp(min=0.1)
    least = torch.minimum(one, other)
    both = (least[:, 0] + least[:, 2]) * (least[:, 1] + least[:, 3])
    areas = [(r[:, 0] + r[:, 2]) * (r[:, 1] + r[:, 3]) for r in (one, other)]
    return (both / (areas[0] + areas[1] - both)).clamp(min=1e-4)
