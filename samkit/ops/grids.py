"""Everything mode's geometry: overlapping crops of a picture, and the points asked about in each."""

import math
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samkit.ops.points import unit_grid

Size = tuple[int, int]
Box = tuple[int, int, int, int]

# Pixels from a crop's edge within which a mask counts as cut off by it.
EDGE = 20.0


def layer_grids(
    points_per_side: int, crop_n_layers: int, downscale_factor: int
) -> list[NDArray[np.float64]]:
    """Per crop layer, the whole picture first, (n * n, 2) xy points as shares of a crop's sides.

    n is points_per_side / downscale_factor ** layer, rounded down; where that is 0 there are none.
    The official generator's `build_all_layer_point_grids`.
    """
    return [
        unit_grid(int(points_per_side / downscale_factor**layer))
        for layer in range(crop_n_layers + 1)
    ]


def crop_boxes(size: Size, crop_n_layers: int, overlap_ratio: float) -> list[tuple[Box, int]]:
    """Boxes (x0, y0, x1, y1) of a picture (height, width) and their layer, the whole picture first.

    Layer i has 2**i crops a side; they overlap by `overlap_ratio` of the shorter side in layer 1, half
    of that in each further layer. The official generator's `generate_crop_boxes`, but crops of a
    picture of few pixels that would hold none are left out.

    >>> crop_boxes((300, 600), 1, 1 / 3)[:3]
    [((0, 0, 600, 300), 0), ((0, 0, 350, 200), 1), ((0, 100, 350, 300), 1)]
    """
    height, width = size
    boxes = [((0, 0, width, height), 0)]
    for layer in range(1, crop_n_layers + 1):
        a_side = 2**layer
        overlap = int(overlap_ratio * min(size) * (2 / a_side))
        crop_width, crop_height = (
            math.ceil((overlap * (a_side - 1) + side) / a_side) for side in (width, height)
        )
        for column, row in product(range(a_side), repeat=2):
            x0, y0 = column * (crop_width - overlap), row * (crop_height - overlap)
            x1, y1 = min(x0 + crop_width, width), min(y0 + crop_height, height)
            if x0 < x1 and y0 < y1:
                boxes.append(((x0, y0, x1, y1), layer))
    return boxes


def cut_off(boxes: ArrayLike, crop_box: Box, size: Size, edge: float = EDGE) -> NDArray[np.bool_]:
    """(N,) which (N, 4) boxes reach within `edge` pixels of a crop's edge that is none of the picture.

    The official generator's `is_box_near_crop_edge`; all in pixels of the whole picture.
    """
    xyxy = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    near_crop = np.abs(xyxy - np.array(crop_box, dtype=np.float32)) <= edge
    picture = np.array([0, 0, size[1], size[0]], dtype=np.float32)
    near_picture = np.abs(xyxy - picture) <= edge
    return np.asarray((near_crop & ~near_picture).any(axis=1))
