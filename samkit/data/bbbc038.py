"""BBBC038v1, nuclei under microscopes (Data Science Bowl 2018): one PNG file per nucleus."""

from pathlib import Path

import numpy as np

from samkit.data.dataset import Dataset
from samkit.data.files import read_picture
from samkit.data.masks import annotations_from_run_lengths
from samkit.ops import rle
from samkit.ops.images import open_picture
from samkit.types import Annotations, Sample

CLASS_NAMES = {1: "nucleus"}


def bbbc038v1(path: str | Path, limit: int | None = None) -> Dataset:
    """The pictures of stage1_train, ordered by id, with all their nuclei.

    path: the folder with ID/images/ID.png and ID/masks/*.png, or the one in which it is called
        stage1_train. limit: the first so many pictures.

    Raises FileNotFoundError where there are none. A picture's masks of several sizes, or of another
    than its own, are refused by a ValueError when it is asked for.

    >>> bbbc038v1("datasets/bbbc038v1")  # doctest: +SKIP
    <Dataset bbbc038v1(670 images): 670 samples>
    """
    inner = Path(path) / "stage1_train"
    root = inner if inner.is_dir() else Path(path)
    ids = sorted(file.parent.parent.name for file in root.glob("*/images/*.png"))
    if not ids:
        raise FileNotFoundError(f"no stage1_train/ID/images/ID.png in {path}")

    def make(id: str) -> Sample:
        truth = _nuclei(root / id / "masks")
        return Sample(
            id, lambda: read_picture(root / id / "images" / f"{id}.png", truth.size), truth
        )

    return Dataset(f"bbbc038v1({len(ids)} images)", ids, make, CLASS_NAMES).limit(limit)


def _nuclei(folder: Path) -> Annotations:
    masks: list[rle.RLE] = []
    for file in sorted(folder.glob("*.png")):
        with open_picture(file) as picture:
            mask = np.array(picture.convert("L")) > 0
        masks += rle.encode(mask[None])
        if masks[-1]["size"] != masks[0]["size"]:
            first = tuple(masks[0]["size"])
            raise ValueError(f"{file} is {mask.shape} (height, width), others there {first}")
    if not masks:
        raise FileNotFoundError(f"no masks in {folder}")
    height, width = masks[0]["size"]
    return annotations_from_run_lengths((height, width), masks, CLASS_NAMES)
