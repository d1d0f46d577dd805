"""Pictures to edges in one call: the stages and settings of the paper's section 7.2, put together."""

from samkit.pipeline import Pipeline, Stage
from samkit.sam.family import SamModel
from samkit.stages.edges import Edges
from samkit.stages.proposals import Proposals
from samkit.stages.segment import Embed
from samkit.stages.segment_zoomed import MaskBoxes, SegmentZoomed


def find_edges(
    sam: SamModel,
    points_per_side: int = 16,
    zoom: float | None = None,
    guided: float | None = None,
) -> Pipeline:
    """Images to `edges`, as in the paper: a grid of points, no filter by quality, NMS at .7, `Edges`.

    What the paper has not: zoom asks for every mask again in a crop so many times the side of its box
    (`SegmentZoomed`), whose logits are the finer the smaller the object is; guided is that of `Edges`.
    1.5 and .02 suit `tiny`.

    >>> import samkit
    >>> edges = find_edges(samkit.load_sam("tiny"), zoom=1.5, guided=0.02)
    """
    proposals = Proposals(
        sam,
        points_per_side=points_per_side,
        pred_iou_thresh=0,
        stability_score_thresh=0,
        box_nms_thresh=0.7,
        keep_logits=not zoom,
    )
    closer: Stage = Pipeline()
    if zoom:
        again = SegmentZoomed(sam, context=zoom, shared=True, keep_logits=True)
        closer = MaskBoxes() | again
    return Embed(sam) | proposals | closer | Edges(guided=guided)
