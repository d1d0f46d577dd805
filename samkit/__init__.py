"""samkit: pipelines on one shared Segment Anything core."""

__version__ = "0.1.0"
