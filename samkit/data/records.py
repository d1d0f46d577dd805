"""Checks of the records in a COCO or LVIS file: what each key must hold, told by file, kind and id."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from samkit.ops.boxes import FARTHEST
from samkit.ops.images import pixel_limit
from samkit.ops.json_text import parse_json

Record = dict[str, Any]


def read_json_file(path: Path) -> Any:
    """What a JSON file holds. Raises ValueError that names it where it is none."""
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error


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
    check_keys(path, "image", content["images"], IMAGE)
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


def is_box(value: Any) -> bool:
    """Whether it is COCO's [x, y, width, height] in pixels, no size negative."""
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(is_number(side) and abs(side) < FARTHEST / 2 for side in value)
        and min(value[2:]) >= 0
    )


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def is_number(value: Any) -> bool:
    # Whole numbers may be too large for a float.
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_whole, value))


# (what it must be, its test, whether it must be there)
Key = tuple[str, Callable[[Any], bool], bool]
ID: Key = ("a whole number", is_whole, True)
SIDE: Key = ("a whole number above 0", lambda side: is_whole(side) and side > 0, True)
IMAGE: Mapping[str, Key] = {
    "id": ("a whole number or a text", lambda id: is_whole(id) or is_text(id), True),
    "height": SIDE,
    "width": SIDE,
    "file_name": ("a text", is_text, False),
    # Exporters of other data write null.
    "coco_url": ("a text", lambda url: url is None or is_text(url), False),
    "neg_category_ids": ("whole numbers", _whole_numbers, False),
    "not_exhaustive_category_ids": ("whole numbers", _whole_numbers, False),
}
ANNOTATION: Mapping[str, Key] = {
    "id": ID,
    "image_id": IMAGE["id"],
    "category_id": ID,
    "bbox": ("[x, y, width, height]", lambda box: not box or is_box(box), False),
    "area": ("a number, not negative", lambda area: is_number(area) and area >= 0, False),
    "iscrowd": ("0 or 1", lambda crowd: crowd in (0, 1), False),
}
CATEGORY: Mapping[str, Key] = {
    "id": ID,
    "name": ("a text", is_text, True),
    "frequency": ("r, c or f", lambda letter: letter in ("r", "c", "f"), False),
}


def check_keys(path: Path, what: str, records: Sequence[Any], keys: Mapping[str, Key]) -> None:
    """Raises ValueError where a record lacks a key, holds another kind of value, or repeats an id."""
    for record in records:
        if not isinstance(record, dict):
            raise ValueError(f"{path}: expected an {what} with its keys, got {str(record)[:80]}")
        name = f"{path}: {what} {str(record.get('id', '?'))[:80]}"
        for key, (expected, fits, needed) in keys.items():
            if key not in record:
                if needed:
                    raise ValueError(f"{name} has no {key}")
            elif not fits(record[key]):
                raise ValueError(f"{name}: {key} is {expected}, got {str(record[key])[:80]}")
    counts = Counter(record["id"] for record in records)
    doubles = [str(id) for id, count in counts.items() if count > 1]
    if doubles:
        raise ValueError(f"{path} has the {what} ids {', '.join(doubles[:5])} more than once")
