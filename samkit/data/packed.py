"""Packed photographs: pictures in tar files with one line of run lengths each; small and quick to copy."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samkit.data.dataset import Dataset
from samkit.ops import rle
from samkit.ops.boxes import xywh_to_xyxy
from samkit.types import Annotations, Sample

VALIDATION_BYTES = 26  # of 256: a tenth, chosen by the file's name alone
Split = Literal["train", "validation", "all"]


class _Place(NamedTuple):
    tar: Path
    offset: int
    size: int


def packed(path: str | Path, split: Split = "all") -> Dataset:
    """The pictures of a folder with images-NNN.tar and masks.jsonl.gz, in the order of the lines.

    split: "validation" is the tenth whose sha1 of the file name begins with a byte below 26, "train"
        the rest. A picture stays on its side whatever else the folder holds.

    A line is {"file": name, "height":, "width":, "masks": [{"rle": {"size", "counts"}, "label"}, ...]};
    labels become classes in alphabetical order, counted from 1. Sample ids are file names. Unmasked is
    not background: not every object of a picture has a mask.

    Raises FileNotFoundError for a folder without masks.jsonl.gz, ValueError for another split and for
    a line whose picture is in no tar file.

    >>> packed("animals", split="train")  # doctest: +SKIP
    <Dataset packed(animals, train, 468 images): 468 samples>
    """
    root = Path(path)
    if split not in ("train", "validation", "all"):
        raise ValueError(f"split is train, validation or all, got {split!r}")
    if not (root / "masks.jsonl.gz").is_file():
        raise FileNotFoundError(f"no masks.jsonl.gz in {root}")
    with gzip.open(root / "masks.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    labels = sorted({mask.get("label", "object") for r in records for mask in r["masks"]})
    class_names = dict(enumerate(labels, start=1))
    class_ids = {label: number for number, label in class_names.items()}
    places: dict[str, _Place] = {}
    for tar in sorted(root.glob("images-*.tar")):
        with tarfile.open(tar) as members:
            places |= {Path(m.name).name: _Place(tar, m.offset_data, m.size) for m in members}
    by_name = {r["file"]: r for r in records if split in ("all", split_of(r["file"]))}
    if missing := sorted(set(by_name) - set(places)):
        raise ValueError(f"{root}: {missing[0]} has masks but is in no images-*.tar")

    def make(name: str) -> Sample:
        truth = _annotations(by_name[name], class_ids, class_names)
        return Sample(name, lambda: _read(places[name]), truth)

    return Dataset(
        f"packed({root.name}, {split}, {len(by_name)} images)", list(by_name), make, class_names
    )


def split_of(file_name: str) -> Literal["train", "validation"]:
    """On which side a picture is."""
    byte = hashlib.sha1(file_name.encode(), usedforsecurity=False).digest()[0]
    return "validation" if byte < VALIDATION_BYTES else "train"


def _read(place: _Place) -> NDArray[np.uint8]:
    with place.tar.open("rb") as file:
        file.seek(place.offset)
        content = file.read(place.size)
    return np.asarray(Image.open(io.BytesIO(content), formats=("JPEG", "PNG")).convert("RGB"))


def _annotations(
    record: dict[str, Any], class_ids: dict[str, int], class_names: dict[int, str]
) -> Annotations:
    run_lengths: tuple[rle.RLE, ...] = tuple(mask["rle"] for mask in record["masks"])
    return Annotations(
        (record["height"], record["width"]),
        xywh_to_xyxy(rle.boxes_xywh(run_lengths)).astype(np.float32).reshape(-1, 4),
        np.array([class_ids[m.get("label", "object")] for m in record["masks"]], dtype=np.int64),
        run_lengths=run_lengths,
        areas=rle.areas(run_lengths).astype(np.float64),
        is_crowd=np.zeros(len(run_lengths), dtype=bool),
        class_names=class_names,
    )
