"""The grammar: a stage maps a list of samples to as many samples; `a | b` is a pipeline.

What `for sample in (Embed(sam) | Segment(sam)).stream(samples)` does, without the grammar:

    for sample in samples:
        [embedding] = sam.encode([sample.image])
        [masks] = sam.decode([embedding], [sample.prompts])
        best = [3 * i + masks.predicted_iou[3 * i : 3 * i + 3].argmax() for i in range(len(sample.prompts))]
        yield sample.replace(masks=masks[best])

What it adds: pictures are decoded ahead in the background, fields are checked before the first
image, and embeddings are dropped once nobody needs them.
"""

import functools
import itertools
import os
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar

import torch

from samkit.types import Sample
from samkit.types.sample import SampleId


class Stage:
    """A step: called with a list of samples, it returns as many, in the same order.

    A subclass is a frozen dataclass of settings that defines `__call__`. It states which fields of
    `Sample` it `reads` and which it `writes`; `phase` names the clock that its time counts on.
    The laws that all stages obey are checked by `samkit.testing.check_stage`.
    """

    reads: ClassVar[tuple[str, ...]] = ()
    writes: ClassVar[tuple[str, ...]] = ()
    phase: ClassVar[str] = "decode"

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        raise NotImplementedError(f"{type(self).__name__} defines no __call__")

    def __or__(self, other: "Stage") -> "Pipeline":
        return Pipeline((*_steps(self), *_steps(other)))

    def parts(self) -> Iterator["Stage"]:
        """The stage, and all that it is made of: a pipeline's stages, and the pipelines of `Together`."""
        yield self
        for value in vars(self).values():
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, Stage):
                    yield from one.parts()

    def __repr__(self) -> str:
        """The stage as source; settings at their default, or marked repr=False, are left out."""
        if not is_dataclass(self):
            return f"{type(self).__name__}()"
        settings = []
        for number, field in enumerate(fields(self)):
            value = getattr(self, field.name)
            if number == 0 and not field.kw_only:
                settings.append(describe(value))
            elif field.repr and value is not field.default and value != field.default:
                settings.append(f"{field.name}={describe(value)}")
        return f"{type(self).__name__}({', '.join(settings)})"


class Pipeline(Stage):
    """Stages one after the other; itself a stage.

    `pipeline(samples)` keeps every field that was written. `pipeline.stream(samples)` is for many
    images: it walks them batch by batch and drops what no later stage reads.
    """

    def __init__(self, stages: Sequence[Stage] = ()) -> None:
        self.stages = tuple(stages)
        written: set[str] = set()
        needed: list[str] = []
        for stage in self.stages:
            needed += [f for f in stage.reads if f not in written and f not in needed]
            written |= set(stage.writes)
        # Of an instance, not of the class: a pipeline reads what its stages do not write themselves.
        self.reads = tuple(needed)  # type: ignore[misc]
        self.writes = tuple(sorted(written))  # type: ignore[misc]

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.stages)) or "Pipeline()"

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        samples = list(samples)
        self.check(samples)
        for stage in self.stages:
            samples = stage(samples)
        return samples

    def check(self, samples: Sequence[Sample]) -> None:
        """Raises ValueError if a stage reads a field that neither the samples nor a stage before it has."""
        known: set[str] = set.intersection(*(set(s.known()) for s in samples)) if samples else set()
        for stage in self.stages if samples else ():
            missing = [field for field in stage.reads if field not in known]
            if missing:
                cure = f"put a stage before it that writes {missing[0]}{_who_writes(missing[0])}"
                raise ValueError(
                    f"{type(stage).__name__} reads {', '.join(missing)}, which is not there; {cure}"
                )
            known |= set(stage.writes)

    def run(
        self, samples: Sequence[Sample], seconds: dict[str, float] | None = None
    ) -> list[Sample]:
        """One batch through all stages, dropping embeddings after their last reader.

        seconds: where given, each stage's time is added under its `phase`.
        """
        samples = list(samples)
        self.check(samples)
        for number, stage in enumerate(self.stages):
            start = time.perf_counter()
            samples = stage(samples)
            later = {f for s in self.stages[number + 1 :] for f in s.reads}
            if "embedding" in (*stage.reads, *stage.writes) and "embedding" not in later:
                samples = [sample.replace(embedding=None) for sample in samples]
            if seconds is not None:
                _settle()
                taken = time.perf_counter() - start
                seconds[stage.phase] = seconds.get(stage.phase, 0.0) + taken
        return samples

    def stream(
        self, samples: Iterable[Sample], batch_size: int = 1, ahead: int = 2
    ) -> Iterator[Sample]:
        """The samples one by one in order, worked on `batch_size` at a time.

        Pictures of the next `ahead` batches are decoded in the background, so memory is that of a
        few batches, whatever the number of samples. The embedding is not part of what comes out.
        Raises ValueError that names the sample where one cannot be read, and what a stage raises.
        """
        for batch in load_ahead(samples, batch_size, ahead):
            for loaded in batch:
                if isinstance(loaded, LoadError):
                    raise ValueError(
                        f"sample {loaded.id!r} cannot be read: {loaded.error}"
                    ) from loaded.error
            yield from self.run([s for s in batch if isinstance(s, Sample)])


class LoadError:
    """A sample that could not be read: its id and why."""

    def __init__(self, id: SampleId, error: Exception) -> None:
        self.id = id
        self.error = error


def load_ahead(
    samples: Iterable[Sample], batch_size: int, ahead: int = 2, workers: int = 2
) -> Generator[list[Sample | LoadError], None, None]:
    """Batches of samples with their pixels, the next `ahead` batches being read by threads.

    A sequence is indexed inside the threads, so that what a dataset does to make a sample runs there.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is at least 1, got {batch_size}")
    if isinstance(samples, Sequence):
        ids = samples.ids if hasattr(samples, "ids") else [sample.id for sample in samples]
        jobs: Iterable[Any] = (
            functools.partial(_load_item, samples, i, ids[i]) for i in range(len(samples))
        )
    else:
        jobs = (functools.partial(_load, sample) for sample in samples)
    jobs = iter(jobs)
    waiting: deque[list[Future[Sample | LoadError]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="samkit-load") as pool:
        try:
            while True:
                while len(waiting) <= ahead:
                    batch = [pool.submit(job) for job in itertools.islice(jobs, batch_size)]
                    if not batch:
                        break
                    waiting.append(batch)
                if not waiting:
                    return
                yield [future.result() for future in waiting.popleft()]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _load(sample: Sample) -> Sample | LoadError:
    try:
        return sample.loaded()
    except Exception as error:
        return LoadError(sample.id, error)


def _load_item(samples: Sequence[Sample], index: int, id: SampleId) -> Sample | LoadError:
    try:
        return samples[index].loaded()
    except Exception as error:
        return LoadError(id, error)


def describe(value: Any) -> str:
    """A setting as source: a callable by module and name or its own `.name`, the rest by repr.

    Raises ValueError for a lambda, which has no name to tell two of them apart.
    """
    if isinstance(value, os.PathLike):
        return repr(os.fspath(value))
    name = getattr(value, "name", None)
    if isinstance(name, str):
        return f"<{name}>"
    if isinstance(value, functools.partial):
        given = [describe(v) for v in value.args]
        given += [f"{k}={describe(v)}" for k, v in value.keywords.items()]
        return f"{describe(value.func)}({', '.join(given)})"
    if callable(value) and hasattr(value, "__qualname__"):
        if "<lambda>" in value.__qualname__:
            raise ValueError(
                "a lambda in a pipeline has no name by which a run could be recognised; use a def"
            )
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {describe(v)}" for k, v in value.items()) + "}"
    if type(value).__repr__ is object.__repr__:  # type: ignore[comparison-overlap]
        return f"{type(value).__module__}.{type(value).__qualname__}"
    return repr(value)


def _steps(stage: Stage) -> tuple[Stage, ...]:
    return stage.stages if isinstance(stage, Pipeline) else (stage,)


def _settle() -> None:
    """Waits for the GPU, so that a clock read next tells of the work done and not of its launch."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    if torch.backends.mps.is_available():
        torch.mps.synchronize()


def _who_writes(field: str) -> str:
    known = {
        "embedding": "Embed(sam)",
        "prompts": "GroundTruthBoxes()",
        "masks": "Segment(sam)",
    }
    return f", such as {known[field]}" if field in known else ""
