"""Non-maximum suppression without torchvision."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def non_max_suppression(
    boxes: ArrayLike, scores: ArrayLike, iou_threshold: float, class_ids: ArrayLike | None = None
) -> NDArray[np.int64]:
    """Indices of the boxes that survive greedy suppression, best score first.

    boxes: (N, 4) xyxy pixels; scores: (N,). A box goes when its IoU with a better, kept one is above
    `iou_threshold` (strictly, as torchvision's `nms`). With `class_ids` (N,) boxes suppress only
    their own class. Equal scores keep their order. Float32 boxes are compared in float32, as
    torchvision does: an IoU of just the threshold may then round to either side of it.
    """
    given = np.asarray(boxes)
    precision = np.float32 if given.dtype == np.float32 else np.float64
    xyxy: NDArray[Any] = given.astype(precision).reshape(-1, 4)
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    classes = None if class_ids is None else np.asarray(class_ids)
    areas = np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None).prod(axis=1)
    kept: list[int] = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        suppressed = _overlap(xyxy, areas, best, rest).astype(np.float64) > iou_threshold
        if classes is not None:
            suppressed &= classes[rest] == classes[best]
        order = rest[~suppressed]
    return np.asarray(kept, dtype=np.int64)


def _overlap(
    xyxy: NDArray[Any], areas: NDArray[Any], one: np.int64, others: NDArray[np.int64]
) -> NDArray[Any]:
    """IoU (M,) of one box with others, in their own precision; 0 where both are empty."""
    low = np.maximum(xyxy[others, :2], xyxy[one, :2])
    high = np.minimum(xyxy[others, 2:], xyxy[one, 2:])
    intersection = np.clip(high - low, 0, None).prod(axis=1)
    union = areas[one] + areas[others] - intersection
    iou = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return np.asarray(iou)
