"""Edge pixels one-to-one with the boundary pixels that a person drew, as the BSDS benchmark asks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

# The benchmark's price of a pixel without a partner, in radii. It is so high that as many pixels as
# can be are matched, and among those matchings the nearest partners are taken.
UNMATCHED = 100.0
# The solver's time grows with the square of its problem, a call costs a tenth of a millisecond.
NODES_AT_ONCE = 500


@dataclass(frozen=True)
class Pairs:
    """Which pixels of an image lie within a radius of which pixels of one boundary map.

    count: pixels of the boundary. boundary: (P,) which of them. pixel: (P,) the image's pixel, as
    row times width plus column. distance: (P,) between the two, pixels. radius: the largest allowed.
    """

    count: int
    boundary: NDArray[np.int64]
    pixel: NDArray[np.int64]
    distance: NDArray[np.float64]
    radius: float


def pairs_within(boundary: NDArray[np.bool_], radius: float) -> Pairs:
    """All pairs of a pixel of the (H, W) boundary map and a pixel of the image within the radius."""
    height, width = boundary.shape
    reach = int(radius)
    across = np.arange(-reach, reach + 1)
    dy, dx = (offset.ravel() for offset in np.meshgrid(across, across, indexing="ij"))
    near = dy**2 + dx**2 <= radius**2
    dy, dx = dy[near], dx[near]
    rows, columns = np.nonzero(boundary)
    y, x = rows[:, None] + dy, columns[:, None] + dx
    which, offset = np.nonzero((y >= 0) & (y < height) & (x >= 0) & (x < width))
    pixel = y[which, offset] * width + x[which, offset]
    return Pairs(len(rows), which, pixel, np.hypot(dy, dx)[offset], radius)


def matched_pixels(found: NDArray[np.bool_], pairs: Pairs) -> NDArray[np.bool_]:
    """(H, W) the found edge pixels that have a partner of their own on the boundary.

    found: (H, W) bool. Every pixel has one partner at most, so there are as many matched pixels of
    the boundary. As many pixels are matched as can be; of the ways to do that, the one with the
    smallest sum of distances is taken, which is what the benchmark's own solver minimises.
    """
    kept = found.ravel()[pairs.pixel]
    matched = np.zeros(found.size, dtype=bool)
    if not kept.any():
        return matched.reshape(found.shape)
    pixels, pixel = _numbered(pairs.pixel[kept], found.size)
    boundaries, boundary = _numbered(pairs.boundary[kept], pairs.count)
    unmatched = UNMATCHED * pairs.radius
    if len(boundaries) <= len(pixels):  # The solver is faster with few rows.
        _, columns = _assign(boundary, pixel, pairs.distance[kept], unmatched)
        matched[pixels[columns]] = True
    else:
        rows, _ = _assign(pixel, boundary, pairs.distance[kept], unmatched)
        matched[pixels[rows]] = True
    return matched.reshape(found.shape)


def _numbered(values: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The different values in order, and each value's place among them; values are below `size`."""
    present = np.zeros(size, dtype=bool)
    present[values] = True
    return np.flatnonzero(present), (np.cumsum(present) - 1)[values]


def _assign(
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    cost: NDArray[np.float64],
    unmatched: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the cheapest assignment, where a row may stay `unmatched` at that price.

    row, column, cost: (P,) the pairs allowed; every row and column is in one. Groups of pixels that
    have nothing to do with each other are solved apart.
    """
    num_rows, num_columns = int(row.max()) + 1, int(column.max()) + 1
    # Each row gets a column of its own to stay unmatched in.
    row = np.concatenate([row, np.arange(num_rows)])
    column = np.concatenate([column, num_columns + np.arange(num_rows)])
    # A weight of zero would be no pair to the solver; one more for all pairs changes no order.
    cost = 1 + np.concatenate([cost, np.full(num_rows, unmatched)])
    nodes = 2 * num_rows + num_columns
    graph = csr_array((cost, (row, num_rows + column)), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    # Components side by side until there are enough nodes for one call.
    group = ((np.cumsum(np.bincount(component)) - 1) // NODES_AT_ONCE)[component]
    rows, columns = (
        np.argsort(side, kind="stable") for side in (group[:num_rows], group[num_rows:])
    )
    matrix = csr_array(graph[rows][:, num_rows + columns])
    row_ends = np.cumsum(np.bincount(group[:num_rows]))
    column_ends = np.cumsum(np.bincount(group[num_rows:], minlength=len(row_ends)))
    chosen_rows, chosen_columns = [], []
    for top, bottom, left, right in zip(
        [0, *row_ends[:-1]], row_ends, [0, *column_ends[:-1]], column_ends, strict=True
    ):
        if top == bottom:
            continue
        begin, end = matrix.indptr[top], matrix.indptr[bottom]
        block = csr_array(
            (
                matrix.data[begin:end],
                matrix.indices[begin:end] - left,
                matrix.indptr[top : bottom + 1] - begin,
            ),
            shape=(bottom - top, right - left),
        )
        some_rows, some_columns = min_weight_full_bipartite_matching(block)
        chosen_rows.append(rows[top + some_rows])
        chosen_columns.append(columns[left + some_columns])
    all_rows, all_columns = np.concatenate(chosen_rows), np.concatenate(chosen_columns)
    real = all_columns < num_columns
    return all_rows[real], all_columns[real]
