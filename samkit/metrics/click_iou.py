"""Mean IoU by number of clicks, and how many clicks a wanted IoU takes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samkit.metrics.bootstrap import bootstrap_means, interval
from samkit.types import Sample
from samkit.types.clicks import ClickResults

Row = dict[str, Any]
Metrics = dict[str, float | None]

MOST_CLICKS = 20  # RITM's limit: an object that has not got there by then counts with 20 clicks
WANTED_IOU = {85: 0.85, 90: 0.90}


@dataclass(frozen=True)
class ClickIoU:
    """IoU of `sample.clicks` by number of clicks, every object counted alike (paper 7.1, D.1).

    `summarise` gives, NAME_low and NAME_high being the middle 95 % of 1,000 resamplings of images:

    mIoU@k: mean IoU after k clicks, for every k of the stage's `num_clicks`.
    oracle: mean of the best IoU among all masks of the first click.
    NoC@85, NoC@90: mean number of clicks until the IoU is at least .85 and .90, 20 where it never is
        (RITM's rule); failed@85, failed@90: how many objects these are. Only where 20 clicks were made.
    spearman: rank correlation of predicted with true IoU after one click.
    agreement: mean IoU with each other of the masks of the first click; agreement_parts: of objects
        that have parts, whose centre is an ambiguous click, where the annotations know them.
    objects, skipped: how many were clicked on, and how many had no pixel to click on.
    """

    seed: int = 0

    def score(self, sample: Sample) -> Row:
        """One image's row. Raises ValueError where no stage has clicked."""
        clicks = sample.clicks
        if not isinstance(clicks, ClickResults):
            raise ValueError(f"sample {sample.id!r} has no clicks; the pipeline needs Clicks(sam)")
        truth = sample.annotations
        parents = () if truth is None or truth.parents is None else truth.parents
        return {
            "image_id": sample.id,
            "num_clicks": list(clicks.num_clicks),
            "objects": clicks.objects,
            "skipped": clicks.skipped,
            "iou": clicks.iou,
            "predicted_iou": clicks.predicted_iou,
            "oracle": clicks.oracle,
            "agreement": clicks.agreement,
            "has_parts": np.isin(clicks.objects, parents),
        }

    def summarise(self, rows: Iterable[Row]) -> Metrics:
        """The metrics of all images. The order of rows changes nothing: that of ids is taken."""
        rows = sorted(rows, key=lambda row: (isinstance(row["image_id"], str), row["image_id"]))
        objects = sum(len(row["objects"]) for row in rows)
        metrics: Metrics = {}
        if objects:
            metrics |= means([figures(row) for row in rows], self.seed)
            metrics |= _failures(rows)
            metrics |= _first_click(rows)
        return {**metrics, "objects": objects, "skipped": sum(len(row["skipped"]) for row in rows)}


def figures(row: Row) -> dict[str, NDArray[np.float64]]:
    """What is averaged over objects: each figure for every object of one image's row."""
    iou = _iou(row)
    values = {f"mIoU@{k}": iou[:, k - 1] for k in row["num_clicks"]}
    values["oracle"] = np.array(row["oracle"], dtype=np.float64)
    if iou.shape[1] >= MOST_CLICKS:
        values |= {f"NoC@{name}": clicks_needed(iou, wanted) for name, wanted in WANTED_IOU.items()}
    return values


def means(values: Sequence[Mapping[str, NDArray[np.float64]]], seed: int) -> Metrics:
    """The mean over the objects of all images of each figure, with its interval."""
    names = list(values[0])
    sums = np.array([[one[name].sum() for name in names] for one in values])
    counts = np.array([len(one[names[0]]) for one in values])
    low, high = interval(bootstrap_means(sums, counts, seed=seed))
    metrics: Metrics = {}
    for name, total, first, last in zip(names, sums.sum(axis=0), low, high, strict=True):
        metrics[name] = float(total / counts.sum())
        metrics |= {f"{name}_low": float(first), f"{name}_high": float(last)}
    return metrics


def clicks_needed(iou: NDArray[np.float64], wanted: float) -> NDArray[np.float64]:
    """(N,) the first of the 20 clicks whose IoU is at least `wanted`, 20 where none is (RITM).

    iou: (N, 20 or more).
    """
    reached = iou[:, :MOST_CLICKS] >= wanted
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, float(MOST_CLICKS))


def _iou(row: Row) -> NDArray[np.float64]:
    return np.array(row["iou"], dtype=np.float64).reshape(-1, row["num_clicks"][-1])


def _failures(rows: Sequence[Row]) -> Metrics:
    iou = np.concatenate([_iou(row) for row in rows])
    if iou.shape[1] < MOST_CLICKS:
        return {}
    most = iou[:, :MOST_CLICKS].max(axis=1)
    return {f"failed@{name}": int((most < wanted).sum()) for name, wanted in WANTED_IOU.items()}


def _first_click(rows: Sequence[Row]) -> Metrics:
    """What the first click alone tells of the model."""
    from scipy import stats  # a second, and only a summary needs it

    true = [iou[0] for row in rows for iou in row["iou"]]
    predicted = [iou[0] for row in rows for iou in row["predicted_iou"]]
    varied = len(set(true)) > 1 and len(set(predicted)) > 1
    metrics: Metrics = {}
    metrics["spearman"] = float(stats.spearmanr(predicted, true).statistic) if varied else None
    agreement = np.array([value for row in rows for value in row["agreement"]], dtype=np.float64)
    has_parts = np.array([value for row in rows for value in row["has_parts"]], dtype=bool)
    several = ~np.isnan(agreement)
    for name, chosen in {"agreement": several, "agreement_parts": several & has_parts}.items():
        if chosen.any():
            metrics[name] = float(agreement[chosen].mean())
    return metrics
