"""Pictures whose values say which object, or which class, a pixel belongs to."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samkit.data.sa23.objects import OBJECT, annotations
from samkit.ops import rle
from samkit.ops.images import open_picture
from samkit.types import Annotations

Values = NDArray[np.integer[Any]]
Read = Callable[[Path], Annotations]


def read_values(path: Path) -> Values:
    """(H, W) values: grey levels of 8 or 16 bits, places in a palette, or colours as 0xRRGGBB.

    Raises ValueError that names the file where it is no such picture.
    """
    with open_picture(path) as picture:
        colours = picture.mode in ("RGB", "RGBA")
        values = np.array(picture.convert("RGB") if colours else picture)
    if colours:
        return np.asarray(values.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32))
    if values.ndim != 2:
        raise ValueError(f"{path} is a picture of mode {picture.mode}; a label map is grey or RGB")
    return values.astype(np.uint8) if values.dtype == bool else values


def masks_of(values: NDArray[Any]) -> dict[int, rle.RLE]:
    """Run lengths of every value of an (H, W) map, read off in one pass whatever their number.

    >>> masks_of(np.array([[0, 7], [7, 7]]))[7]
    {'size': [2, 2], 'counts': '13'}
    """
    height, width = values.shape
    flat = values.T.ravel()  # COCO's run lengths go down the columns
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    ends = np.append(starts[1:], flat.size)
    order = np.argsort(flat[starts], kind="stable")
    found, firsts = np.unique(flat[starts][order], return_index=True)
    masks = {}
    for value, runs in zip(found.tolist(), np.split(order, firsts[1:]), strict=True):
        edges = np.stack([starts[runs], ends[runs]], axis=1).ravel()
        counts = np.diff(edges, prepend=0).tolist()
        if edges[-1] < flat.size:
            counts.append(flat.size - int(edges[-1]))
        masks[value] = rle.from_coco({"size": [height, width], "counts": counts}, height, width)
    return masks


def mask_of(values: Values, value: int) -> rle.RLE:
    """Run lengths of one value of an (H, W) map; an empty mask where it does not occur."""
    return masks_of(values).get(value) or rle.from_coco([], *values.shape)


def values_as_objects(path: Path) -> Annotations:
    """Every value or colour but 0 (black) is one object; its annotation id is the value."""
    values = read_values(path)
    masks = masks_of(values)
    masks.pop(0, None)
    return annotations((values.shape[0], values.shape[1]), list(masks.values()), ids=list(masks))


def values_as_classes(
    class_names: Mapping[int, str], background: Sequence[int] = (0,), ignored: Sequence[int] = ()
) -> Read:
    """Every value in `class_names` is one object of that class; pixels of `ignored` don't count.

    What is read raises ValueError for a value that is none of these, nor `background`.
    """
    known = {*class_names, *background, *ignored}

    def read(path: Path) -> Annotations:
        values = read_values(path)
        height, width = values.shape
        masks = masks_of(values)
        unknown = [value for value in masks if value not in known]
        if unknown:
            raise ValueError(f"{path} has the value {unknown[0]}; classes are {list(class_names)}")
        kept = {value: mask for value, mask in masks.items() if value in class_names}
        hidden = np.isin(values, ignored)
        return annotations(
            (height, width),
            list(kept.values()),
            list(kept),
            class_names,
            ignored=rle.encode(hidden[None])[0] if hidden.any() else None,
        )

    return read


def nonzero_as_object(path: Path) -> Annotations:
    """All pixels that are not 0 are one object."""
    values = read_values(path)
    return annotations((values.shape[0], values.shape[1]), rle.encode((values != 0)[None]))


def components_as_objects(class_names: Mapping[int, str] = OBJECT) -> Read:
    """Every piece of what is not 0, pixels that touch at a corner belonging together, is an object."""

    def read(path: Path) -> Annotations:
        from scipy import ndimage  # half a second, and few readers need it

        values = read_values(path)
        pieces, _ = ndimage.label(values != 0, structure=np.ones((3, 3)))
        masks = masks_of(pieces)
        masks.pop(0, None)
        size = (values.shape[0], values.shape[1])
        return annotations(size, list(masks.values()), class_names=class_names)

    return read
