"""Checks of the records in a COCO or LVIS file: what each key must hold, told by file, kind and id."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samkit.ops.boxes import FARTHEST
from samkit.ops.images import pixel_limit
from samkit.ops.records import (
    CROWD,
    ID,
    IMAGE,
    Key,
    check_record,
    is_box,
    is_number,
    is_text,
    refuse_doubles,
)


def check_records(path: Path, content: Any) -> None:
    """Raises ValueError, with the file, the record and the cure, for what no reader could work with.

    That is: lists or keys that are missing, values of another kind than COCO's, ids given twice.
    """
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise ValueError(
                f"{path} has no list {key!r}; an instances file has images, annotations and "
                "categories (a results file goes to samkit.metrics.evaluate_results)"
            )
    check_keys(path, "image", content["images"], NAMED_IMAGE)
    check_keys(path, "annotation", content["annotations"], ANNOTATION)
    check_keys(path, "category", content["categories"], CATEGORY)
    if len({type(image["id"]) for image in content["images"]}) > 1:
        raise ValueError(f"{path} has image ids that are numbers and some that are texts")
    for image in content["images"]:
        check_pixel_count(f"{path}: image {image['id']}", image["height"], image["width"])


def check_pixel_count(name: str, height: int, width: int) -> None:
    """Raises ValueError for a size with more pixels than a picture may have; masks would fill memory."""
    limit = pixel_limit()
    if height * width > limit:
        raise ValueError(
            f"{name} is said to be {height} x {width}, more than {limit} pixels; if you trust it, "
            "allow more by SAMKIT_MAX_PIXELS"
        )


def is_pixel_box(value: Any) -> bool:
    """Whether it is COCO's [x, y, width, height], no size negative, as near as a picture's pixels."""
    return is_box(value) and all(abs(side) < FARTHEST / 2 for side in value)


NAMED_IMAGE: Mapping[str, Key] = {
    **IMAGE,
    "file_name": ("a text", is_text, False),
    # Exporters of other data write null.
    "coco_url": ("a text", lambda url: url is None or is_text(url), False),
}
ANNOTATION: Mapping[str, Key] = {
    "id": ID,
    "image_id": IMAGE["id"],
    "category_id": ID,
    "bbox": ("[x, y, width, height]", lambda box: not box or is_pixel_box(box), False),
    "area": ("a number, not negative", lambda area: is_number(area) and area >= 0, False),
    "iscrowd": CROWD,
}
CATEGORY: Mapping[str, Key] = {
    "id": ID,
    "name": ("a text", is_text, True),
    "frequency": ("r, c or f", lambda letter: letter in ("r", "c", "f"), False),
}


def check_keys(path: Path, what: str, records: Sequence[Any], keys: Mapping[str, Key]) -> None:
    """Raises ValueError where a record lacks a key, holds another kind of value, or repeats an id."""
    for record in records:
        id = record.get("id", "?") if isinstance(record, dict) else "?"
        check_record(f"{path}: {what} {str(id)[:80]}", record, keys)
    refuse_doubles(path, what, records)
