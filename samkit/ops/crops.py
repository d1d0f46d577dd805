"""Regions cut out of a picture, for whatever looks at them next: a classifier, CLIP, a person."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from samkit.ops import rle

Colour = tuple[int, int, int]


def crop_masks(
    image: NDArray[np.uint8],
    run_lengths: Sequence[rle.RLE],
    margin: float = 0.0,
    background: Colour | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Each mask's part of the picture, one at a time: (h, w, 3) uint8, cut at the picture's edges.

    image: (H, W, 3) uint8 RGB. run_lengths: N masks of its size.
    margin: added on every side of the mask's box, as a share of the box's longer side.
    background: the colour of what is not in the mask; None leaves the surroundings in.

    Raises ValueError for a negative margin, masks of another size, and an empty mask, which has no box.

    >>> image, mask = np.zeros((9, 9, 3), np.uint8), np.zeros((1, 9, 9), bool)
    >>> mask[0, 2:6, 3:5] = True
    >>> [crop.shape for crop in crop_masks(image, rle.encode(mask), margin=0.25)]
    [(6, 4, 3)]
    """
    if margin < 0:
        raise ValueError(f"margin is a share of the box's longer side, not negative, got {margin}")
    for number, mask in enumerate(run_lengths):
        if tuple(mask["size"]) != image.shape[:2]:
            raise ValueError(
                f"mask {number} is {mask['size']}, its picture {image.shape[:2]} (height, width)"
            )
        x, y, width, height = rle.boxes_xywh([mask])[0].astype(int).tolist()
        if not width:
            raise ValueError(f"mask {number} is empty, there is nothing to cut out; drop it before")
        around = round(margin * max(width, height))
        rows = slice(max(0, y - around), y + height + around)
        columns = slice(max(0, x - around), x + width + around)
        crop = image[rows, columns].copy()
        if background is not None:
            crop[~rle.decode([mask])[0][rows, columns]] = background
        yield crop
