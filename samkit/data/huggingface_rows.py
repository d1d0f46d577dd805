"""One row of a Hugging Face dataset as annotations; see huggingface.py."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np

from samkit.data.huggingface_columns import Columns, value_of
from samkit.data.picture_size import picture_size
from samkit.data.sa23.label_maps import masks_of, read_values
from samkit.data.sa23.objects import annotations
from samkit.ops import rle
from samkit.ops.boxes import xywh_to_xyxy
from samkit.types import Annotations

BoxFormat = Literal["xyxy", "xywh"]
MasksAre = Literal["objects", "classes"]
Size = tuple[int, int]
T = TypeVar("T")


def read_cell(cell: Mapping[str, Any] | None, where: str, read: Callable[[Path], T]) -> T:
    """What `read` makes of a picture's cell, {"bytes", "path"} as the library stores it.

    Raises ValueError that names the row where there is no picture, or it cannot be read.
    """
    if not cell or (cell.get("bytes") is None and not cell.get("path")):
        raise ValueError(f"{where}: there is no picture")
    content = cell.get("bytes")
    # Whatever opens a file will do with one in memory.
    file = Path(cell["path"]) if content is None else cast(Path, io.BytesIO(content))
    try:
        return read(file)
    except (ValueError, OSError) as error:
        told = str(error) if content is None else str(error).replace(str(file), "its bytes")
        raise ValueError(f"{where}: {told}") from error


def read_truth(
    row: Mapping[str, Any],
    columns: Columns,
    box_format: BoxFormat | None,
    masks_are: MasksAre,
    where: str,
) -> Annotations:
    """The row's objects. Raises ValueError that names the row where they make no sense together."""
    masks: Any = value_of(row, columns.masks) if columns.masks else None
    classes = value_of(row, columns.classes) if columns.classes else None
    names = columns.class_names or {1: "object"}
    if isinstance(masks, Mapping) and "bytes" in masks:
        return _label_map(masks, names, masks_are, where)
    if columns.masks is None:
        assert columns.boxes is not None and box_format is not None
        boxes = np.asarray(value_of(row, columns.boxes) or [], np.float64).reshape(-1, 4)
        boxes = xywh_to_xyxy(boxes) if box_format == "xywh" else boxes
        size = read_cell(value_of(row, columns.image), where, picture_size)
        found = Annotations(
            size,
            boxes.astype(np.float32),
            _class_ids(classes, len(boxes), where),
            class_names=names,
        )
    else:
        run_lengths, size = _object_masks(masks or [], row, columns, where)
        ids = _class_ids(classes, len(run_lengths), where)
        found = annotations(size, run_lengths, ids, names)
    return found


def _class_ids(classes: list[Any] | None, count: int, where: str) -> Any:
    ids = [1] * count if classes is None else classes
    if len(ids) != count:
        raise ValueError(f"{where}: there are {count} objects and {len(ids)} classes")
    if not all(isinstance(id, int) for id in ids):
        raise ValueError(
            f"{where}: classes are whole numbers, got {ids[:3]}; name none by classes="
        )
    return np.asarray(ids, np.int64)


def _label_map(
    cell: Mapping[str, Any], names: Mapping[int, str], masks_are: MasksAre, where: str
) -> Annotations:
    values = read_cell(cell, where, read_values)
    masks = {value: mask for value, mask in masks_of(values).items() if value}
    size = (values.shape[0], values.shape[1])
    classes = list(masks) if masks_are == "classes" else None
    return annotations(size, list(masks.values()), classes, names, ids=list(masks))


def _object_masks(
    masks: list[Any], row: Mapping[str, Any], columns: Columns, where: str
) -> tuple[list[rle.RLE], Size]:
    """Of each object a picture, polygons or run lengths."""
    if masks and all(isinstance(one, Mapping) and "bytes" in one for one in masks):
        values = [read_cell(one, where, read_values) for one in masks]
        sizes = {value.shape for value in values}
        if len(sizes) > 1:
            raise ValueError(f"{where}: masks of several sizes (height, width): {sorted(sizes)}")
        stack = np.stack([value != 0 for value in values])
        return rle.encode(stack), (stack.shape[1], stack.shape[2])
    size = read_cell(value_of(row, columns.image), where, picture_size)
    try:
        return [rle.from_coco(_polygons(one), *size) for one in masks], size
    except ValueError as error:
        raise ValueError(f"{where}: {columns.masks}: {error}") from error


def _polygons(one: Any) -> Any:
    """COCO's polygons; a single polygon is often told without the list around it."""
    flat = isinstance(one, list) and bool(one) and not isinstance(one[0], list)
    return [one] if flat else one
