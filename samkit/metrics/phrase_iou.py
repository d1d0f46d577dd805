"""Text to masks, measured: IoU of each phrase's best mask with an object that the phrase fits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samkit.metrics.bootstrap import bootstrap_means, interval
from samkit.ops import rle
from samkit.types import Sample

Row = dict[str, Any]
HIT = 0.5
LARGE = 0.0095  # of the picture: the paper trains text prompts on nothing smaller (app. D.5)


@dataclass(frozen=True)
class PhraseIoU:
    """How well phrases find what they speak of; every phrase counts alike. The paper has no numbers.

    `sample.phrases` are asked; class ids of masks and of annotations are places among them. A
    phrase's answer is its mask of the highest score, and where several objects fit it, any will do.
    `summarise` gives, NAME_low and NAME_high being the middle 95 % of 1,000 resamplings of images:

    mIoU: mean IoU of the answers, 0 where there is none. hit: share with an IoU above .5.
    reachable: share of phrases with any mask, whatever its score, above .5: what a ranking of
        proposals has to choose from. hit_reachable: the hits as a share of those.
    hit_large: the hits among phrases whose object (the largest that fits) covers .95 % of its picture or more.
    control: share of answers that hit the object of another phrase of the same picture, the next.
    phrases: how many were asked; unknown: how many of them fit no object, and are not counted.
    """

    seed: int = 0

    def score(self, sample: Sample) -> Row:
        """One image's row. Raises ValueError for no phrases, no masks, or masks without classes."""
        truth, masks, phrases = sample.annotations, sample.masks, sample.phrases
        if truth is None or truth.run_lengths is None or phrases is None or masks is None:
            raise ValueError(
                f"sample {sample.id!r} lacks true masks, phrases, or masks that answer"
            )
        if len(masks) and masks.class_ids is None:
            raise ValueError(f"masks of {sample.id!r} have no classes that tell their phrases")
        table = rle.iou(masks.rle(), truth.run_lengths)
        classes = np.zeros(0) if masks.class_ids is None else masks.class_ids
        shares = rle.areas(truth.run_lengths) / (truth.size[0] * truth.size[1])
        asked = [p for p in range(len(phrases)) if (truth.class_ids == p).any()]
        answers: list[int | None] = []
        for phrase in asked:
            own = np.flatnonzero(classes == phrase)
            answers.append(int(own[masks.scores[own].argmax()]) if len(own) else None)
        overlaps = [[_best(table, a, truth.class_ids == p) for p in asked] for a in answers]
        return {
            "image_id": sample.id,
            "phrases": [phrases[p] for p in asked],
            "unknown": len(phrases) - len(asked),
            "iou": [overlaps[i][i] for i in range(len(asked))],
            "other": [overlaps[i][(i + 1) % len(asked)] for i in range(len(asked))],
            "share": [float(shares[truth.class_ids == p].max()) for p in asked],
            "best": [
                float(table[classes == p][:, truth.class_ids == p].max(initial=0)) for p in asked
            ],
        }

    def summarise(self, rows: Iterable[Row]) -> dict[str, float | None]:
        """The metrics of all images. The order of rows changes nothing: that of ids is taken."""
        rows = sorted(rows, key=lambda row: (isinstance(row["image_id"], str), row["image_id"]))
        counts = np.array([len(row["iou"]) for row in rows])
        unknown = sum(row["unknown"] for row in rows)
        metrics: dict[str, float | None] = {}
        if counts.sum():
            sums = np.array([_figures(row).sum(axis=1) for row in rows])
            low, high = interval(bootstrap_means(sums, counts, seed=self.seed))
            names = ("mIoU", "hit", "reachable")
            for i, name in enumerate(names):
                metrics[name] = float(sums[:, i].sum() / counts.sum())
                metrics[f"{name}_low"], metrics[f"{name}_high"] = float(low[i]), float(high[i])
            iou, best, share = (
                np.concatenate([row[name] for row in rows]) for name in ("iou", "best", "share")
            )
            metrics["hit_reachable"] = _mean(iou[best > HIT] > HIT)
            metrics["hit_large"] = _mean(iou[share >= LARGE] > HIT)
            others = [v > HIT for row in rows if len(row["iou"]) > 1 for v in row["other"]]
            metrics["control"] = _mean(others)
        return {**metrics, "phrases": int(counts.sum()), "unknown": unknown}


def _best(table: NDArray[np.float64], answer: int | None, truth: NDArray[np.bool_]) -> float:
    return 0.0 if answer is None else float(table[answer, truth].max())


def _mean(hits: Sequence[bool] | NDArray[np.bool_]) -> float | None:
    return float(np.mean(hits)) if len(hits) else None


def _figures(row: Row) -> NDArray[np.float64]:
    """(3, phrases) IoU, whether it is a hit, and whether any mask would be."""
    iou, best = np.array(row["iou"]), np.array(row["best"])
    return np.stack([iou, iou > HIT, best > HIT])
