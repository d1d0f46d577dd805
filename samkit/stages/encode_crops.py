"""Parts of a picture as a SAM sees them by themselves."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from samkit.ops.grids import Box
from samkit.sam.family import SamModel
from samkit.types import ImageEmbedding

# Crops of one picture that are encoded together, so that their embeddings don't pile up.
CROPS_AT_ONCE = 8


def encode_crops(
    sam: SamModel, image: NDArray[np.uint8], boxes: Sequence[Box]
) -> list[ImageEmbedding]:
    """Embeddings of the picture's parts (x0, y0, x1, y1), whose frames know where each part lies.

    So prompts are given, and masks come back, in pixels of the whole picture (H, W, 3). Give
    CROPS_AT_ONCE of many.
    """
    embeddings = sam.encode([image[y0:y1, x0:x1] for x0, y0, x1, y1 in boxes])
    return [
        replace(e, frame=e.frame.cropped_from(image.shape[:2], x0, y0))
        for e, (x0, y0, _, _) in zip(embeddings, boxes, strict=True)
    ]
