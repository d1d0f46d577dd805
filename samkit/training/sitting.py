"""A training's steps until its budget is spent; the same call goes on where it was killed."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from samkit.training.processes import ALONE, Processes
from samkit.training.state import load_parts, save_parts


@dataclass
class Sitting:
    """Counts steps and time, and keeps parts in a file, from which the same call goes on.

    parts: what has a `state_dict`, by name. same: what has to hold now as it did when the file was begun.
    path: of the file. steps or minutes: the budget, by steps where both are given; minutes are of steps
    alone, over all calls. every: so many steps are reported, and the parts kept.
    processes: which train together; the first one's time counts, and it keeps the parts.
    step: the one that is being made, from 1; before the first of this call how many were made before.

    Raises ValueError for no budget, and for a file of another training (`load_parts`).

    >>> model = torch.nn.Linear(3, 1)
    >>> sitting = Sitting({"model": model}, {"seed": 0}, Path("state.pt"), steps=5)
    >>> for done in sitting:  # doctest: +SKIP
    ...     set_rates(optimizer, warm_cosine(done))
    """

    parts: Mapping[str, Any]
    same: Mapping[str, Any]
    path: Path
    steps: int | None = None
    minutes: float | None = None
    every: int = 200
    processes: Processes = ALONE
    step: int = field(init=False)
    seconds: float = field(init=False)
    _values: list[tuple[float, ...]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        if not self.steps and not self.minutes:
            raise ValueError("give a training its budget, in steps or in minutes, more than 0")
        left = load_parts(self.parts, self.same, self.path)
        self.step, self.seconds = left.get("step", 0), left.get("seconds", 0.0)

    def __iter__(self) -> Iterator[float]:
        """What share of the budget is spent before each step that is left."""
        while (done := self._done()) < 1:
            since = time.monotonic()
            self.step += 1
            yield done
            self.seconds += time.monotonic() - since
            if self.reports:
                self._keep()
        self._keep()

    @property
    def reports(self) -> bool:
        """Whether this step is one to be told of."""
        return self.step % self.every == 0 or self.step == self.steps

    def means(self, *values: float) -> list[float]:
        """The means of what each step since the last report gave, where this one is reported; else none."""
        self._values.append(values)
        if not self.reports:
            return []
        means = [sum(column) / len(column) for column in zip(*self._values, strict=True)]
        self._values.clear()
        return means

    def __str__(self) -> str:
        return f"step {self.step}, {self.seconds / 60:.1f} min"

    def _done(self) -> float:
        if self.steps:
            return self.step / self.steps
        assert self.minutes, "checked above"
        return self.processes.shared(self.seconds / 60 / self.minutes)

    def _keep(self) -> None:
        if not self.processes.is_first:
            return
        told = {**self.same, "step": self.step, "seconds": self.seconds}
        save_parts(self.parts, told, self.path)


def warm_cosine(done: float, warm: float = 0.04) -> float:
    """What a learning rate is multiplied by: it rises over the first share, and falls to nothing.

    done: share of all that is done. warm: over which it rises.
    """
    return min(1.0, 0.01 + done / warm) * (0.5 + 0.5 * math.cos(math.pi * done))


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Every group's rate, as a multiple of what it was made with."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def descend(
    optimizers: Iterable[torch.optim.Optimizer],
    learned: Iterable[torch.nn.Parameter],
    factor: float,
    most: float,
) -> None:
    """One step down the gradient that `learned` has, which is used up; rates times a factor (`set_rates`).

    most: norm of all gradients together, above which they are scaled down to it.
    """
    torch.nn.utils.clip_grad_norm_(learned, most)
    for optimizer in optimizers:
        set_rates(optimizer, factor)
        optimizer.step()
        optimizer.zero_grad()
