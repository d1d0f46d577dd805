"""Masks for a dataset that has boxes: COCO's JSON or YOLO's labels in, the same with masks out.

    python recipes/boxes_to_masks.py                                              tiny, made-up scenes
    python recipes/boxes_to_masks.py --data annotations/instances.json --images photos/ --sam vit_h
    python recipes/boxes_to_masks.py --data dataset/images/train --sam vit_h      YOLO's labels/train

Not in the paper, and what people use SAM for most. Every box is a prompt, the best of three masks by
predicted IoU is its mask. Nothing of the input is lost: keys that no reader knows are carried over,
and what has a mask keeps it. A run that was killed goes on where it was. 9 seconds of one core without
arguments: 194 masks of 20 scenes.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer

from samkit import Sample, load_sam
from samkit.data import Dataset, coco, lvis, shapes, yolo_labels
from samkit.data.shapes.export import to_coco
from samkit.data.yolo_labels import labels_folder, labels_with_masks
from samkit.evaluation import format_errors, write_each
from samkit.evaluation.rows import write_atomically
from samkit.ops import rle
from samkit.ops.polygons import to_coco_polygons
from samkit.pipeline import Stage
from samkit.sam.mask_refiner import load_mask_refiner
from samkit.stages import Embed, GroundTruthBoxes, RedrawMasks, Refine, Segment, SegmentZoomed
from samkit.types.sample import SampleId


def main(
    sam: str = "tiny",
    data: str = "shapes",
    images: Path | None = None,
    labels: Path | None = None,
    refine: bool = False,
    zoom: float | None = None,
    redraw: str | None = None,
    polygons: bool = False,
    limit: int | None = None,
    out: Path = Path("runs/boxes_to_masks"),
    device: str = "auto",
    dtype: str = "float32",
) -> None:
    """OUT/NAME_masks.json for a COCO file, or OUT/labels/*.txt for YOLO's.

    sam: tiny, vit_b, vit_l, vit_h, or a file. data: shapes, a COCO (or LVIS) JSON, or a folder of
    pictures that has YOLO's labels. images: the JSON's pictures, found beside it where not given.
    labels: YOLO's label files, likewise. refine: feed each mask back with its box. zoom: every
    box in a crop of its own, so many times its side (stages.SegmentZoomed): slower, and far better for
    small objects. redraw: tiny, or a file of train_mask_refiner.py, which draws every mask anew
    (stages.RedrawMasks); it helps tiny. polygons: COCO masks as polygons instead of run lengths, just as
    exact. limit: the first N pictures only.
    """
    if data == "shapes":
        data = str(to_coco(shapes(limit or 20), out / "shapes", boxes_only=True))
    model = load_sam(sam, device, dtype)
    if zoom and refine:
        raise typer.BadParameter("masks of --zoom cannot be fed back: --zoom or --refine")
    segment = SegmentZoomed(model, context=zoom) if zoom else Embed(model) | Segment(model)
    pipeline = GroundTruthBoxes() | segment
    pipeline = pipeline | Refine(model) if refine else pipeline
    if redraw:
        pipeline = pipeline | RedrawMasks(load_mask_refiner(redraw, device))
    if Path(data).is_dir():
        labels = labels or labels_folder(Path(data))
        errors = yolo_files(Path(data), labels, pipeline, limit, out)
    else:
        errors = coco_file(Path(data), images, pipeline, polygons, limit, out)
    if errors:
        print(format_errors(errors))
        raise typer.Exit(1)


def coco_file(
    path: Path, images: Path | None, pipeline: Stage, polygons: bool, limit: int | None, out: Path
) -> dict[SampleId, str]:
    """The masks of each picture under OUT/parts, then the input with all of them. Returns errors."""
    whole = json.loads(path.read_text())
    reader = lvis if "frequency" in next(iter(whole["categories"]), {}) else coco
    dataset = reader(path, images=images, boxes_only=True).limit(limit)
    wanting = {one["image_id"] for one in whole["annotations"] if lacks_mask(one)}
    places = {id: place for place, id in enumerate(dataset.ids) if id in wanting}
    todo = Dataset(dataset.name, list(places), lambda id: dataset[places[id]])

    def content(sample: Sample) -> str:
        truth, masks = sample.annotations, sample.masks
        assert truth is not None and masks is not None
        assert truth.ids is not None and truth.is_crowd is not None
        ids, scores = truth.ids[~truth.is_crowd].tolist(), masks.predicted_iou.tolist()
        return json.dumps(list(zip(ids, masks.rle(), scores, strict=True)))

    def part(id: SampleId) -> Path:
        return out / "parts" / f"{quote(str(id), safe='')}.json"

    source = f"{path.name}, sha256 {sha256(path.read_bytes()).hexdigest()}"
    errors = write_each(todo, pipeline, part, content, out / "run.json", source)
    parts = [json.loads(part(id).read_text()) for id in todo.ids if part(id).exists()]
    found = {one[0]: one[1:] for rows in parts for one in rows if rle.areas(one[1:2])[0]}
    for one in whole["annotations"]:
        if lacks_mask(one) and one["id"] in found:
            add_mask(one, *found[one["id"]], polygons)
    result, left = out / f"{path.stem}_masks.json", sum(map(lacks_mask, whole["annotations"]))
    write_atomically(result, json.dumps(whole))
    print(f"{result}: {len(found)} masks, {left} annotations are left without")
    return errors


def lacks_mask(one: dict[str, Any]) -> bool:
    return not one.get("segmentation") and not one.get("iscrowd")


def add_mask(one: dict[str, Any], mask: rle.RLE, score: float, polygons: bool) -> None:
    """Into an annotation. COCO's area is the mask's; another one that was there before is kept."""
    [area] = rle.areas([mask]).tolist()
    if one.get("area", area) != area:
        one["area_before"] = one["area"]
    segmentation = to_coco_polygons(mask) if polygons else mask
    one.update(segmentation=segmentation, area=area, predicted_iou=score)


def yolo_files(
    images: Path, labels: Path, pipeline: Stage, limit: int | None, out: Path
) -> dict[SampleId, str]:
    """OUT/labels with each box's line made a polygon's; polygons stay. Returns errors."""

    def text(id: SampleId) -> Path:
        return Path(str(id)).with_suffix(".txt")

    def content(sample: Sample) -> str:
        assert sample.masks is not None
        return labels_with_masks(labels / text(sample.id), sample.masks.rle())

    def place(id: SampleId) -> Path:
        return out / "labels" / text(id)

    dataset, source = yolo_labels(images, labels, limit=limit), str(labels.resolve())
    errors = write_each(dataset, pipeline, place, content, out / "run.json", source)
    print(f"{out / 'labels'}: {len(dataset) - len(errors)} of {len(dataset)} pictures")
    return errors


if __name__ == "__main__":
    typer.run(main)
