"""A folder of pictures, with masks or without: the reader for one's own photographs."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samkit.data.dataset import Dataset
from samkit.data.files import read_picture
from samkit.ops import rle
from samkit.ops.boxes import xywh_to_xyxy
from samkit.ops.images import SUFFIXES, open_picture, read_image
from samkit.types import Annotations, Sample

CLASS_NAMES = {1: "object"}


def folder(path: str | Path, masks: str | Path | None = None, limit: int | None = None) -> Dataset:
    """All pictures of a folder and the folders in it, in the order of their paths; or one picture.

    masks: a folder of the same shape with a PNG for every picture, found by the same path and stem
        (a/cat.jpg: a/cat.png): one channel, 0 is background and every other value one object.
    limit: the first so many pictures.

    Sample ids are paths relative to `path`, with forward slashes. Objects are all of class 1,
    "object", and their annotation ids are the values in the PNG. What lies in `masks`, and hidden
    files (their name begins with a dot), are no pictures.

    Raises FileNotFoundError where there is no folder, no picture, or no mask for a picture.

    >>> folder("photos", masks="photos/masks")  # doctest: +SKIP
    <Dataset folder(photos, 12 images): 12 samples>
    """
    root, name = Path(path), Path(path).name
    if alone := root.is_file():
        root = root.parent
    for given in (root, root if masks is None else Path(masks)):
        if not given.is_dir():
            raise FileNotFoundError(f"no folder at {given}, nor a picture")
    mask_root = None if masks is None else Path(masks)
    ids = sorted(
        file.relative_to(root).as_posix()
        for file in ([Path(path)] if alone else root.rglob("*"))
        if file.suffix.lower() in SUFFIXES
        and not file.name.startswith(".")
        and (mask_root is None or mask_root not in file.parents)
    )
    if not ids:
        raise FileNotFoundError(f"no pictures in {path}; these are read: {', '.join(SUFFIXES)}")
    if mask_root is not None:
        bare = [id for id in ids if not _mask_path(mask_root, id).is_file()]
        if bare:
            raise FileNotFoundError(
                f"{len(bare)} of {len(ids)} pictures have no mask, the first is {bare[0]}: "
                f"there is no {_mask_path(mask_root, bare[0])}"
            )

    def make(id: str) -> Sample:
        if mask_root is None:
            return Sample(id, lambda: read_image(root / id))
        annotations = read_mask(_mask_path(mask_root, id))
        return Sample(id, lambda: read_picture(root / id, annotations.size), annotations)

    return Dataset(
        f"folder({name}, {len(ids)} images)", ids, make, {} if masks is None else CLASS_NAMES
    ).limit(limit)


def read_mask(path: Path) -> Annotations:
    """The objects of a PNG with one channel: 0 is background, every other value one object.

    Raises ValueError for no readable picture, and for one with colours: its values are not object
    numbers.
    """
    with open_picture(path) as picture:
        values: NDArray[np.int64] = np.array(picture).astype(np.int64)
    if values.ndim != 2:
        raise ValueError(
            f"{path} has {values.shape[2]} channels; a mask has one, with 0 for background and "
            "another value for each object"
        )
    ids = np.unique(values[values != 0])
    run_lengths = tuple(rle.encode((values == id)[None])[0] for id in ids)
    return Annotations(
        (values.shape[0], values.shape[1]),
        xywh_to_xyxy(rle.boxes_xywh(run_lengths)).astype(np.float32),
        np.ones(len(ids), dtype=np.int64),
        run_lengths=run_lengths,
        areas=rle.areas(run_lengths).astype(np.float64),
        ids=ids,
        is_crowd=np.zeros(len(ids), dtype=bool),
        class_names=CLASS_NAMES,
    )


def _mask_path(masks: Path, id: str) -> Path:
    return (masks / id).with_suffix(".png")
