"""Average recall of masks without classes: how many of the true objects are among the proposals."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from samkit.metrics.average_precision import LOWEST_IOU, overlaps
from samkit.metrics.bootstrap import bootstrap_means, interval
from samkit.metrics.objects import found_objects, true_objects, truth_and_masks
from samkit.types import Sample

Row = dict[str, Any]

IOU_THRESHOLDS = np.linspace(LOWEST_IOU, 0.95, 10)
# COCO's, in square pixels; an object on a border belongs to both sides.
SIZES = {"": (0.0, 1e10), "s": (0.0, 32.0**2), "m": (32.0**2, 96.0**2), "l": (96.0**2, 1e10)}
FREQUENCIES = ("f", "c", "r")


@dataclass(frozen=True)
class MaskAR:
    """Average recall of `sample.masks` against `sample.annotations`, classes left aside.

    limits: how many proposals of an image count, best `scores` first, equal ones in their order.
    iou_type: "segm" compares masks; "bbox" compares the boxes around them.

    All truth and all proposals are taken as one category, so that neither a proposal's class nor
    LVIS's federated labels drop any (the official LVIS evaluator drops those of classes nobody
    looked for, even without classes). What comes out is pycocotools' recall on such a truth, with
    `maxDets` at `limits`: greedy matching at IoU .50:.05:.95, objects outside a size range and crowds
    not counted (paper, sec. 7.3, app. D.3; E. Mintun, segment-anything issue 205).

    `summarise` gives, as fractions and -1 where no true object falls in: AR@k for each limit; for the
    largest ARs, ARm, ARl by the true object's area and, on data with class frequencies, ARf, ARc, ARr
    with the truth cut down to frequent, common or rare classes; NAME_low and NAME_high of each, the
    middle 95 % of 1000 resamplings of the images; and `proposals`, how many of an image
    count on average.

    Raises ValueError for an unknown iou_type and for limits that are not rising numbers from 1 up.

    >>> MaskAR(limits=(10, 1000)).summarise([])["AR@1000"]
    -1.0
    """

    limits: tuple[int, ...] = (10, 100, 1000)
    iou_type: Literal["segm", "bbox"] = "segm"

    def __post_init__(self) -> None:
        if self.iou_type not in ("segm", "bbox"):
            raise ValueError(f"iou_type is 'segm' or 'bbox', got {self.iou_type!r}")
        if not self.limits or list(self.limits) != sorted({max(1, k) for k in self.limits}):
            raise ValueError(f"limits are rising whole numbers from 1 up, got {self.limits}")

    def score(self, sample: Sample) -> Row:
        """One image's row: image_id, how many `proposals` counted, and `ranks`.

        ranks: by subset ("" for all objects, s, m, l by size, f, c, r by frequency) one list per true
        object that counts there: at each of the 10 thresholds the rank (from 1) of the proposal that
        it was matched with, 0 for none.

        Raises ValueError where truth or masks are missing or do not fit together.
        """
        annotations, masks = truth_and_masks(sample)
        truth = true_objects(annotations, self.iou_type)
        one_class = np.zeros(len(masks), dtype=np.int64)
        found = found_objects(masks, self.iou_type, one_class).best(self.limits[-1])
        iou = overlaps(found, truth)
        counted = {
            name: (truth.areas >= low) & (truth.areas <= high) & ~truth.is_crowd
            for name, (low, high) in SIZES.items()
        }
        frequency = annotations.class_frequency
        for letter in FREQUENCIES if frequency else ():
            wanted = [frequency.get(c) == letter for c in annotations.class_ids.tolist()]
            counted[letter] = np.array(wanted, dtype=bool) & ~truth.is_crowd
        return {
            "image_id": sample.id,
            "proposals": len(found),
            "ranks": {name: match(iou[:, chosen]).tolist() for name, chosen in counted.items()},
        }

    def summarise(self, rows: Iterable[Row]) -> dict[str, float]:
        """The metrics of all images."""
        rows = list(rows)
        most = self.limits[-1]
        summary: dict[str, float] = {}
        for k in self.limits:
            summary |= _recall(f"AR@{k}", [row["ranks"][""] for row in rows], k)
        names = ["s", "m", "l", *(f for f in FREQUENCIES if any(f in row["ranks"] for row in rows))]
        for name in names:
            by_image = [row["ranks"].get(name, []) for row in rows]
            summary |= _recall(f"AR{name}@{most}", by_image, most)
        proposals = [row["proposals"] for row in rows]
        return summary | {"proposals": float(np.mean(proposals)) if proposals else 0.0}


def match(iou: NDArray[np.float64]) -> NDArray[np.int64]:
    """(M, T) the rank, from 1, of the proposal matched with each object at each threshold; 0 for none.

    iou: (N, M) of N proposals, best first, with the M objects that count. COCO's greedy rule: each
    proposal in turn takes the object it overlaps most of those still free. Its evaluation lets a
    proposal take an object that does not count only where no other will do, so those change nothing
    here and are left out.
    """
    # Hardly any of a thousand proposals overlaps an object by half, so plain lists are quick.
    near: dict[int, list[tuple[float, int]]] = {}
    for proposal, true in np.argwhere(iou >= LOWEST_IOU).tolist():
        near.setdefault(proposal, []).append((float(iou[proposal, true]), true))
    ranks = np.zeros((iou.shape[1], len(IOU_THRESHOLDS)), dtype=np.int64)
    for column, threshold in zip(ranks.T, IOU_THRESHOLDS, strict=True):
        for proposal, pairs in near.items():
            free = [pair for pair in pairs if pair[0] >= threshold and not column[pair[1]]]
            if free:
                # Of equal overlaps the last object, as in COCOeval.
                column[max(free)[1]] = proposal + 1
    return ranks


def _recall(name: str, by_image: Sequence[Sequence[Sequence[int]]], limit: int) -> dict[str, float]:
    """The mean over objects and thresholds, and its interval, from each image's ranks."""
    thresholds = len(IOU_THRESHOLDS)
    ranks = [np.asarray(one, dtype=np.int64).reshape(-1, thresholds) for one in by_image]
    counts = np.array([len(one) for one in ranks])
    hits = np.array([((one > 0) & (one <= limit)).sum() / thresholds for one in ranks])
    if not counts.sum():
        return {name: -1.0}
    means = bootstrap_means(hits[:, None], counts)
    low, high = interval(means)[:, 0]
    mean = float(hits.sum() / counts.sum())
    return {name: mean, f"{name}_low": float(low), f"{name}_high": float(high)}
