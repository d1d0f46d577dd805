"""What a results file and its annotations may hold: each record is checked, or refused by its place."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

Record = dict[str, Any]

# Ids and areas beyond are nobody's; as floats they would overflow.
LARGEST = 2.0**62


def check_truth(truth: Any, path: object) -> None:
    """Raises ValueError unless this is COCO's or LVIS's annotation JSON, record by record."""
    lists = ("images", "annotations", "categories")
    if not isinstance(truth, dict) or not all(isinstance(truth.get(k), list) for k in lists):
        raise ValueError(
            f"{path} is no COCO file: images, annotations and categories are its lists"
        )
    _each(truth["images"], _check_image, f"{path}, image")
    _each(truth["categories"], _check_category, f"{path}, category")
    _each(truth["annotations"], _check_annotation, f"{path}, annotation")
    for kind in ("images", "categories"):
        ids = Counter(record["id"] for record in truth[kind])
        doubles = [repr(id) for id, times in ids.items() if times > 1]
        if doubles:
            raise ValueError(f"{path}: {kind} have ids twice: {', '.join(doubles[:5])}")
    _refuse_unknown(truth["annotations"], truth, f"{path}: annotations")


def check_results(results: Any, truth: Record, path: object) -> None:
    """Raises ValueError unless these are detections of the truth's images and categories."""
    if not isinstance(results, list):
        raise ValueError(f"{path} is no results file: a JSON list of detections")
    _each(results, _check_result, f"{path}, result")
    _refuse_unknown(results, truth, f"{path}: results")


def _each(records: Sequence[Any], check: Callable[[Record], None], place: str) -> None:
    for number, record in enumerate(records):
        try:
            if not isinstance(record, dict):
                raise ValueError(f"a record is an object, got {_short(record)}")
            check(record)
        except ValueError as error:
            raise ValueError(f"{place} {number}: {error}") from error


def _check_image(image: Record) -> None:
    _id(image, "id")
    for side in ("height", "width"):
        if _whole(image, side) < 1:
            raise ValueError(f"{side} is a whole number above 0, got {image[side]}")
    for key in ("neg_category_ids", "not_exhaustive_category_ids"):
        ids = image.get(key, [])
        if not isinstance(ids, list) or not all(_is_whole(id) for id in ids):
            raise ValueError(f"{key} is a list of category ids, got {_short(ids)}")


def _check_category(category: Record) -> None:
    _whole(category, "id")
    if not isinstance(category.get("frequency", ""), str):
        raise ValueError(f"frequency is r, c or f, got {_short(category['frequency'])}")


def _check_annotation(annotation: Record) -> None:
    _region(annotation)
    if "area" in annotation:
        _number(annotation, "area", "")
    if annotation.get("iscrowd", 0) not in (0, 1):
        raise ValueError(f"iscrowd is 0 or 1, got {_short(annotation['iscrowd'])}")


def _check_result(result: Record) -> None:
    _region(result)
    _number(result, "score", "; drop the result, or give it the score that ranks it")


def _region(record: Record) -> None:
    _id(record, "image_id")
    _whole(record, "category_id")
    if not record.get("segmentation") and not record.get("bbox"):
        raise ValueError("it has no segmentation and no bbox; give it one of them")
    box = record.get("bbox") or [0, 0, 0, 0]
    if (
        not isinstance(box, list)
        or len(box) != 4
        or not all(map(_is_number, box))
        or min(box[2:]) < 0
    ):
        raise ValueError(f"bbox is [x, y, width, height] in pixels, got {_short(box)}")


def _refuse_unknown(records: Sequence[Record], truth: Record, whose: str) -> None:
    for key, kind in (("image_id", "images"), ("category_id", "categories")):
        known = {record["id"] for record in truth[kind]}
        places = {
            str(r[key]): n for n, r in reversed(list(enumerate(records))) if r[key] not in known
        }
        if places:
            told = ", ".join(f"{id} (record {n})" for id, n in [*places.items()][-1:-6:-1])
            raise ValueError(
                f"{whose} have {key} values that the {kind} have not: {told}"
                f"{' ...' if len(places) > 5 else ''}; both files must be of one dataset"
            )


def _id(record: Record, key: str) -> None:
    value = _given(record, key)
    if not isinstance(value, str) and not _is_whole(value):
        raise ValueError(f"{key} is a whole number or a text, got {_short(value)}")


def _whole(record: Record, key: str) -> int:
    value = _given(record, key)
    if not _is_whole(value):
        raise ValueError(f"{key} is a whole number, got {_short(value)}")
    return int(value)


def _number(record: Record, key: str, cure: str) -> None:
    value = _given(record, key)
    if not _is_number(value):
        raise ValueError(f"{key} is a finite number, got {_short(value)}{cure}")


def _given(record: Record, key: str) -> Any:
    if key not in record:
        raise ValueError(f"it has no {key}")
    return record[key]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
