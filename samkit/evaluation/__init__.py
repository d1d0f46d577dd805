"""Run, score, summarise: a pipeline over samples, in files that survive being killed.

out/rows.jsonl: a header, then a line per sample: {"index", "id", "row" or "error", "seconds"}.
out/summary.json: what `evaluate` returns.

`write_each` is for what is not scored: a file per sample, that too in runs that survive being killed.
"""

from samkit.evaluation.each import format_errors, write_each
from samkit.evaluation.run import evaluate, rescore
from samkit.evaluation.summary import Metric, Summary, format_summary

__all__ = [
    "Metric",
    "Summary",
    "evaluate",
    "format_errors",
    "format_summary",
    "rescore",
    "write_each",
]
