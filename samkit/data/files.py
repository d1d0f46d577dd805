"""Where a dataset's annotation file and pictures lie, and reading a picture at the stated size."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samkit.ops.images import read_image

COCO_FOLDERS = ("train2017", "val2017", "train2014", "val2014")


def find_annotation_file(path: str | Path, prefix: str, split: str | None) -> Path:
    """`path` itself, or in a folder the JSON `prefix`*.json (under annotations/, else beside it).

    split: the end of the file's name, such as "val2017"; needed only where there are several.
    Raises FileNotFoundError for nothing, ValueError for several.
    """
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise FileNotFoundError(f"neither a JSON file nor a dataset's folder: {path}")
    ending = "" if split is None else f"_{split}"
    for folder in (path / "annotations", path):
        files = sorted(folder.glob(f"{prefix}*.json"))
        chosen = [file for file in files if file.stem.endswith(ending)]
        if len(chosen) == 1:
            return chosen[0]
        if files:
            splits = ", ".join(repr(file.stem.removeprefix(prefix).strip("_")) for file in files)
            raise ValueError(
                f"{folder} has {len(chosen)} files that fit; choose by split=, one of {splits}, "
                "or give the file's own path"
            )
    raise FileNotFoundError(f"no {prefix}*.json in {path / 'annotations'} or {path}")


def picture_folders(annotation_file: Path, images: str | Path | None) -> list[Path]:
    """The folders that are there of those in which pictures are looked for, in this order.

    images: the one folder to use. Without it, those beside ROOT/annotations/instances_SPLIT.json
        or ROOT/FILE.json: ROOT/SPLIT, COCO's own folders, ROOT, and the same under ROOT/images.
    Raises FileNotFoundError if `images` is no folder.
    """
    if images is not None:
        if not Path(images).is_dir():
            raise FileNotFoundError(f"images={images} is no folder")
        return [Path(images)]
    parent = annotation_file.parent
    root = parent.parent if parent.name == "annotations" else parent
    split = annotation_file.stem.split("_", 1)[-1]
    names = dict.fromkeys((split, *COCO_FOLDERS, ""))
    folders = [top / name for top in (root, root / "images") for name in names]
    return [folder for folder in folders if folder.is_dir()]


def find_picture(folders: Sequence[Path], names: Sequence[str]) -> Path:
    """The first of `names` that is a file in any of the folders; the first folder that has it.

    Raises FileNotFoundError that says where it looked.
    """
    for name in names:
        for folder in folders:
            if os.path.isfile(folder / name):  # Path.is_file raises where a name is too long.
                return folder / name
    raise FileNotFoundError(
        f"no picture {' or '.join(names)} in {', '.join(map(str, folders))}; "
        "give its folder by images=FOLDER"
    )


def read_picture(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture (H, W, 3) uint8. Raises ValueError unless it is `size`, that of its annotations."""
    image = read_image(path)
    if image.shape[:2] != size:
        raise ValueError(
            f"{path} is {image.shape[:2]} (height, width), its annotations are {size}: they do not "
            "belong together, or one of them was turned (pictures are read upright, by their EXIF)"
        )
    return image
