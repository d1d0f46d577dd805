"""Cheap scalar draws: a scene needs hundreds, and `Generator.choice` costs ten times as much."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between `low` and `high`."""
    return low + (high - low) * rng.random()


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between `low` and `high`, every octave equally likely."""
    return float(low * (high / low) ** rng.random())


def count(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + int(rng.random() * (high - low + 1))


def pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    """One of `items`, all equally likely."""
    return items[int(rng.random() * len(items))]


def pick_weighted(rng: np.random.Generator, items: Sequence[tuple[T, float]]) -> T:
    """One of `items` = [(item, weight), ...]; weights need not sum to one."""
    left = rng.random() * sum(weight for _, weight in items)
    for item, weight in items:
        left -= weight
        if left < 0:
            return item
    return items[-1][0]
