"""Instance segmentation on COCO: boxes in, masks out (paper, sec. 7.4, table 5).

    python recipes/instance_seg_coco.py                                      tiny on made-up scenes
    python recipes/instance_seg_coco.py --data coco/ --boxes vitdet.json --refine --sam vit_h
    python recipes/instance_seg_coco.py --boxes proposals --limit 4          no boxes: a grid of points

The paper prompts ViT-H with the boxes of ViTDet-H on val2017, takes the best of three masks by
predicted IoU, and feeds it back once (`--refine`): AP 46.5, S 30.8, M 51.0, L 61.7. Published box
files of that detector are named in docs/recipes/instance_seg.md. Proposals have no classes, so that
their AP is class-agnostic, and no number of the paper's.
"""

from collections.abc import Callable
from pathlib import Path

import typer

from samkit import Sample, draw, evaluate, load_sam, stored
from samkit.data import Dataset, coco, shapes
from samkit.data.shapes import difficulty
from samkit.evaluation import format_summary
from samkit.metrics import MaskAP
from samkit.metrics.paper import COCO_INSTANCE_SEGMENTATION
from samkit.pipeline import Stage
from samkit.sam.mask_refiner import load_mask_refiner
from samkit.stages import (
    BoxesFromFile,
    Detect,
    Embed,
    GroundTruthBoxes,
    GuidedFilter,
    Proposals,
    RankByQuality,
    RedrawMasks,
    Refine,
    Segment,
    SegmentZoomed,
    Yolo,
)
from samkit.stages.proposals_settings import KEEP_ALL


def main(
    sam: str = "tiny",
    data: str = "shapes",
    boxes: str = "gt",
    refine: bool = False,
    zoom: float | None = None,
    guided: float | None = None,
    redraw: str | None = None,
    limit: int | None = None,
    out: Path = Path("runs/instance_seg_coco"),
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int = 4,
    store: Path | None = None,
    save_images: int = 0,
) -> None:
    """Mask AP of a SAM that is prompted with boxes.

    sam: tiny, vit_b, vit_l, vit_h, or a file. data: shapes, or a COCO folder or instances JSON.
    boxes: gt (true boxes), a COCO results FILE.json, an ultralytics detector NAME.pt, or proposals
    (everything mode instead of boxes, without its filters: the best 100 masks of an image count).
    refine: feed each mask back with its box. zoom: every box in a crop of its own, so many times its
    side (stages.SegmentZoomed), 1.5 suits tiny; the paper has none. guided: radius with which outlines follow the
    picture (stages.GuidedFilter), .25 suits tiny; the paper has none. redraw: tiny, or a file of
    train_mask_refiner.py, which draws each mask anew before that (stages.RedrawMasks); the paper has none.
    save_images: overlays of the first N samples.
    store: a folder that keeps image embeddings, for the next run.
    """
    model = load_sam(sam, device, dtype)
    model = stored(model, store) if store else model
    dataset = shapes(limit or 100) if data == "shapes" else coco(data).limit(limit)
    classless = boxes == "proposals"
    if classless and refine:
        raise typer.BadParameter("--refine feeds masks back with their boxes; proposals have none")
    if zoom and (classless or refine):
        raise typer.BadParameter(
            "--zoom is for boxes, and its masks cannot be fed back: no --refine"
        )
    if classless:
        pipeline = Embed(model) | Proposals(model, **KEEP_ALL) | RankByQuality()
    else:
        segment = SegmentZoomed(model, context=zoom) if zoom else Embed(model) | Segment(model)
        pipeline = boxes_stage(boxes, dataset) | segment
        pipeline = pipeline | Refine(model) if refine else pipeline
    if redraw:
        pipeline = pipeline | RedrawMasks(load_mask_refiner(redraw, device))
    pipeline = pipeline | GuidedFilter(radius=guided) if guided else pipeline
    summary = evaluate(
        dataset,
        pipeline,
        MaskAP(class_agnostic=classless),
        out=out,
        batch_size=batch_size,
        paper=None if classless else COCO_INSTANCE_SEGMENTATION["SAM"],
        on_sample=save_overlays(dataset, save_images, out / "images"),
    )
    print(format_summary(summary))
    if data == "shapes":
        figures = difficulty(len(dataset)).items()
        print("difficulty:", ", ".join(f"{name} {value:.3g}" for name, value in figures))
    if not classless:
        print("paper: ViT-H with ViTDet-H boxes on COCO val2017, table 5")


def boxes_stage(boxes: str, dataset: Dataset) -> Stage:
    """What writes the box prompts: the truth, a results file, or a detector of ultralytics."""
    if boxes == "gt":
        return GroundTruthBoxes()
    if boxes.endswith(".json"):
        stage = BoxesFromFile(boxes)
        stage.check(dataset.ids)
        return stage
    if boxes.endswith(".pt"):
        # Average precision wants every box there is, not only those fit to be shown.
        detector = Yolo(boxes, dataset.class_names, confidence=0.001, max_boxes=300)
        return Detect(detector)
    raise typer.BadParameter(f"--boxes is gt, a FILE.json, a NAME.pt or proposals, got {boxes!r}")


def save_overlays(dataset: Dataset, count: int, folder: Path) -> Callable[[Sample], None] | None:
    """A function that draws a finished sample if it is one of the first `count`."""
    wanted = set(dataset.ids[:count])
    if wanted:
        folder.mkdir(parents=True, exist_ok=True)

    def save(sample: Sample) -> None:
        if sample.id in wanted:
            draw(sample).save(folder / f"{sample.id}.png")

    return save if wanted else None


if __name__ == "__main__":
    typer.run(main)
