"""`evaluate`: every sample through a pipeline and a metric, with files that can be resumed."""

import contextlib
import hashlib
import json
import platform
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from samkit import __version__
from samkit.evaluation.batches import score_batches
from samkit.evaluation.rows import (
    FORMAT,
    Header,
    Row,
    as_line,
    plain,
    read_rows,
    resume,
    write_atomically,
)
from samkit.evaluation.summary import Metric, Summary, summarise
from samkit.ops.memory import at_intervals, give_back_freed_memory
from samkit.pipeline import Pipeline, Stage, describe
from samkit.types import Sample
from samkit.types.sample import SampleId


def evaluate(
    samples: Iterable[Sample],
    pipeline: Stage,
    metric: Metric,
    out: str | Path | None = None,
    batch_size: int = 1,
    paper: Mapping[str, float] | None = None,
    seed: int = 0,
    progress: bool = True,
    on_sample: Callable[[Sample], None] | None = None,
) -> Summary:
    """Every sample through the pipeline and the metric; returns the summary.

    samples: a `Dataset`, or any other samples; give their images as functions, so that only those at
        work are in memory. pipeline: a pipeline, or a single stage. metric: see `Metric`.
    out: a folder for rows.jsonl and summary.json; None writes nothing. Called again with a folder
        that has rows of the same run, it goes on from there: killed at any moment, it ends with the
        metrics, samples and errors of an unbroken run. Samples found there are not even decoded;
        those that failed, and their batches, are tried again.
    batch_size: samples worked on together. paper: the paper's numbers, by the metric's names.
    seed: Python's, numpy's and torch's global generators are set from it before each batch, and put
        back after it.
    on_sample: called with each sample that has passed the pipeline, before its row is written.

    The summary: metrics {name: value}, paper {name: value}, run (sam, dtype, data, ids, pipeline,
    metric, seed, device, batch_size, versions), samples (all of them), errors (how many of them have
    no score), seconds {data, encode, decode, score, total}. `data` is the time spent waiting for
    pictures, which are decoded ahead; seconds of resumed runs add up.

    Raises ValueError for ids that occur twice, a pipeline that reads a field nobody wrote, and a
    folder with another run's rows; RuntimeError if every sample failed.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is at least 1, got {batch_size}")
    samples = samples if isinstance(samples, Sequence) else list(samples)
    pipeline = Pipeline() | pipeline
    ids = _unique_ids(samples)
    header = _header(samples, ids, pipeline, metric, batch_size, seed)
    path = None if out is None else Path(out) / "rows.jsonl"
    rows: dict[int, Row] = {}
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        header, rows = resume(path, header)
    pending = [index for index in range(len(ids)) if index not in rows]
    _refuse_unfed(pipeline, samples, pending)

    work = score_batches(samples, ids, pending, pipeline, metric, batch_size, seed, on_sample)
    bar = tqdm(total=len(ids), initial=len(rows), unit="sample", disable=not progress)
    tidy = at_intervals(give_back_freed_memory)
    errors = 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(bar)
        stack.enter_context(contextlib.closing(work))
        file = stack.enter_context(path.open("a", encoding="utf-8")) if path else None
        try:
            for batch in work:
                if file:
                    file.write("".join(map(as_line, batch)))
                    file.flush()
                rows.update({row["index"]: row for row in batch})
                errors += sum("error" in row for row in batch)
                bar.set_postfix({"errors": errors}, refresh=False)
                bar.update(len(batch))
                tidy()
        except KeyboardInterrupt:
            bar.close()
            kept = f"the same call goes on from there ({path})" if path else "none kept: no `out`"
            print(f"stopped after {len(rows)} of {len(ids)} samples; {kept}", file=sys.stderr)
            raise
    summary = summarise(header, [rows[index] for index in sorted(rows)], metric, paper)
    if path is not None:
        write_atomically(path.with_name("summary.json"), json.dumps(summary, indent=2) + "\n")
    return summary


def rescore(
    rows_path: str | Path, metric: Metric, paper: Mapping[str, float] | None = None
) -> Summary:
    """A summary made again from a row file, without model or images; nothing is written.

    metric: the one that made the rows, or one that reads them otherwise. Warns where the run has not
    finished. Raises FileNotFoundError for no file and ValueError for one without a header.
    """
    header, rows = read_rows(Path(rows_path))
    if not header:
        raise ValueError(f"{rows_path} is empty: not even its header was written")
    if len(rows) < header["samples"]:
        text = f"{rows_path} has rows of {len(rows)} of {header['samples']} samples so far"
        warnings.warn(text, stacklevel=2)
    return summarise({**header, "metric": _repr(metric)}, list(rows.values()), metric, paper)


def _unique_ids(samples: Sequence[Sample]) -> list[SampleId]:
    given = samples.ids if hasattr(samples, "ids") else [sample.id for sample in samples]
    ids: list[SampleId] = plain(list(given))
    if not ids:
        raise ValueError("there are no samples to evaluate")
    doubles = [str(id) for id, times in Counter(ids).items() if times > 1]
    if doubles:
        raise ValueError(
            f"sample ids occur twice: {', '.join(doubles[:5])}; rows are told apart by them"
        )
    return ids


def _header(
    samples: Sequence[Sample],
    ids: Sequence[SampleId],
    pipeline: Pipeline,
    metric: Metric,
    batch_size: int,
    seed: int,
) -> Header:
    """Who this run is. Raises ValueError for a pipeline with a nameless lambda in it."""
    sams = [stage.sam for stage in pipeline.parts() if hasattr(stage, "sam")]
    digest = hashlib.sha256(json.dumps(ids).encode()).hexdigest()
    return {
        "format": FORMAT,
        "sam": _joined(sam.name for sam in sams),
        "dtype": _joined(getattr(sam, "dtype", None) for sam in sams),
        "data": str(getattr(samples, "name", "samples without a name")),
        # Names of data are given by people; the ids tell two of the same name apart.
        "ids": f"{len(ids)} from {ids[0]!r} to {ids[-1]!r}, sha256 {digest[:12]}",
        "pipeline": repr(pipeline),
        "metric": _repr(metric),
        "seed": seed,
        "device": _joined(getattr(sam, "device", None) for sam in sams),
        "batch_size": batch_size,
        "versions": {
            "samkit": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "numpy": np.__version__,
        },
        "samples": len(ids),
    }


def _joined(values: Iterable[Any]) -> str | None:
    """One text for what a pipeline's SAMs say of themselves; nearly always they are one and the same."""
    texts = dict.fromkeys(str(v).removeprefix("torch.") for v in values if v is not None)
    return " and ".join(texts) or None


def _repr(metric: Metric) -> str:
    if type(metric).__repr__ is not object.__repr__:
        return repr(metric)
    settings = ", ".join(f"{name}={describe(value)}" for name, value in vars(metric).items())
    return f"{describe(metric)}({settings})"


def _refuse_unfed(pipeline: Pipeline, samples: Sequence[Sample], pending: Sequence[int]) -> None:
    """A field that nobody writes is told before the first image, not once per sample."""
    for index in pending[:1]:
        try:
            sample = samples[index]
        except Exception:  # It gets its row with the error, like any other sample.
            return
        pipeline.check([sample])
