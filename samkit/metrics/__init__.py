"""Metrics: each has score(sample) -> row and summarise(rows) -> dict."""

from samkit.metrics.mask_ap import MaskAP
from samkit.metrics.results_file import evaluate_results

__all__ = ["MaskAP", "evaluate_results"]
