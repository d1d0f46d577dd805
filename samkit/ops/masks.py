"""Low-resolution logits to full-size pixels, and what is read off masks."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

Size = tuple[int, int]


def upscale_logits(
    logits: torch.Tensor, model_size: int, resized_size: Size, crop_size: Size
) -> torch.Tensor:
    """(N, h, w) low-resolution logits to (N, *crop_size) float32 logits, exactly as the official code.

    Two bilinear enlargements: to the model's square, where the padding is cut off, then to the image.
    """
    square = F.interpolate(
        logits[:, None].float(), (model_size, model_size), mode="bilinear", align_corners=False
    )
    visible = square[..., : resized_size[0], : resized_size[1]]
    return F.interpolate(visible, crop_size, mode="bilinear", align_corners=False)[:, 0]


def stability_score(
    logits: torch.Tensor, threshold: float = 0.0, offset: float = 1.0
) -> torch.Tensor:
    """(N,) IoU of the masks cut at `threshold` + and - `offset`; logits (N, H, W) at full size.

    NaN where a mask is empty even at the lower cut, as in the official code.
    """
    inner = (logits > threshold + offset).flatten(1).sum(1, dtype=torch.int32)
    outer = (logits > threshold - offset).flatten(1).sum(1, dtype=torch.int32)
    return inner / outer


def mask_boxes(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(N, 4) xyxy boxes of (N, H, W) masks, x1 and y1 the last column and row inside the mask.

    Inclusive as the official generator's; an empty mask gets 0, 0, 0, 0.
    """
    boxes = np.zeros((len(masks), 4), dtype=np.float32)
    for axis, column in ((1, 0), (2, 1)):
        hit = np.asarray(masks.any(axis=axis))
        some = hit.any(axis=1)
        first, last = hit.argmax(axis=1), hit.shape[1] - 1 - hit[:, ::-1].argmax(axis=1)
        boxes[some, column] = first[some]
        boxes[some, column + 2] = last[some]
    return boxes


def mask_iou(masks: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N, M) intersection over union of (N, H, W) with (M, H, W) masks; 0 where both are empty."""
    pixels = int(np.prod(masks.shape[1:]))  # -1 is no size to numpy where there are no masks
    a = masks.reshape(len(masks), pixels).astype(np.float32)
    b = others.reshape(len(others), pixels).astype(np.float32)
    intersection = (a @ b.T).astype(np.float64)
    union = a.sum(1)[:, None] + b.sum(1)[None] - intersection
    iou = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return np.asarray(iou)


def pair_iou(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks of one size, counted exactly; 0 where both are empty."""
    union = np.count_nonzero(mask | other)
    return np.count_nonzero(mask & other) / union if union else 0.0
