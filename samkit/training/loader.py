"""Batches made ahead, in worker processes: by the number of their step, so any can be made anywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader

from samkit.training.data import Feed, Mixture, make_batch
from samkit.training.step import Batch


def batches(
    mixture: Mixture,
    feed: Feed,
    seed: int,
    start: int,
    stop: int,
    rank: int = 0,
    processes: int = 1,
    workers: int = 1,
) -> Iterator[Batch]:
    """The batches of steps `start` to `stop` - 1, made ahead in worker processes."""
    source = _Batches(mixture, feed, seed, rank, processes)
    loader: DataLoader[Batch] = DataLoader(
        source,  # type: ignore[arg-type]
        sampler=range(start, stop),
        batch_size=None,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_one_thread if workers else None,
        prefetch_factor=4 if workers else None,
    )
    return iter(loader)


@dataclass(frozen=True)
class _Batches:
    """Batches by the number of their step, for the loader's workers."""

    mixture: Mixture
    feed: Feed
    seed: int
    rank: int
    processes: int

    def __getitem__(self, step: int) -> Batch:
        return make_batch(self.mixture, self.feed, self.seed, step, self.rank, self.processes)


def _as_it_is(batch: Any) -> Any:
    return batch


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
