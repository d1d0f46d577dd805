"""A results file from outside, evaluated as it stands."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from samkit.metrics.average_precision import Objects
from samkit.metrics.mask_ap import Federated, MaskAP
from samkit.metrics.results_records import check_results, check_truth
from samkit.ops import rle
from samkit.ops.json_text import read_json_file
from samkit.ops.records import Record

Size = tuple[int, int]


def evaluate_results(
    annotation_file: str | Path,
    results_file: str | Path,
    iou_type: Literal["segm", "bbox"] = "segm",
    lvis: bool = False,
) -> dict[str, float]:
    """MaskAP's summary of a COCO results file, exactly as pycocotools (or lvis-api) counts it.

    annotation_file: COCO instances or LVIS JSON. results_file: a JSON list of records with
    image_id, category_id, score and `bbox` (xywh), `segmentation` or both. Where the first record
    has a bbox, the boxes decide the detections' size bins even among masks; take them out of a file
    of masks to have it counted by mask area, as samkit's own results are.

    Raises FileNotFoundError, and ValueError that names file, record and cure: for files that are
    neither of these, results of images or categories that the annotations do not have, records
    without score, segmentation or bbox, scores that are not finite, and masks of another size.

    >>> evaluate_results("instances_val2017.json", "results.json")["AP"]  # doctest: +SKIP
    0.465
    """
    metric = MaskAP(iou_type, lvis)
    truth, results = read_json_file(annotation_file), read_json_file(results_file)
    check_truth(truth, annotation_file)
    check_results(results, truth, results_file)
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}

    true_records = _by_image(truth["annotations"], annotation_file, "annotation")
    found_records = _by_image(results, results_file, "result")
    # pycocotools' loadRes looks at the first record only, and so must who wants its numbers.
    by_box = bool(results) and bool(results[0].get("bbox"))
    frequency = {c["id"]: c.get("frequency", "") for c in truth["categories"]}
    rows = []
    for image in truth["images"]:
        id, size = image["id"], sizes[image["id"]]
        labels = Federated(
            image.get("neg_category_ids", ()),
            image.get("not_exhaustive_category_ids", ()),
            frequency,
        )
        true = _true_objects(true_records[id], size, iou_type)
        found = _found_objects(found_records[id], size, iou_type, by_box)
        rows.append(metric.score_objects(id, true, found, labels))
    return metric.summarise(rows)


def _true_objects(records: Sequence[Record], size: Size, iou_type: str) -> Objects:
    crowd = [record.get("iscrowd", 0) for record in records]
    areas = [
        record["area"] if "area" in record else rle.areas([_mask(record, size)])[0]
        for record in records
    ]
    return Objects.true(_classes(records), areas, _regions(records, size, iou_type), crowd)


def _found_objects(records: Sequence[Record], size: Size, iou_type: str, by_box: bool) -> Objects:
    scores = np.array([record["score"] for record in records], dtype=np.float64)
    regions = _regions(records, size, iou_type)
    if by_box:
        areas = [_box(record)[2] * _box(record)[3] for record in records]
    else:
        areas = rle.areas([_mask(record, size) for record in records]).tolist()
    return Objects.found(_classes(records), areas, regions, scores)


def _classes(records: Sequence[Record]) -> Any:
    return np.array([record["category_id"] for record in records], dtype=np.int64)


def _regions(records: Sequence[Record], size: Size, iou_type: str) -> Any:
    if iou_type == "segm":
        return [_mask(record, size) for record in records]
    boxes = [
        _box(record) if record.get("bbox") else rle.boxes_xywh([_mask(record, size)])[0]
        for record in records
    ]
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def _box(record: Record) -> Sequence[float]:
    if not record.get("bbox"):
        raise ValueError(
            f"{record['place']}: it has no bbox, but the first result has one; "
            "give all results a bbox, or none"
        )
    box: Sequence[float] = record["bbox"]
    return box


def _mask(record: Record, size: Size) -> rle.RLE:
    if record.get("segmentation"):
        segmentation = record["segmentation"]
    else:  # A lone box is evaluated as the mask that fills it.
        x, y, width, height = record["bbox"]
        segmentation = [[x, y, x, y + height, x + width, y + height, x + width, y]]
    try:
        return rle.from_coco(segmentation, *size)
    except ValueError as error:
        raise ValueError(
            f"{record['place']} (of image {record['image_id']}): {error}; masks are of the size "
            "that the annotation file states for their image"
        ) from error


def _by_image(records: Sequence[Record], path: str | Path, kind: str) -> Mapping[Any, list[Record]]:
    """The records of each image; each with its place in the file, for what is found wrong later."""
    grouped: defaultdict[Any, list[Record]] = defaultdict(list)
    for number, record in enumerate(records):
        grouped[record["image_id"]].append({**record, "place": f"{path}, {kind} {number}"})
    return grouped
