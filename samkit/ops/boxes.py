"""Boxes: (N, 4) float arrays, xyxy in pixels unless a name says xywh."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Pixels from 0: beyond, float32 no longer tells neighbours apart, and no picture is as large.
FARTHEST = 2.0**24


def xywh_to_xyxy(boxes: ArrayLike) -> NDArray[np.float64]:
    """(N, 4) boxes as x, y, width, height (COCO's form) to x0, y0, x1, y1."""
    xywh = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)


def xyxy_to_xywh(boxes: ArrayLike) -> NDArray[np.float64]:
    """(N, 4) boxes as x0, y0, x1, y1 to COCO's x, y, width, height."""
    xyxy = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)


def box_areas(boxes: ArrayLike) -> NDArray[np.float64]:
    """Areas (N,) in square pixels of (N, 4) xyxy boxes; a reversed box has none."""
    xyxy = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.asarray(np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None).prod(axis=1))


def box_iou(boxes: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union (N, M) of (N, 4) with (M, 4) xyxy boxes; 0 where both are empty."""
    a = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    b = np.asarray(others, dtype=np.float64).reshape(-1, 4)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.clip(high - low, 0, None).prod(axis=2)
    union = box_areas(a)[:, None] + box_areas(b)[None] - intersection
    iou = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return np.asarray(iou)
