"""Datasets of the `datasets` library: anything with pictures and masks or boxes, from disk or hub."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samkit.data.dataset import Dataset
from samkit.data.huggingface_columns import find_columns, value_of
from samkit.data.huggingface_rows import BoxFormat, MasksAre, read_cell, read_truth
from samkit.ops.images import read_image
from samkit.ops.optional import require
from samkit.types import Sample

# Names under which the library writes what it saves.
SAVED = ("dataset_info.json", "dataset_dict.json")


def huggingface(
    source: Any,
    split: str | None = None,
    image: str | None = None,
    masks: str | None = None,
    boxes: str | None = None,
    classes: str | None = None,
    id: str | None = None,
    box_format: BoxFormat | None = None,
    masks_are: MasksAre = "objects",
    streaming: bool = False,
    limit: int | None = None,
) -> Dataset:
    """The rows of a Hugging Face dataset as samples; a picture is decoded when asked for.

    source: an object of the library (Dataset, DatasetDict, IterableDataset); a folder that
        `save_to_disk` wrote; a Parquet file or a folder of them; a folder of pictures with
        metadata ("imagefolder"); else a name on the hub.
    split: which part, where there are several.
    image, masks, boxes, classes, id: names of columns, "objects.bbox" for one inside another. What is
        not named is found by its kind and usual names. Without ids a sample's id is its row's number.
    masks may hold: a picture whose values are the objects, or with masks_are="classes" the class ids
        (0 is background); a list of pictures, each one's not-zero pixels an object; for each object
        COCO's polygons or run lengths.
    box_format: "xyxy" or "xywh" (COCO's), which no column tells; needed where there are no masks,
        for else boxes are those of the masks.
    streaming: rows of a name or of files one by one. limit: the first so many rows; an endless or
        streaming source needs it, for its rows are kept in memory, encoded.

    Wants the extra `data`. Raises ValueError that names the columns present and the cure; what
    cannot be read in a row is told with its number when that sample is asked for.

    >>> huggingface("cats.parquet", box_format="xywh")  # doctest: +SKIP
    <Dataset huggingface(cats.parquet, train, 120 images): 120 samples>
    """
    table, label = _load(require("datasets", extra="data"), source, split, streaming)
    if table.features is None:
        raise ValueError(f"{label} does not tell its columns; give a dataset with features")
    named = {"image": image, "masks": masks, "boxes": boxes, "classes": classes, "id": id}
    columns = find_columns(table.features, named)
    if columns.masks is None and box_format is None:
        raise ValueError(
            f'{label}: say what the boxes in {columns.boxes} are, by box_format="xyxy" or "xywh"'
        )
    # As Arrow holds them, pictures are still encoded.
    rows, count = _rows(table.with_format("arrow"), limit, label)
    ids = list(range(count))
    if columns.id is not None:
        ids = [value_of(row, columns.id) for row in rows([columns.id], range(count))]

    def make(id: Any) -> Sample:
        number = place[id]
        where = f"{label}, row {number}"
        [row] = rows(columns.used, [number])
        annotations = read_truth(row, columns, box_format, masks_are, where)

        def pixels() -> NDArray[np.uint8]:
            [row] = rows([columns.image], [number])
            found = read_cell(value_of(row, columns.image), where, read_image)
            if found.shape[:2] != annotations.size:
                raise ValueError(
                    f"{where}: {columns.image} is {found.shape[:2]} (height, width), "
                    f"{columns.masks} is {annotations.size}: they do not belong together"
                )
            return found

        return Sample(id, pixels, annotations)

    place = {id: number for number, id in enumerate(ids)}
    return Dataset(f"huggingface({label}, {count} images)", ids, make, columns.class_names)


def _load(library: Any, source: Any, split: str | None, streaming: bool) -> tuple[Any, str]:
    """The table, and what to call it."""
    if not isinstance(source, str | Path):
        found, label = source, type(source).__name__
    else:
        path = Path(source)
        label = path.name if path.exists() else str(source)
        if any((path / name).is_file() for name in SAVED):
            found = library.load_from_disk(str(path))
        elif path.is_file() or (path.is_dir() and next(path.glob("*.parquet"), None)):
            files = [path] if path.is_file() else sorted(path.glob("*.parquet"))
            names = [str(file) for file in files]
            found = library.load_dataset("parquet", data_files=names, streaming=streaming)
        elif path.is_dir():
            found = library.load_dataset("imagefolder", data_dir=str(path), streaming=streaming)
        else:
            found = library.load_dataset(str(source), streaming=streaming)
    if isinstance(found, Mapping):
        if split is None and len(found) == 1:
            [split] = found
        if split not in found:
            raise ValueError(f"{label} has the splits {', '.join(found)}; choose one by split=")
        return found[split], f"{label}, {split}"
    if split not in (None, str(found.split)):
        raise ValueError(f"{label} is one split, {found.split}; leave split= out")
    return found, label


def _rows(table: Any, limit: int | None, label: str) -> tuple[Any, int]:
    """A function (columns, row numbers) -> rows as dicts, and how many rows there are."""
    if hasattr(table, "num_rows"):
        count = table.num_rows if limit is None else min(limit, table.num_rows)

        def rows(names: Sequence[str], numbers: Sequence[int]) -> list[dict[str, Any]]:
            top = list(dict.fromkeys(name.split(".")[0] for name in names))
            found: list[dict[str, Any]] = table.select_columns(top)[numbers].to_pylist()
            return found

        return rows, count
    if limit is None:
        raise ValueError(f"{label} is read row by row; say how many by limit=")
    kept = [row for part in islice(table.take(limit), limit) for row in part.to_pylist()]
    return lambda names, numbers: [kept[number] for number in numbers], len(kept)
