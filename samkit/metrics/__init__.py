"""Metrics: each has score(sample) -> row and summarise(rows) -> dict."""

from samkit.metrics.boundary import BoundaryF
from samkit.metrics.click_iou import ClickIoU
from samkit.metrics.click_runs import mean_over_datasets, paired_difference
from samkit.metrics.mask_ap import MaskAP
from samkit.metrics.mask_ar import MaskAR
from samkit.metrics.phrase_iou import PhraseIoU
from samkit.metrics.results_file import evaluate_results

__all__ = [
    "BoundaryF",
    "ClickIoU",
    "MaskAP",
    "MaskAR",
    "PhraseIoU",
    "evaluate_results",
    "mean_over_datasets",
    "paired_difference",
]
