"""The JSON that SA-1B has for each picture, and the official generator's masks in it.

    image        image_id, width, height, file_name
    annotations  id, segmentation (COCO run lengths), bbox, area, predicted_iou, stability_score,
                 crop_box, point_coords ([[x, y]]); boxes are x, y, width, height

A `bbox` is the official generator's: its width is last - first, one less than COCO's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samkit.data.records import check_keys, check_pixel_count, is_pixel_box
from samkit.ops import rle
from samkit.ops.boxes import xywh_to_xyxy, xyxy_to_xywh
from samkit.ops.json_text import read_json_file
from samkit.ops.records import ID, SIDE, Key, Record, is_number, is_text
from samkit.types import Frame, Masks, Sample


@dataclass(frozen=True, eq=False)
class SA1BFile:
    """What such a file says: the picture's name, N masks, and their (N,) ids."""

    file_name: str
    masks: Masks
    ids: NDArray[np.int64]


def sa1b_content(sample: Sample, file_name: str, image_id: int | str | None = None) -> Record:
    """A sample's masks as the content of its JSON, to be written by `json.dumps`.

    file_name: the picture's. image_id: the sample's id where not given; SA-1B's own are numbers.
    A mask's point and crop box are those kept with it, else its prompt's points and its frame's crop.
    A score that is not known, such as an empty mask's stability, is null.

    Raises ValueError for a sample without masks.
    """
    masks = sample.masks
    if masks is None:
        raise ValueError(f"sample {sample.id!r} has no masks to write")
    masks = masks.replace(run_lengths=tuple(masks.rle()), stability=_stability(masks))
    run_lengths = masks.rle()
    areas, boxes = rle.areas(run_lengths), xyxy_to_xywh(masks.boxes())
    points, crops = _points(sample, masks), _crop_boxes(masks)
    annotations = [
        {
            "id": i + 1,
            "segmentation": run_lengths[i],
            "bbox": boxes[i].tolist(),
            "area": int(areas[i]),
            "predicted_iou": _known(masks.predicted_iou[i]),
            "stability_score": _known(masks.stability_score[i]),
            "crop_box": crops[i].tolist(),
            "point_coords": points[i],
        }
        for i in range(len(masks))
    ]
    height, width = masks.frame.original_size
    image = {"image_id": sample.id if image_id is None else image_id, "width": width}
    return {
        "image": {**image, "height": height, "file_name": file_name},
        "annotations": annotations,
    }


def read_sa1b(path: str | Path) -> SA1BFile:
    """The file's masks, as a model's answer. Raises ValueError that names it where it is none."""
    path = Path(path)
    content = read_json_file(path)
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise ValueError(f"{path} is none of SA-1B's files: an image and a list of annotations")
    image: Any = content.get("image")
    records = content["annotations"]
    check_keys(path, "image", [{"id": 0, **image} if isinstance(image, dict) else image], PICTURE)
    check_keys(path, "annotation", records, ANNOTATION)
    check_pixel_count(f"{path}: its image", image["height"], image["width"])
    size = (image["height"], image["width"])
    run_lengths = []
    for one in records:
        try:
            run_lengths.append(rle.from_coco(one["segmentation"], *size))
        except ValueError as error:
            raise ValueError(f"{path}: annotation {one['id']}: {error}") from error
    masks = Masks(
        Frame(size, size, max(size)),
        run_lengths=tuple(run_lengths),
        predicted_iou=_column(records, "predicted_iou"),
        stability=_column(records, "stability_score"),
        points=_one_point_each(records),
        crop_boxes=xywh_to_xyxy([one["crop_box"] for one in records]).astype(np.float32),
    )
    ids = np.array([one["id"] for one in records], dtype=np.int64)
    return SA1BFile(image["file_name"], masks, ids)


SCORE: Key = ("a number or null", lambda v: v is None or (is_number(v) and abs(v) < 1e38), True)
PICTURE: Mapping[str, Key] = {
    "height": SIDE,
    "width": SIDE,
    "file_name": ("a text", is_text, True),
}
ANNOTATION: Mapping[str, Key] = {
    "id": ID,
    "segmentation": ("run lengths", lambda value: isinstance(value, dict), True),
    "predicted_iou": SCORE,
    "stability_score": SCORE,
    "crop_box": ("[x, y, width, height]", is_pixel_box, True),
    "point_coords": ("[[x, y]]", lambda points: _are_points(points), True),
}


def _are_points(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(xy, list) and len(xy) == 2 and all(map(is_number, xy)) for xy in value
    )


def _column(records: Sequence[Record], key: str) -> NDArray[np.float32]:
    values = [math.nan if one[key] is None else one[key] for one in records]
    return np.array(values, dtype=np.float32)


def _one_point_each(records: Sequence[Record]) -> NDArray[np.float32] | None:
    """(N, 2) points, or None where a mask has none or several."""
    points = [one["point_coords"] for one in records]
    if any(len(own) != 1 for own in points):
        return None
    return np.array([xy for [xy] in points], dtype=np.float32).reshape(-1, 2)


def _known(value: np.float32) -> float | None:
    return float(value) if np.isfinite(value) else None


def _stability(masks: Masks) -> NDArray[np.float32]:
    if masks.stability is None and masks.logits is None:
        return np.full(len(masks), np.nan, dtype=np.float32)
    return masks.stability_score


def _points(sample: Sample, masks: Masks) -> list[list[list[float]]]:
    """Each mask's points as [[x, y], ...]; none where it answers no points."""
    if masks.points is not None:
        return [[xy] for xy in masks.points.tolist()]
    asked = None if sample.prompts is None else sample.prompts.points
    if asked is None:
        return [[] for _ in range(len(masks))]
    return [asked[i].tolist() for i in masks.prompt_index]


def _crop_boxes(masks: Masks) -> NDArray[np.float64]:
    """(N, 4) xywh of the part of the picture that each mask was found in."""
    if masks.crop_boxes is not None:
        return xyxy_to_xywh(masks.crop_boxes)
    height, width = masks.frame.original_size
    crop = masks.frame.crop_box or (0, 0, width, height)
    return xyxy_to_xywh([crop]).repeat(len(masks), axis=0)
