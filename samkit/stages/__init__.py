"""Steps of a pipeline, one idea per file."""

from samkit.stages.boxes_file import BoxesFromFile
from samkit.stages.detect import Detect
from samkit.stages.filter import Filter, NonMaxSuppression, Top
from samkit.stages.prompt import CenterPoint, Grid, GroundTruthBoxes
from samkit.stages.segment import Embed, Refine, Segment
from samkit.stages.yolo import Yolo

__all__ = [
    "BoxesFromFile",
    "CenterPoint",
    "Detect",
    "Embed",
    "Filter",
    "Grid",
    "GroundTruthBoxes",
    "NonMaxSuppression",
    "Refine",
    "Segment",
    "Top",
    "Yolo",
]
