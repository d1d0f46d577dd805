"""Non-maximum suppression without torchvision."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samkit.ops.boxes import box_iou


def non_max_suppression(
    boxes: ArrayLike, scores: ArrayLike, iou_threshold: float, class_ids: ArrayLike | None = None
) -> NDArray[np.int64]:
    """Indices of the boxes that survive greedy suppression, best score first.

    boxes: (N, 4) xyxy pixels; scores: (N,). A box goes when its IoU with a better, kept one is above
    `iou_threshold` (strictly, as torchvision's `nms`). With `class_ids` (N,) boxes suppress only
    their own class. Equal scores keep their order.
    """
    xyxy = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    classes = None if class_ids is None else np.asarray(class_ids)
    kept: list[int] = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        suppressed = box_iou(xyxy[best], xyxy[rest])[0] > iou_threshold
        if classes is not None:
            suppressed &= classes[rest] == classes[best]
        order = rest[~suppressed]
    return np.asarray(kept, dtype=np.int64)
