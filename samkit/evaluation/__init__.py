"""Run, score, summarise: a pipeline over samples, in files that survive being killed.

out/rows.jsonl: a header, then a line per sample: {"index", "id", "row" or "error", "seconds"}.
out/summary.json: what `evaluate` returns.
"""

from samkit.evaluation.run import evaluate, rescore
from samkit.evaluation.summary import Metric, Summary, format_summary

__all__ = ["Metric", "Summary", "evaluate", "format_summary", "rescore"]
