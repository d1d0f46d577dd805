"""Records of JSON files: what each key must hold, and what is told where it does not."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from samkit.ops.short import short

Record = dict[str, Any]
# (what it must be, its test, whether it must be there)
Key = tuple[str, Callable[[Any], bool], bool]


def check_record(name: str, record: Any, keys: Mapping[str, Key]) -> None:
    """Raises ValueError that begins with `name` where a key is missing or holds another kind of value.

    >>> check_record("photos.json, image 0", {"id": 7}, {"id": ID})
    """
    if not isinstance(record, dict):
        raise ValueError(f"{name}: a record is an object, got {short(record)}")
    for key, (expected, fits, needed) in keys.items():
        if key not in record:
            if needed:
                raise ValueError(f"{name} has no {key}")
        elif not fits(record[key]):
            raise ValueError(f"{name}: {key} is {expected}, got {short(record[key])}")


def refuse_doubles(path: object, what: str, records: Sequence[Record]) -> None:
    """Raises ValueError that names the ids that several of the file's records have."""
    counts = Counter(record["id"] for record in records)
    doubles = [short(id) for id, count in counts.items() if count > 1]
    if doubles:
        raise ValueError(f"{path} has the {what} ids {', '.join(doubles[:5])} more than once")


def is_whole(value: Any) -> bool:
    """Whether it is a whole number that 64 bits hold; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def is_number(value: Any) -> bool:
    """Whether it is a finite number; whole ones may be too large for a float."""
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_box(value: Any) -> bool:
    """Whether it is COCO's [x, y, width, height], no size negative."""
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(map(is_number, value))
        and min(value[2:]) >= 0
    )


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_whole, value))


# What COCO's and LVIS's files have in common, whoever reads them.
ID: Key = ("a whole number", is_whole, True)
SIDE: Key = ("a whole number above 0", lambda side: is_whole(side) and side > 0, True)
CROWD: Key = ("0 or 1", lambda crowd: crowd in (0, 1), False)
IMAGE: Mapping[str, Key] = {
    "id": ("a whole number or a text", lambda id: is_whole(id) or is_text(id), True),
    "height": SIDE,
    "width": SIDE,
    "neg_category_ids": ("a list of category ids", _whole_numbers, False),
    "not_exhaustive_category_ids": ("a list of category ids", _whole_numbers, False),
}
