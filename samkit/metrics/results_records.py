"""What a results file and its annotations may hold: each record is checked, or refused by its place."""

from collections.abc import Mapping, Sequence
from typing import Any

from samkit.ops.records import (
    CROWD,
    ID,
    IMAGE,
    Key,
    Record,
    check_record,
    is_box,
    is_number,
    is_text,
    refuse_doubles,
)

CATEGORY: Mapping[str, Key] = {"id": ID, "frequency": ("r, c or f", is_text, False)}
REGION: Mapping[str, Key] = {
    "image_id": IMAGE["id"],
    "category_id": ID,
    "bbox": ("[x, y, width, height] in pixels", lambda box: not box or is_box(box), False),
}
ANNOTATION: Mapping[str, Key] = {
    **REGION,
    "area": ("a finite number", is_number, False),
    "iscrowd": CROWD,
}
RANKING = "a finite number (drop the result, or give it the score that ranks it)"
RESULT: Mapping[str, Key] = {**REGION, "score": (RANKING, is_number, True)}


def check_truth(truth: Any, path: object) -> None:
    """Raises ValueError unless this is COCO's or LVIS's annotation JSON, record by record."""
    lists = ("images", "annotations", "categories")
    if not isinstance(truth, dict) or not all(isinstance(truth.get(k), list) for k in lists):
        raise ValueError(
            f"{path} is no COCO file: images, annotations and categories are its lists"
        )
    _check(truth["images"], f"{path}, image", IMAGE)
    _check(truth["categories"], f"{path}, category", CATEGORY)
    _check(truth["annotations"], f"{path}, annotation", ANNOTATION)
    _refuse_nothing(truth["annotations"], f"{path}, annotation")
    refuse_doubles(path, "image", truth["images"])
    refuse_doubles(path, "category", truth["categories"])
    _refuse_unknown(truth["annotations"], truth, f"{path}: annotations")


def check_results(results: Any, truth: Record, path: object) -> None:
    """Raises ValueError unless these are detections of the truth's images and categories."""
    if not isinstance(results, list):
        raise ValueError(f"{path} is no results file: a JSON list of detections")
    _check(results, f"{path}, result", RESULT)
    _refuse_nothing(results, f"{path}, result")
    _refuse_unknown(results, truth, f"{path}: results")


def _check(records: Sequence[Any], place: str, keys: Mapping[str, Key]) -> None:
    for number, record in enumerate(records):
        check_record(f"{place} {number}", record, keys)


def _refuse_nothing(records: Sequence[Record], place: str) -> None:
    for number, record in enumerate(records):
        if not record.get("segmentation") and not record.get("bbox"):
            raise ValueError(
                f"{place} {number} has no segmentation and no bbox; give it one of them"
            )


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
