"""Datasets that have phrases of their own, by name."""

from pathlib import Path

from samkit.data.coco import coco
from samkit.data.dataset import Dataset
from samkit.data.lvis import lvis
from samkit.data.phrases import by_class, by_telling_caption
from samkit.data.refcoco import refcoco
from samkit.data.shapes import shapes
from samkit.ops.images import SUFFIXES


def phrased(data: str, limit: int | None = None, unseen: bool = False) -> Dataset:
    """shapes, refcoco=FOLDER, or a COCO or LVIS JSON, with the phrases that each picture is asked for.

    Of made-up scenes those are captions that fit one object (20 scenes where there is no limit), of
    RefCOCO its expressions, else the names of classes. limit: of pictures. unseen: of
    `by_telling_caption`.
    """
    if data == "shapes":
        return by_telling_caption(shapes(limit or 20), unseen)
    if data.startswith("refcoco="):
        return refcoco(data.removeprefix("refcoco="), limit=limit)
    read = lvis if Path(data).name.startswith("lvis") else coco
    return by_class(read(data, limit=limit))


def is_pictures(data: str) -> bool:
    """Whether it is a picture, or a folder of them that is no COCO folder: what has no phrases of its own."""
    path, coco = Path(data), Path(data) / "annotations"
    return path.suffix.lower() in SUFFIXES or (path.is_dir() and not coco.is_dir())
