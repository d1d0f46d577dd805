"""A sample's truth and masks as evaluators take them; what MaskAP and MaskAR share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from samkit.metrics.average_precision import Objects
from samkit.ops import rle
from samkit.ops.boxes import box_areas, xyxy_to_xywh
from samkit.types import Annotations, Masks, Sample


def truth_and_masks(sample: Sample) -> tuple[Annotations, Masks]:
    """What is to be compared. Raises ValueError where one is missing, or their sizes differ."""
    annotations, masks = sample.annotations, sample.masks
    if annotations is None:
        raise ValueError(f"sample {sample.id!r} has no annotations to be scored against")
    if masks is None:
        raise ValueError(f"sample {sample.id!r} has no masks; the pipeline needs a Segment")
    if masks.frame.original_size != annotations.size:
        raise ValueError(
            f"masks of sample {sample.id!r} are {masks.frame.original_size} (height, width), "
            f"its annotations {annotations.size}"
        )
    return annotations, masks


def true_objects(annotations: Annotations, iou_type: str) -> Objects:
    """The truth; areas are the dataset's own, else the masks', else the boxes'.

    Raises ValueError where masks are to be compared and there are none.
    """
    run_lengths, areas = annotations.run_lengths, annotations.areas
    if iou_type == "segm" and run_lengths is None:
        raise ValueError("these annotations have boxes only; compare them with iou_type='bbox'")
    if areas is None and run_lengths is not None:
        areas = rle.areas(run_lengths).astype(np.float64)
    elif areas is None:
        areas = box_areas(annotations.boxes)
    regions = run_lengths if iou_type == "segm" else xyxy_to_xywh(annotations.boxes)
    return Objects.true(annotations.class_ids, areas, regions, annotations.is_crowd)


def found_objects(masks: Masks, iou_type: str, class_ids: NDArray[Any]) -> Objects:
    """The masks, or the boxes around them, as detections of the given classes."""
    run_lengths = masks.rle()
    regions = run_lengths if iou_type == "segm" else rle.boxes_xywh(run_lengths)
    return Objects.found(class_ids, rle.areas(run_lengths), regions, masks.scores)
