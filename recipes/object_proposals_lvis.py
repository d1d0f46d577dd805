"""Object proposals on LVIS: how many of the true objects a grid of points finds (paper, sec. 7.3, table 4).

    python recipes/object_proposals_lvis.py                        tiny, made-up scenes, a small grid
    python recipes/object_proposals_lvis.py --data lvis/ --sam vit_h
    python recipes/object_proposals_lvis.py --data lvis/ --method felzenszwalb

The paper's ViT-H on LVIS v1 val, mask AR@1000: all 59.3, S 45.5, M 81.6, L 86.9, frequent 59.1,
common 63.9, rare 65.8. Its setting (app. D.3): a 64x64 grid, no crops, no filter by predicted IoU or
stability, NMS at 0.9, and of more than 1000 masks the best by the mean of predicted IoU and stability.

Ours, on 14 images of LVIS v0.5 val, AR@1000: tiny-93ba7eea 8.9 (M 12.4, L 20.0), with
--points-per-side 16 --crops 2 --guided 0.25 18.5 (S 7.2, M 26.8, L 25.3), with --zoom 1.5 besides 26.0
(S 20.0, M 28.7, L 33.2), with --large 0.03 too 26.3 (S 15.4, M 30.8, L 39.5), which takes three minutes
an image; Felzenszwalb's segments, as many, 17.9 (S 12.8, M 21.1, L 22.1). Without arguments it takes 17
seconds of one core.
"""

from pathlib import Path
from typing import Literal

import typer

from samkit import evaluate, load_sam
from samkit.data import lvis, shapes
from samkit.evaluation import format_summary
from samkit.metrics import MaskAR
from samkit.metrics.paper import LVIS_PROPOSALS
from samkit.pipeline import Pipeline, Stage
from samkit.sam.mask_refiner import load_mask_refiner
from samkit.stages import (
    AverageScores,
    Embed,
    FavourLarge,
    Felzenszwalb,
    GuidedFilter,
    MaskBoxes,
    NonMaxSuppression,
    Proposals,
    RankByQuality,
    RedrawMasks,
    SegmentZoomed,
    Top,
)


def main(
    sam: str = "tiny",
    data: str = "shapes",
    method: Literal["sam", "felzenszwalb"] = "sam",
    points_per_side: int | None = None,
    crops: int = 0,
    zoom: float | None = None,
    looks: int = 2,
    large: float = 0.0,
    guided: float | None = None,
    redraw: str | None = None,
    limit: int | None = None,
    out: Path | None = None,
    device: str = "auto",
    dtype: str = "float32",
) -> None:
    """Average recall of a SAM's proposals, classes left aside.

    sam: tiny, vit_b, vit_l, vit_h, or a file. data: shapes, or an LVIS folder or JSON (v1 or v0.5);
    of a folder with several, val. method: sam, or segments of a classical algorithm as a baseline.
    points_per_side: 64 as in the paper; on shapes 16 where not given, to be quick. crops: layers of
    crops. zoom: every mask is asked for again in a crop so many times the side of its box
    (stages.SegmentZoomed), 1.5 suits tiny, and its predicted IoUs are averaged; looks: how often. large:
    what a mask's rank gains by its size (stages.FavourLarge), .03 suits tiny. guided: radius with which
    outlines follow the picture (stages.GuidedFilter), .25 to .5 suits tiny. redraw: tiny, or a file of
    train_mask_refiner.py, by which masks are drawn anew (stages.RedrawMasks). The paper has none of these.
    out: default runs/object_proposals_lvis/METHOD.
    """
    if looks < 1:
        raise typer.BadParameter(
            f"--looks is 1 or more, got {looks}; without --zoom there are none"
        )
    if method != "sam" and (points_per_side or crops or zoom or large or guided or redraw):
        raise typer.BadParameter(
            f"--method {method} asks no SAM, so leave out --points-per-side, --crops, --zoom, --large, "
            "--guided and --redraw"
        )
    dataset = shapes(limit or 10) if data == "shapes" else lvis(data, split=val(data)).limit(limit)
    if method == "sam":
        model = load_sam(sam, device, dtype)
        points_per_side = points_per_side or (16 if data == "shapes" else 64)
        find = Embed(model) | Proposals(
            model,
            points_per_side=points_per_side,
            pred_iou_thresh=0.0,
            stability_score_thresh=0.0,
            box_nms_thresh=0.9,
            crop_n_layers=crops,
            crop_nms_thresh=0.9,
        )
        favour: Stage = FavourLarge(large) if large else Pipeline()
        if zoom:
            closer = MaskBoxes() | SegmentZoomed(model, context=zoom, shared=True)
            for _ in range(looks - 1):
                find = find | closer | AverageScores() | NonMaxSuppression(0.75)
            find = find | closer | AverageScores() | favour | NonMaxSuppression(0.75)
        else:
            find = find | RankByQuality() | favour
        pipeline = find | Top(1000)
        if redraw:
            pipeline = pipeline | RedrawMasks(load_mask_refiner(redraw, device))
        pipeline = pipeline | GuidedFilter(radius=guided) if guided else pipeline
    else:
        pipeline = Felzenszwalb() | Top(1000)
    out, paper = out or Path("runs/object_proposals_lvis") / method, LVIS_PROPOSALS["SAM"]
    summary = evaluate(dataset, pipeline, MaskAR(), out=out, paper=paper)
    print(format_summary(summary))
    print("paper: ViT-H on LVIS v1 val, table 4")


def val(data: str) -> str | None:
    """The split's name if the folder has several annotation files."""
    files = [*Path(data).glob("annotations/lvis*.json"), *Path(data).glob("lvis*.json")]
    return "val" if len(files) > 1 else None


if __name__ == "__main__":
    typer.run(main)
