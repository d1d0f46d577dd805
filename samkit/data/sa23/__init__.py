"""The 23 datasets of the paper's study of clicks to masks: readers, facts, sampling.

One function for all, `sa23(name, root)`; `suite(root)` tells which are there.
"""

from samkit.data.sa23.facts import DATASETS, Facts
from samkit.data.sa23.report import format_suite
from samkit.data.sa23.sampling import Sampling, sample_images
from samkit.data.sa23.suite import Found, sa23, suite

__all__ = [
    "DATASETS",
    "Facts",
    "Found",
    "Sampling",
    "format_suite",
    "sa23",
    "sample_images",
    "suite",
]
