"""Steps of a pipeline, one idea per file."""

from samkit.stages.boxes_file import BoxesFromFile
from samkit.stages.clicks import Clicks
from samkit.stages.clicks_file import ClicksFromFile
from samkit.stages.detect import Detect
from samkit.stages.detect_text import DetectText
from samkit.stages.edges import Edges
from samkit.stages.edges_files import EdgesFromFiles
from samkit.stages.felzenszwalb import Felzenszwalb
from samkit.stages.filter import Filter
from samkit.stages.find_by_text import FindByText
from samkit.stages.find_edges import find_edges
from samkit.stages.grabcut_masks import GrabCutMasks
from samkit.stages.guided_filter import GuidedFilter
from samkit.stages.merge import Merge
from samkit.stages.mirrored import Mirrored
from samkit.stages.prompt import CenterPoint, Grid, GroundTruthBoxes
from samkit.stages.proposals import Proposals
from samkit.stages.rank import AverageScores, FavourLarge, NonMaxSuppression, RankByQuality, Top
from samkit.stages.rank_by_finder import RankByFinder
from samkit.stages.rank_by_text import RankByText
from samkit.stages.redraw_masks import RedrawMasks
from samkit.stages.segment import Embed, Refine, Segment
from samkit.stages.segment_crops import SegmentCrops
from samkit.stages.segment_zoomed import MaskBoxes, SegmentZoomed
from samkit.stages.similarity import MaskSimilarity
from samkit.stages.text_prompt import TextPrompt, text_sam
from samkit.stages.together import Together
from samkit.stages.yolo import Yolo
from samkit.stages.yolo_text import YoloText
from samkit.stages.zero_shot import ZeroShot

__all__ = [
    "AverageScores",
    "BoxesFromFile",
    "CenterPoint",
    "Clicks",
    "ClicksFromFile",
    "Detect",
    "DetectText",
    "Edges",
    "EdgesFromFiles",
    "Embed",
    "FavourLarge",
    "Felzenszwalb",
    "Filter",
    "FindByText",
    "GrabCutMasks",
    "Grid",
    "GroundTruthBoxes",
    "GuidedFilter",
    "MaskBoxes",
    "MaskSimilarity",
    "Merge",
    "Mirrored",
    "NonMaxSuppression",
    "Proposals",
    "RankByFinder",
    "RankByQuality",
    "RankByText",
    "RedrawMasks",
    "Refine",
    "Segment",
    "SegmentCrops",
    "SegmentZoomed",
    "TextPrompt",
    "Together",
    "Top",
    "Yolo",
    "YoloText",
    "ZeroShot",
    "find_edges",
    "text_sam",
]
