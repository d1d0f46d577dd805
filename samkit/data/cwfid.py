"""CWFID, crops and weeds on a field (Haug and Ostermann 2014): a plant is polygon and vegetation."""

from pathlib import Path
from typing import Any

import numpy as np

from samkit.data.dataset import Dataset
from samkit.data.files import read_picture
from samkit.data.sa23.objects import annotations
from samkit.data.sa23.polygons import polygons_mask
from samkit.ops import rle
from samkit.ops.images import open_picture
from samkit.ops.optional import require
from samkit.types import Sample

CLASS_NAMES = {1: "crop", 2: "weed"}
CLASS_IDS = {name: number for number, name in CLASS_NAMES.items()}


def cwfid(path: str | Path, limit: int | None = None) -> Dataset:
    """The pictures of images/, ordered by number, each plant one object.

    path: the folder with images/NNN_image.png, masks/NNN_mask.png and annotations/NNN_annotation.yaml.
    limit: the first so many pictures. A plant's polygon in the YAML is a loose outline: its mask is
    what of it is vegetation, 0 in the picture of masks/. Wants the extra `data` (PyYAML).

    Raises FileNotFoundError where there are none; ValueError for other content.

    >>> cwfid("datasets/cwfid")  # doctest: +SKIP
    <Dataset cwfid(60 images): 60 samples>
    """
    root = Path(path)
    ids = sorted(file.name.removesuffix("_image.png") for file in root.glob("images/*_image.png"))
    if not ids:
        raise FileNotFoundError(f"no images/NNN_image.png in {path}")

    def make(id: str) -> Sample:
        plants = _plants(root / "annotations" / f"{id}_annotation.yaml")
        with open_picture(root / "masks" / f"{id}_mask.png") as picture:
            vegetation = np.array(picture.convert("L")) == 0
        size = (vegetation.shape[0], vegetation.shape[1])
        masks = [rle.decode([polygons_mask([xy], size)]) & vegetation for _, xy in plants]
        truth = annotations(
            size,
            [rle.encode(mask)[0] for mask in masks],
            [CLASS_IDS[kind] for kind, _ in plants],
            CLASS_NAMES,
        )
        return Sample(id, lambda: read_picture(root / "images" / f"{id}_image.png", size), truth)

    return Dataset(f"cwfid({len(ids)} images)", ids, make, CLASS_NAMES).limit(limit)


def _plants(path: Path) -> list[tuple[str, list[tuple[Any, Any]]]]:
    """Class and outline of each plant."""
    yaml = require("yaml", extra="data")
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        listed = yaml.safe_load(path.read_bytes())["annotation"]
        plants = []
        for one in listed:
            x, y = (
                side if isinstance(side, list) else [side]
                for side in (one["points"]["x"], one["points"]["y"])
            )
            plants.append((str(one["type"]), list(zip(x, y, strict=True))))
        unknown = {kind for kind, _ in plants} - CLASS_IDS.keys()
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no annotation of CWFID: {error!r}") from error
    if unknown:
        raise ValueError(f"{path} tells of {unknown}; CWFID has {', '.join(CLASS_IDS)}")
    return plants
