"""What the format readers share: annotations of run lengths, datasets of picture and truth."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from samkit.data.dataset import Dataset
from samkit.data.files import read_picture
from samkit.ops import rle
from samkit.ops.boxes import xywh_to_xyxy
from samkit.types import Annotations, Sample

OBJECT: Mapping[int, str] = {1: "object"}


def annotations(
    size: tuple[int, int],
    run_lengths: Sequence[rle.RLE],
    class_ids: ArrayLike | None = None,
    class_names: Mapping[int, str] = OBJECT,
    ids: ArrayLike | None = None,
    is_crowd: ArrayLike | None = None,
    parents: ArrayLike | None = None,
    ignored: rle.RLE | None = None,
) -> Annotations:
    """Annotations of N masks, with the boxes and areas that the masks have.

    size: (height, width). class_ids: (N,); all 1, "object", where not given. The rest as the fields
    of `Annotations`.
    """
    count = len(run_lengths)
    return Annotations(
        size,
        xywh_to_xyxy(rle.boxes_xywh(run_lengths)).astype(np.float32),
        np.ones(count, np.int64) if class_ids is None else np.asarray(class_ids, np.int64),
        run_lengths=tuple(run_lengths),
        areas=rle.areas(run_lengths).astype(np.float64),
        ids=None if ids is None else np.asarray(ids, np.int64),
        is_crowd=np.zeros(count, bool) if is_crowd is None else np.asarray(is_crowd, bool),
        parents=None if parents is None else np.asarray(parents, np.int64),
        class_names=class_names,
        ignored=ignored,
    )


def truth_by_picture(
    name: str,
    root: Path,
    truth: Mapping[str, Path],
    read: Callable[[Path], Annotations],
    class_names: Mapping[int, str] = OBJECT,
) -> Dataset:
    """A dataset of pictures with a file of truth each, which is read when a sample is asked for.

    truth: its file by the picture's path relative to `root`, which becomes the sample's id. read: the
    annotations in such a file; what it raises names the file. A picture is refused, when asked for,
    unless its size is that of the truth. Raises FileNotFoundError where there are none.
    """
    if not truth:
        raise FileNotFoundError(f"no pictures of {name} in {root}")

    def make(id: str) -> Sample:
        found = read(truth[id])
        return Sample(id, lambda: read_picture(root / id, found.size), found)

    return Dataset(f"{name}({len(truth)} images)", list(truth), make, class_names)


def joined(name: str, parts: Mapping[str, Dataset]) -> Dataset:
    """Several datasets as one; ids are PART/ID.

    Raises ValueError where the parts give one class id two names.
    """
    class_names: dict[int, str] = {}
    for part in parts.values():
        for number, word in part.class_names.items():
            if class_names.setdefault(number, word) != word:
                raise ValueError(f"{name}: class {number} is {class_names[number]} and {word}")
    place = {
        f"{prefix}/{id}": (part, index)
        for prefix, part in parts.items()
        for index, id in enumerate(part.ids)
    }

    def make(id: str) -> Sample:
        part, index = place[id]
        return part[index].replace(id=id)

    return Dataset(f"{name}({len(place)} images)", list(place), make, class_names)


def numbered(text: str) -> dict[int, str]:
    """Class names by number, of a text like "1 cat, 2 dog"."""
    pairs = (entry.split(" ", 1) for entry in text.split(", "))
    return {int(number): word for number, word in pairs}
