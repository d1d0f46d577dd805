"""ADE20K of 2021: one PNG for each object and each part, listed in a JSON (Zhou et al. 2019)."""

from pathlib import Path

from samkit.data.sa23.label_maps import mask_of, read_values
from samkit.data.sa23.objects import annotations
from samkit.ops import rle
from samkit.ops.json_text import read_json_file
from samkit.types import Annotations

VISIBLE = 255


def ade20k_annotations(path: Path) -> Annotations:
    """The objects and parts of one picture, from its NAME.json, in the file's order.

    In an object's PNG 255 is visible and 128 hidden behind others; the mask is what is visible.
    `parents` tells what a part is a part of; class ids are ADE20K's `name_ndx`.

    Raises ValueError for other content, FileNotFoundError for a missing PNG.
    """
    content = read_json_file(path)
    try:
        picture = content["annotation"]
        height, width = (int(side) for side in picture["imsize"][:2])
        found = picture["object"]
        # The export writes a list of one as the thing itself.
        objects = found if isinstance(found, list) else [found]
        ids = [int(one["id"]) for one in objects]
        class_ids = [int(one["name_ndx"]) for one in objects]
        class_names = {int(one["name_ndx"]): str(one["name"]) for one in objects}
        files = [path.parent / one["instance_mask"] for one in objects]
        wholes = [_first(one["parts"]["ispartof"]) for one in objects]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{path} is no annotation of ADE20K 2021: {error!r}") from error
    place = {id: index for index, id in enumerate(ids)}
    masks = [_visible(file, (height, width)) for file in files]
    parents = [-1 if whole is None else place.get(whole, -1) for whole in wholes]
    try:
        return annotations((height, width), masks, class_ids, class_names, ids=ids, parents=parents)
    except OverflowError as error:
        raise ValueError(f"{path} has a number that is none of a class or an object") from error


def _first(value: int | list[int]) -> int | None:
    numbers = value if isinstance(value, list) else [value]
    return int(numbers[0]) if numbers else None


def _visible(file: Path, size: tuple[int, int]) -> rle.RLE:
    values = read_values(file)
    if values.shape != size:
        raise ValueError(
            f"{file} is {values.shape} (height, width), its annotations say {size}: they do not "
            "belong together"
        )
    return mask_of(values, VISIBLE)
