"""Rows to a summary, and a summary to a small table beside the paper's numbers."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from samkit.evaluation.rows import Header, Row, plain
from samkit.types import Sample

Summary = dict[str, Any]


class Metric(Protocol):
    """What is worked out of one sample, and out of all: any object with these two functions.

    Its repr identifies it, as a dataclass's does.
    """

    def score(self, sample: Sample) -> Mapping[str, Any]:
        """A row: small and exact, of numbers, texts, lists and dicts, never a list of masks."""

    def summarise(self, rows: Sequence[dict[str, Any]]) -> Mapping[str, float | None]:
        """Numbers by name, from the rows in the samples' order, as JSON gives them back.

        `NAME_low` and `NAME_high` beside a NAME are its interval, such as a bootstrap's. What is not
        defined may be NaN or None.
        """


def summarise(
    header: Header, rows: Sequence[Row], metric: Metric, paper: Mapping[str, float] | None = None
) -> Summary:
    """The summary of some rows of a run, as `evaluate` describes it.

    Raises RuntimeError that tells the first error where no sample was scored.
    """
    scored = [row["row"] for row in rows if "row" in row]
    if not scored:
        first = next(iter(rows), {"id": None, "error": "there are no rows"})
        raise RuntimeError(
            f"all {len(rows)} samples failed, the first ({first['id']!r}) with {first['error']}"
        )
    seconds = Counter(dict.fromkeys(("data", "encode", "decode", "score", "total"), 0.0))
    for row in rows:
        seconds.update(row["seconds"])
    start = time.perf_counter()
    metrics = plain(metric.summarise(scored))
    seconds.update(dict.fromkeys(("score", "total"), time.perf_counter() - start))
    return {
        "metrics": metrics,
        "paper": plain(paper or {}),
        "run": {name: value for name, value in header.items() if name not in ("format", "samples")},
        "samples": len(rows),
        "errors": len(rows) - len(scored),
        "seconds": {phase: round(taken, 3) for phase, taken in seconds.items()},
    }


def format_summary(summary: Summary) -> str:
    """A table of our numbers beside the paper's, and under it what made them.

    >>> run = {"sam": "tiny", "dtype": "float32", "device": "cpu", "pipeline": "A() | B()", "data": "shapes"}
    >>> print(format_summary({"metrics": {"AP": 41.25}, "paper": {"AP": 46.5}, "run": run,
    ...     "samples": 8, "errors": 0, "seconds": {"data": 0.5, "total": 2.0}}))
              ours  paper
    AP        41.2   46.5
    sam       tiny (float32, cpu)
    pipeline  A() | B()
    data      shapes: 8 samples, 0 errors
    seconds   data 0.5, total 2.0
    """
    metrics, paper, run = summary["metrics"], summary["paper"], summary["run"]
    ends = {f"{name}_{end}" for name in metrics for end in ("low", "high")} & set(metrics)
    table = [("", "ours", "paper", "interval" if ends else "")]
    for name in dict.fromkeys((*metrics, *paper)):
        if name not in ends:
            low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
            ours, theirs, *both = _numbers(metrics.get(name), paper.get(name), low, high)
            table.append((name, ours, theirs, "" if None in (low, high) else " to ".join(both)))
    phases = ", ".join(f"{phase} {taken:.1f}" for phase, taken in summary["seconds"].items())
    under = {
        "sam": f"{run['sam']} ({run['dtype']}, {run['device']})" if run["sam"] else "none",
        "pipeline": run["pipeline"],
        "data": f"{run['data']}: {summary['samples']} samples, {summary['errors']} errors",
        "seconds": phases,
    }
    name_width = max(map(len, (*under, *(row[0] for row in table))))
    widths = [max(len(row[column]) for row in table) for column in (1, 2, 3)]
    lines = [
        "  ".join([row[0].ljust(name_width), *map(str.rjust, row[1:], widths)]).rstrip()
        for row in table
    ]
    return "\n".join([*lines, *(f"{name:<{name_width}}  {text}" for name, text in under.items())])


def _numbers(*values: float | None) -> list[str]:
    """One row's numbers alike: counts whole, shares of 1 with three decimals, the rest with one."""
    known = [value for value in values if value is not None]
    decimals = 3 if all(abs(value) <= 1 for value in known) else 1
    decimals = 0 if all(isinstance(value, int) for value in known) else decimals
    return ["-" if value is None else f"{value:.{decimals}f}" for value in values]
