"""Masks as polygons along the edges of their pixels, with holes and several parts, and back.

Corners are whole numbers: pixel (x, y) is the square from (x, y) to (x + 1, y + 1), as in COCO. So a
ring's area is its number of pixels, and the way there and back is exact; only a `tolerance` above 0
gives up exactness for fewer corners.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samkit.ops import rle

# (P, 2) xy corners of a closed outline; the last is joined to the first and not repeated.
Ring = NDArray[np.float64]
# An outline and, after it, its holes.
Part = list[Ring]


def to_polygons(run_lengths: rle.RLE, tolerance: float = 0.0) -> list[Part]:
    """The parts of a mask, each an outline and its holes; none for an empty mask.

    Pixels that touch only at a corner belong to different parts; background that does so, to one hole.
    tolerance: how far, in pixels, corners may be left out by (Douglas and Peucker). Small parts and
        holes that would lose their area are kept as they are.

    >>> [mask] = rle.encode(np.array([[[1, 1, 1], [1, 0, 1], [1, 1, 1]]], dtype=bool))
    >>> [[outline, hole]] = to_polygons(mask)
    >>> outline.tolist()
    [[3.0, 3.0], [3.0, 0.0], [0.0, 0.0], [0.0, 3.0]]
    """
    from skimage.measure import find_contours, label  # a tenth of a second, and few need outlines

    # Only the mask's own box is traced, with a rim of background.
    x, y, width, height = rle.boxes_xywh([run_lengths])[0].astype(int)
    if not width:
        return []
    mask = np.pad(rle.decode([run_lengths])[0][y : y + height, x : x + width], 1)
    components = label(mask, connectivity=1)
    parts: dict[int, Part] = {}
    for contour in find_contours(mask, 0.5, fully_connected="low", positive_orientation="high"):
        outline, owner = _pixel_edges(contour, components)
        ring = _simplified(outline + np.array([x - 1, y - 1]), tolerance)
        parts.setdefault(owner, []).append(ring)
    # An outline encloses its holes, so it is the one with the largest area.
    return [sorted(rings, key=ring_area, reverse=True) for _, rings in sorted(parts.items())]


def from_polygons(parts: Sequence[Part], size: tuple[int, int]) -> rle.RLE:
    """The mask of such parts: what an odd number of rings encloses. size: (height, width).

    Raises ValueError for what is no polygon (see `rle.from_coco`).
    """
    return rle.from_coco([joined([ring for part in parts for ring in part])], *size)


def to_coco_polygons(run_lengths: rle.RLE, tolerance: float = 0.0) -> list[list[float]]:
    """COCO's `segmentation`: one [x, y, x, y, ...] per part, its holes joined to it by slits.

    COCO knows no holes. A slit runs to the hole and back on the same line and encloses nothing, so that
    `rle.from_coco`, and pycocotools, give back the very mask (with `tolerance` 0).
    """
    return [joined(part) for part in to_polygons(run_lengths, tolerance)]


def joined(rings: Sequence[Ring]) -> list[float]:
    """Several rings as one [x, y, x, y, ...], joined by slits: for formats with one ring per object."""
    if not rings:
        return []
    path = rings[0]
    for ring in rings[1:]:
        # From the corner of the path nearest to the ring's, once around, and back.
        distance = np.abs(path[:, None] - ring[None]).sum(axis=2)
        here, there = np.unravel_index(distance.argmin(), distance.shape)
        around = np.roll(ring, -int(there), axis=0)
        path = np.concatenate([path[: here + 1], around, around[:1], path[here:]])
    return [float(number) for number in path.ravel()]


def ring_area(ring: Ring) -> float:
    """The square pixels that a ring encloses."""
    x, y = ring.T
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2


def _pixel_edges(contour: Ring, components: NDArray[np.int64]) -> tuple[Ring, int]:
    """The corners (xy) of the pixels' edges that a contour crosses, and the component it belongs to.

    contour: (P, 2) row and column of the middles of edges in turn, as `find_contours` gives them,
        pixel (r, c) being at (r, c).
    """
    middles = contour[:-1]
    between_rows = middles[:, 0] % 1 != 0  # the edge lies between two rows, and is level
    after = np.roll(middles, -1, axis=0)
    # Where a level edge meets an upright one lies a corner: its row from one, its column from the other.
    turns = between_rows != np.roll(between_rows, -1)
    level = between_rows[turns]
    row = np.where(level, middles[turns, 0], after[turns, 0])
    column = np.where(level, after[turns, 1], middles[turns, 1])
    first = middles[0]
    ends = np.floor(first).astype(int), np.ceil(first).astype(int)
    owner = max(int(components[tuple(end)]) for end in ends)
    return np.stack([column, row], axis=1) + 0.5, owner


def _simplified(ring: Ring, tolerance: float) -> Ring:
    if tolerance <= 0:
        return ring
    from skimage.measure import approximate_polygon

    closed = np.concatenate([ring, ring[:1]])
    fewer = np.asarray(approximate_polygon(closed, tolerance))[:-1]
    return fewer if len(fewer) >= 3 and ring_area(fewer) > 0 else ring
