"""From counts of matched edge pixels to the numbers of the BSDS benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
COUNTS = ("recalled", "true", "correct", "found")


@dataclass(frozen=True)
class Counts:
    """Pixels of one image, or summed over many, at T thresholds; each is (T,).

    recalled: boundary pixels with a partner, summed over the annotators. true: all of theirs.
    correct: found pixels that any annotator matches. found: all found pixels.
    """

    recalled: Floats
    true: Floats
    correct: Floats
    found: Floats

    @classmethod
    def of(cls, row: Mapping[str, Sequence[int]], num_thresholds: int) -> "Counts":
        """The counts that a row holds. Raises ValueError where it has other thresholds."""
        if len(row["found"]) != num_thresholds:
            raise ValueError(
                f"these rows have {len(row['found'])} thresholds, the metric {num_thresholds}"
            )
        return cls(*(np.array(row[name], dtype=np.float64) for name in COUNTS))

    @classmethod
    def sum(cls, images: Sequence["Counts"], num_thresholds: int) -> "Counts":
        """All images' counts added up."""
        none = np.zeros(num_thresholds)
        return cls(*(sum((getattr(one, name) for one in images), none) for name in COUNTS))

    def at(self, index: int) -> "Counts":
        """The counts at one of the thresholds."""
        return Counts(*(getattr(self, name)[index : index + 1] for name in COUNTS))

    @property
    def recall(self) -> Floats:
        """(T,) 0 where there is nothing to recall."""
        return _share(self.recalled, self.true)

    @property
    def precision(self) -> Floats:
        """(T,) 0 where nothing was found."""
        return _share(self.correct, self.found)

    @property
    def f_measure(self) -> Floats:
        """(T,) harmonic mean of recall and precision."""
        return f_measure(self.recall, self.precision)


def f_measure(recall: Floats, precision: Floats) -> Floats:
    """Harmonic mean of the two, 0 where both are."""
    return _share(2 * recall * precision, recall + precision)


def best_between(thresholds: Floats, counts: Counts) -> tuple[float, float, float, float]:
    """Threshold, recall, precision and F where F is largest along the curve's straight pieces.

    Recall and precision are interpolated linearly at 100 places from one threshold to the next: the
    official benchmark's way.
    """
    share = np.linspace(0, 1, 100)
    threshold, recall, precision = (
        np.append((values[1:, None] * share + values[:-1, None] * (1 - share)).ravel(), values[-1])
        for values in (thresholds, counts.recall, counts.precision)
    )
    f = f_measure(recall, precision)
    best = int(f.argmax())
    return float(threshold[best]), float(recall[best]), float(precision[best]), float(f[best])


def average_precision(counts: Counts) -> float:
    """Sum of the precisions at recall 0, .01, ... 1, over 100 (the official code's; there are 101).

    Recalls outside those measured count 0: the curve is not drawn on to either end.
    """
    recall, first = np.unique(counts.recall, return_index=True)
    if len(recall) < 2:
        return 0.0
    wanted = np.arange(101) / 100
    precision = np.interp(wanted, recall, counts.precision[first], left=0, right=0)
    return float(precision.sum() / 100)


def recall_at_half_precision(counts: Counts) -> float:
    """Recall where precision is .5, by interpolation over precision; NaN where it never is.

    Where even the lowest precision is higher, the recall there. Thresholds at which nothing was
    found have no precision and are left out.
    """
    some = counts.found > 0
    precision, first = np.unique(counts.precision[some], return_index=True)
    if not len(precision) or precision[-1] < 0.5:
        return float("nan")
    return float(np.interp(max(precision[0], 0.5), precision, counts.recall[some][first]))


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
