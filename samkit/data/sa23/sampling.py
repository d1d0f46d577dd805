"""Random images of a dataset that is larger than needed, as the paper draws them (appendix D.1)."""

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from samkit.data.dataset import Dataset
from samkit.ops import rle
from samkit.types import Sample
from samkit.types.sample import SampleId


@dataclass(frozen=True)
class Sampling:
    """Images drawn from a dataset, and what was counted on the way.

    dataset: the images in the order drawn, those that cannot be read among them: whoever asks for
        one gets its error. masks: of at least one pixel, in all of them.
    without_objects: images that were left out because nothing is annotated on them.
    unreadable: sample ids and errors. whole: whether every image was drawn.
    """

    dataset: Dataset
    masks: int
    without_objects: int
    unreadable: dict[SampleId, str]
    whole: bool


def sample_images(
    dataset: Dataset,
    masks: int = 10_000,
    largest: int = 15_000,
    seed: int = 0,
    limit: int | None = None,
) -> Sampling:
    """Images in random order until they have `masks` masks; all, where there are at most `largest`.

    The paper draws images of datasets with more than 15,000 masks until there are about 10,000; it
    publishes neither its seed nor its list, so figures can be compared only statistically. Images
    without an object that can be clicked are left out, as its counts suggest. limit: at most so many
    images; the first of the same order.

    Annotations are read here, to be counted, and kept (as run lengths): nothing is read twice.
    Pictures are not decoded.
    """
    order = np.random.default_rng(seed).permutation(len(dataset)).tolist()
    drawn: dict[SampleId, Sample] = {}
    taken: list[SampleId] = []
    unreadable: dict[SampleId, str] = {}
    total = without = 0
    # Images, masks and images without objects when `masks` were reached.
    enough: tuple[int, int, int] | None = None
    whole = True
    for index, sample in _read(dataset, order):
        if (limit is not None and len(taken) >= limit) or total > largest:
            whole = False
            break
        id = dataset.ids[index]
        if isinstance(sample, Exception):
            unreadable[id] = f"{type(sample).__name__}: {sample}"
        elif not _objects(sample):
            without += 1
            continue
        else:
            drawn[id] = sample
            total += _visible(sample)
        taken.append(id)
        if enough is None and total >= masks:
            enough = (len(taken), total, without)
    if total > largest and enough is not None:
        whole = False
        count, total, without = enough
        taken = taken[:count]
        unreadable = {id: told for id, told in unreadable.items() if id in set(taken)}
    place = {id: index for index, id in enumerate(dataset.ids)}
    what = "" if whole else f", {len(taken)} of them by seed {seed}"

    def make(id: SampleId) -> Sample:
        return drawn[id] if id in drawn else dataset[place[id]]

    chosen = Dataset(f"{dataset.name}{what}", taken, make, dataset.class_names)
    return Sampling(chosen, total, without, unreadable, whole)


def _read(dataset: Dataset, order: list[int]) -> Iterator[tuple[int, Sample | Exception]]:
    """Samples in an order, or why there is none; a few ahead, by as many threads as cores."""

    def one(index: int) -> Sample | Exception:
        try:
            return dataset[index]
        except Exception as error:
            return error

    threads = os.cpu_count() or 1
    remaining = iter(order)
    with ThreadPoolExecutor(threads, thread_name_prefix="samkit-count") as pool:
        while some := list(itertools.islice(remaining, 4 * threads)):
            yield from zip(some, pool.map(one, some), strict=True)


def _objects(sample: Sample) -> int:
    truth = sample.annotations
    if truth is None or truth.run_lengths is None:
        raise ValueError(f"sample {sample.id!r} has no masks to be counted")
    return len(truth) if truth.is_crowd is None else int((~truth.is_crowd).sum())


def _visible(sample: Sample) -> int:
    truth = sample.annotations
    assert truth is not None and truth.run_lengths is not None
    seen = rle.areas(truth.run_lengths) > 0
    return int((seen if truth.is_crowd is None else seen & ~truth.is_crowd).sum())
