"""The laws of stages as a checker for anybody's stage, and small samples to check with."""

from samkit.testing.examples import example_samples
from samkit.testing.laws import check_stage

__all__ = ["check_stage", "example_samples"]
