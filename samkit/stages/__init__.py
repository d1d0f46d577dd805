"""Steps of a pipeline, one idea per file."""

from samkit.stages.boxes_file import BoxesFromFile
from samkit.stages.clicks import Clicks
from samkit.stages.clicks_file import ClicksFromFile
from samkit.stages.detect import Detect
from samkit.stages.edges import Edges
from samkit.stages.edges_files import EdgesFromFiles
from samkit.stages.filter import Filter
from samkit.stages.merge import Merge
from samkit.stages.prompt import CenterPoint, Grid, GroundTruthBoxes
from samkit.stages.proposals import Proposals
from samkit.stages.rank import NonMaxSuppression, RankByQuality, Top
from samkit.stages.segment import Embed, Refine, Segment
from samkit.stages.yolo import Yolo

__all__ = [
    "BoxesFromFile",
    "CenterPoint",
    "Clicks",
    "ClicksFromFile",
    "Detect",
    "Edges",
    "EdgesFromFiles",
    "Embed",
    "Filter",
    "Grid",
    "GroundTruthBoxes",
    "Merge",
    "NonMaxSuppression",
    "Proposals",
    "RankByQuality",
    "Refine",
    "Segment",
    "Top",
    "Yolo",
]
