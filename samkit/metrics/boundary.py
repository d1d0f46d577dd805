"""Edge maps against the boundaries that people drew, the way BSDS500 counts it."""

import functools
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.morphology import thin

from samkit.metrics.boundary_match import matched_pixels, pairs_within
from samkit.metrics.boundary_score import (
    COUNTS,
    Counts,
    average_precision,
    best_between,
    recall_at_half_precision,
)
from samkit.types import Sample

Row = dict[str, Any]


@dataclass(frozen=True)
class BoundaryF:
    """ODS, OIS, AP and R50 of `sample.edges` against `sample.annotations.boundaries`.

    num_thresholds: edge maps are cut at so many, k / (n + 1): an edge is what reaches the threshold.
    max_distance: how far apart a found and a true pixel may lie, as a share of the image's diagonal;
        .0075 on BSDS500, .011 on NYUDv2.
    thin: whether the cut map is thinned to lines first (Matlab's `bwmorph(..., "thin", Inf)`).
    eight_bit: round edges to 256 levels, as `samkit.data.edge_maps.write_edge_map` stores them; then
        a map scores the same before and after it went through a file.
    workers: processes that share an image's thresholds; no part of the metric's identity. With more
        than one a script needs the usual `if __name__ == "__main__":`.

    At each threshold every annotator's boundary is matched one-to-one with the edges. Recall counts
    each annotator's pixels; precision counts an edge pixel that any annotator matches.

    `summarise` gives ODS (F at the best threshold of all images; recall and precision interpolated
    between thresholds, as the official Matlab code does), ODS_plain (the largest F at a threshold, as
    some ports do; slightly lower), OIS (each image at its best threshold, counts pooled), AP, R50
    (recall at precision .5), and ODS_threshold, ODS_recall, ODS_precision.

    Source: Arbelaez et al., TPAMI 2011, and its benchmark code; P. Dollar's structured edges for
    R50. The paper uses it in section 7.2, appendix D.2.

    >>> BoundaryF().summarise([])["ODS"]
    0.0
    """

    num_thresholds: int = 99
    max_distance: float = 0.0075
    thin: bool = True
    eight_bit: bool = False
    workers: int = field(default=1, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("num_thresholds", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, got {getattr(self, name)}")
        if not 0 < self.max_distance < 1:
            raise ValueError(
                f"max_distance is a share of the image's diagonal such as .0075, got {self.max_distance}"
            )

    def score(self, sample: Sample) -> Row:
        """One image's counts at every threshold, as `score_maps` gives them.

        Raises ValueError where edges or boundaries are missing, of different sizes, NaN, or outside
        0..1.
        """
        if sample.annotations is None or sample.annotations.boundaries is None:
            raise ValueError(
                f"sample {sample.id!r} has no boundaries to be scored against; "
                "samkit.data.bsds500 reads them"
            )
        if sample.edges is None:
            raise ValueError(f"sample {sample.id!r} has no edges; the pipeline needs an Edges()")
        try:
            return self.score_maps(sample.edges, sample.annotations.boundaries)
        except ValueError as error:
            raise ValueError(f"sample {sample.id!r}: {error}") from error

    def score_maps(self, edges: NDArray[np.floating[Any]], boundaries: NDArray[np.bool_]) -> Row:
        """The row of an (H, W) edge map and (A, H, W) boundaries, one of each of A annotators.

        The row: for every threshold recalled, true (both summed over annotators), correct, found.
        """
        edges = check_edges(edges)
        if boundaries.ndim != 3 or boundaries.shape[1:] != edges.shape or not len(boundaries):
            raise ValueError(
                f"edges are {edges.shape} (height, width), so boundaries are (annotators, height, "
                f"width) of one annotator or more; they are {boundaries.shape}"
            )
        if self.eight_bit:
            edges = np.rint(edges * 255) / 255
        radius = self.max_distance * float(np.hypot(*edges.shape))
        count = functools.partial(_count, edges, boundaries, radius=radius, thinned=self.thin)
        if self.workers == 1:
            counts = count(self.thresholds)
        else:
            parts = np.array_split(self.thresholds, 4 * self.workers)
            counts = [one for part in _pool(self.workers).map(count, parts) for one in part]
        columns = zip(*counts, strict=True)
        return {name: list(column) for name, column in zip(COUNTS, columns, strict=True)}

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """(num_thresholds,) ascending, in Matlab's arithmetic: what lies on one is counted as there."""
        first = 1 / (self.num_thresholds + 1)
        steps = np.arange(self.num_thresholds)
        return first + steps * ((1 - first) - first) / max(1, self.num_thresholds - 1)

    def summarise(self, rows: Iterable[Row]) -> dict[str, float]:
        """The metrics of all images; their order changes nothing."""
        images = [Counts.of(row, self.num_thresholds) for row in rows]
        total = Counts.sum(images, self.num_thresholds)
        threshold, recall, precision, ods = best_between(self.thresholds, total)
        # The official code pools each image's counts at one of the thresholds, not between two.
        pooled = Counts.sum([image.at(int(image.f_measure.argmax())) for image in images], 1)
        return {
            "ODS": ods,
            "OIS": float(pooled.f_measure[0]),
            "AP": average_precision(total),
            "R50": recall_at_half_precision(total),
            "ODS_plain": float(total.f_measure.max()),
            "ODS_threshold": threshold,
            "ODS_recall": recall,
            "ODS_precision": precision,
        }

    def curve(self, rows: Iterable[Row]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(T,) recall and (T,) precision of all images at every threshold, for a plot."""
        total = Counts.sum(
            [Counts.of(row, self.num_thresholds) for row in rows], self.num_thresholds
        )
        return total.recall, total.precision


def check_edges(edges: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The edge map as float64. Raises ValueError unless it is (H, W) of numbers from 0 to 1."""
    values = np.asarray(edges)
    if values.ndim != 2 or values.dtype.kind != "f":
        raise ValueError(
            f"an edge map is (height, width) of floats, got {values.shape} {values.dtype}"
        )
    if np.isnan(values).any():
        raise ValueError(f"the edge map is NaN at {int(np.isnan(values).sum())} pixels")
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if low < 0 or high > 1:
        raise ValueError(
            f"an edge map lies within 0 and 1, this one goes from {low:.4g} to {high:.4g}; "
            "divide it by its maximum, or an 8-bit one by 255"
        )
    return values.astype(np.float64)


def _count(
    edges: NDArray[np.float64],
    boundaries: NDArray[np.bool_],
    thresholds: NDArray[np.float64],
    radius: float,
    thinned: bool,
) -> list[tuple[int, int, int, int]]:
    """Pixels recalled, true, correct and found at each threshold."""
    people = [pairs_within(boundary, radius) for boundary in boundaries]
    true = int(boundaries.sum())
    counts: list[tuple[int, int, int, int]] = []
    last = np.zeros(edges.shape, dtype=bool)
    for threshold in thresholds:
        cut = edges >= threshold
        if counts and np.array_equal(cut, last):
            counts.append(counts[-1])
            continue
        last = cut
        found = thin(cut) if thinned else cut
        matched = [matched_pixels(found, pairs) for pairs in people]
        recalled = sum(int(one.sum()) for one in matched)
        correct = int(np.any(matched, axis=0).sum())
        counts.append((recalled, true, correct, int(found.sum())))
    return counts


@functools.cache
def _pool(workers: int) -> ProcessPoolExecutor:
    """Processes that live as long as this one: each takes seconds to start.

    Spawned, not forked: a forked child can hang on a lock that one of torch's threads held.
    """
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
