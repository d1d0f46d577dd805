"""What came of clicking on the true objects of one image: numbers only, no masks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ClickResults:
    """N objects of one image, each prompted K times over; see `samkit.stages.Clicks`.

    num_clicks: after how many prompts the figures are wanted, ascending; the last is K.
    objects: (N,) places of the objects in the annotations.
    skipped: (M,) places of objects without a pixel that counts: they can be neither clicked nor found.
    iou: (N, K) IoU with the true mask after 1, 2, ... K prompts.
    predicted_iou: (N, K) the model's own estimate of that.
    oracle: (N,) after one prompt the best IoU of all masks that the model gave, not of the one chosen.
    agreement: (N,) mean IoU of those masks with each other; NaN where there is only one.
    points, labels: (N, K, 2) xy in pixels and (N, K), 1 foreground, 0 background; NaN and -1 where
        nothing was left to correct, and for a first prompt that is a box.
    """

    num_clicks: tuple[int, ...]
    objects: NDArray[np.int64]
    skipped: NDArray[np.int64]
    iou: NDArray[np.float64]
    predicted_iou: NDArray[np.float64]
    oracle: NDArray[np.float64]
    agreement: NDArray[np.float64]
    points: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.objects)
