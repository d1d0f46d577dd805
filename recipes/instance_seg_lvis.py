"""Instance segmentation on LVIS: boxes in, masks out (paper, sec. 7.4, table 5).

    python recipes/instance_seg_lvis.py --data lvis/ --boxes lvis_vitdet.json --refine --sam vit_h

The paper's ViT-H with ViTDet-H boxes on LVIS v1 val: AP 44.7, S 32.5, M 57.6, L 65.5. Without
--data it runs on made-up scenes, scored as COCO: they have no federated labels.
"""

from pathlib import Path

import typer

from samkit import evaluate, load_sam, stored
from samkit.data import lvis, shapes
from samkit.evaluation import format_summary
from samkit.metrics import MaskAP
from samkit.metrics.paper import LVIS_INSTANCE_SEGMENTATION
from samkit.stages import BoxesFromFile, Embed, GroundTruthBoxes, Refine, Segment, SegmentZoomed


def main(
    sam: str = "tiny",
    data: str = "shapes",
    boxes: str = "gt",
    refine: bool = False,
    zoom: float | None = None,
    limit: int | None = None,
    out: Path = Path("runs/instance_seg_lvis"),
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int = 4,
    store: Path | None = None,
) -> None:
    """Mask AP of a SAM that is prompted with boxes, by LVIS's rules.

    sam: tiny, vit_b, vit_l, vit_h, or a file. data: shapes, or an LVIS folder or JSON (v1 or v0.5).
    boxes: gt (true boxes) or a results FILE.json. refine: feed each mask back with its box.
    zoom: every box in a crop of its own, so many times its side (stages.SegmentZoomed).
    store: a folder that keeps image embeddings, for the next run.
    """
    model = load_sam(sam, device, dtype)
    model = stored(model, store) if store else model
    dataset = shapes(limit or 100) if data == "shapes" else lvis(data).limit(limit)
    prompts = GroundTruthBoxes() if boxes == "gt" else BoxesFromFile(boxes)
    if isinstance(prompts, BoxesFromFile):
        prompts.check(dataset.ids)
    if zoom and refine:
        raise typer.BadParameter("masks of --zoom cannot be fed back: --zoom or --refine")
    segment = SegmentZoomed(model, context=zoom) if zoom else Embed(model) | Segment(model)
    pipeline = prompts | segment
    pipeline = pipeline | Refine(model) if refine else pipeline
    metric = MaskAP(lvis=data != "shapes")
    paper = LVIS_INSTANCE_SEGMENTATION["SAM"]
    summary = evaluate(dataset, pipeline, metric, out=out, batch_size=batch_size, paper=paper)
    print(format_summary(summary))
    print("paper: ViT-H with ViTDet-H boxes on LVIS v1 val, table 5")


if __name__ == "__main__":
    typer.run(main)
