"""Cityscapes' instance maps as panoptic segments (its own createPanopticImgs)."""

from pathlib import Path

import numpy as np

from samkit.data.sa23.label_maps import masks_of, read_values
from samkit.data.sa23.objects import annotations, numbered
from samkit.ops import rle
from samkit.types import Annotations

# The classes that are evaluated, by Cityscapes' own numbers.
STUFF = (
    "7 road, 8 sidewalk, 11 building, 12 wall, 13 fence, 17 pole, 19 traffic light, "
    "20 traffic sign, 21 vegetation, 22 terrain, 23 sky"
)
THINGS = "24 person, 25 rider, 26 car, 27 truck, 28 bus, 31 train, 32 motorcycle, 33 bicycle"
CLASS_NAMES = numbered(f"{STUFF}, {THINGS}")
THING_IDS = frozenset(numbered(THINGS))


def cityscapes_annotations(path: Path) -> Annotations:
    """The segments of one *_instanceIds.png; annotation ids are its values.

    A value is class * 1000 + number for a thing, the class alone for stuff. A thing's class alone is
    a group whose members cannot be told apart: a crowd. Other classes, such as the own car's bonnet,
    are not evaluated: their pixels don't count.
    """
    values = read_values(path).astype(np.int32)
    classes = np.where(values >= 1000, values // 1000, values)
    evaluated = np.isin(classes, list(CLASS_NAMES))
    masks = masks_of(np.where(evaluated, values, -1))
    masks.pop(-1, None)
    return annotations(
        (values.shape[0], values.shape[1]),
        list(masks.values()),
        [value // 1000 if value >= 1000 else value for value in masks],
        CLASS_NAMES,
        ids=list(masks),
        is_crowd=[value in THING_IDS for value in masks],
        ignored=None if evaluated.all() else rle.encode(~evaluated[None])[0],
    )
