"""Batches of samples to rows: what fails becomes a row with its error, nothing is dropped."""

import contextlib
import random
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from samkit.data.dataset import Dataset
from samkit.evaluation.rows import Row, plain
from samkit.evaluation.summary import Metric
from samkit.pipeline import LoadError, Pipeline, load_ahead
from samkit.types import Sample
from samkit.types.sample import SampleId

Seconds = dict[str, float]
OnSample = Callable[[Sample], None]


def score_batches(
    samples: Sequence[Sample],
    ids: Sequence[SampleId],
    pending: Sequence[int],
    pipeline: Pipeline,
    metric: Metric,
    batch_size: int,
    seed: int,
    on_sample: OnSample | None = None,
) -> Generator[list[Row], None, None]:
    """The rows of one batch after the other.

    pending: indices of the samples to work on, whole batches of them. Each row has its share of the
    seconds that its batch took, so that the seconds of any rows add up.
    """
    index_of = {ids[index]: index for index in pending}
    todo = Dataset("todo", list(index_of), lambda id: samples[index_of[id]])
    start = time.perf_counter()
    with contextlib.closing(load_ahead(todo, batch_size)) as batches:
        for number, batch in enumerate(batches):
            seconds: Seconds = {"data": time.perf_counter() - start}
            indices = pending[number * batch_size :][: len(batch)]
            with _seeded(seed + indices[0]):
                answers = _answers(batch, pipeline, metric, on_sample, seconds)
            seconds["total"] = time.perf_counter() - start
            share = {phase: round(taken / len(batch), 6) for phase, taken in seconds.items()}
            yield [
                {"index": index, "id": ids[index], **answer, "seconds": share}
                for index, answer in zip(indices, answers, strict=True)
            ]
            start = time.perf_counter()


def _answers(
    batch: Sequence[Sample | LoadError],
    pipeline: Pipeline,
    metric: Metric,
    on_sample: OnSample | None,
    seconds: Seconds,
) -> list[dict[str, Any]]:
    """{"row": what the metric says} or {"error": why not} for each of a batch."""
    finished = iter(_run(pipeline, [s for s in batch if isinstance(s, Sample)], seconds))
    answers: list[dict[str, Any]] = []
    for item in batch:
        done = _error_text(item.error) if isinstance(item, LoadError) else next(finished)
        if isinstance(done, str):
            answers.append({"error": done})
            continue
        if on_sample is not None:
            on_sample(done)
        start = time.perf_counter()
        try:
            answers.append({"row": plain(metric.score(done))})
        except Exception as error:
            answers.append({"error": _error_text(error)})
        seconds["score"] = seconds.get("score", 0.0) + time.perf_counter() - start
    return answers


def _run(pipeline: Pipeline, samples: Sequence[Sample], seconds: Seconds) -> list[Sample | str]:
    """The finished samples; in the place of one that fails, why."""
    if not samples:
        return []
    try:
        finished = pipeline.run(samples, seconds)
        before, after = [s.id for s in samples], [s.id for s in finished]
        if after != before:
            raise ValueError(f"stages keep samples in order: {before} went in, {after} came out")
        return [*finished]
    except Exception as error:
        failure = _error_text(error)
    # Not inside `except`: there the error would keep the failed batch's tensors in memory.
    if len(samples) == 1:
        return [failure]
    alone = [answer for sample in samples for answer in _run(pipeline, [sample], seconds)]
    if not any(isinstance(answer, str) for answer in alone):
        text = f"{len(samples)} samples failed together ({failure}), but passed one by one"
        warnings.warn(text, stacklevel=2)
    return alone


def _error_text(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Global generators set to a seed and put back: who evaluates may be in the middle of training."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    mps_state = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    with torch.random.fork_rng(devices):  # of CPU and CUDA
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
            if mps_state is not None:
                torch.mps.set_rng_state(mps_state)
