"""SA-1B: pictures with all their masks and no classes (Kirillov et al. 2023, sec. 5)."""

from pathlib import Path
from typing import Any

import numpy as np

from samkit.data.dataset import Dataset
from samkit.data.files import find_picture, read_picture
from samkit.data.folder import CLASS_NAMES
from samkit.data.sa1b_file import read_sa1b
from samkit.ops import rle
from samkit.ops.boxes import xywh_to_xyxy
from samkit.types import Annotations, Sample


def sa1b(
    path: str | Path,
    images: str | Path | None = None,
    limit: int | None = None,
    as_masks: bool = False,
) -> Dataset:
    """The pictures of a folder that have an SA-1B JSON, in the order of the JSONs' paths.

    path: the folder of JSONs, and of folders of them. images: the folder of pictures, of the same
        shape; where not given they lie beside their JSONs. limit: the first so many.
    as_masks: fill `masks` too, so that what a model answered comes back: predicted IoU (which ranks),
        stability scores, points and crop boxes.

    Sample ids are the JSONs' paths without their ending, relative to `path`: "sa_223750". No JSON is
    opened before its sample is asked for. Objects are all of class 1, "object". Boxes are those around
    the masks: the file's own are a pixel narrower, as the official generator writes them.

    Raises FileNotFoundError where there is no folder or no JSON. A sample that is asked for raises
    ValueError where its JSON is none of SA-1B's, and its image FileNotFoundError without a picture.

    >>> sa1b("sa_000000")  # doctest: +SKIP
    <Dataset sa1b(sa_000000, 11186 images): 11186 samples>
    """
    root, pictures = Path(path), Path(path if images is None else images)
    for given in (root, pictures):
        if not given.is_dir():
            raise FileNotFoundError(f"no folder at {given}")
    ids = sorted(file.relative_to(root).with_suffix("").as_posix() for file in root.rglob("*.json"))
    if not ids:
        raise FileNotFoundError(f"no JSON in {root}; SA-1B has one beside each picture")

    def make(id: str) -> Sample:
        file = read_sa1b(root / f"{id}.json")
        size, run_lengths = file.masks.frame.original_size, file.masks.rle()
        annotations = Annotations(
            size,
            xywh_to_xyxy(rle.boxes_xywh(run_lengths)).astype(np.float32),
            np.ones(len(run_lengths), dtype=np.int64),
            run_lengths=tuple(run_lengths),
            areas=rle.areas(run_lengths).astype(np.float64),
            ids=file.ids,
            is_crowd=np.zeros(len(run_lengths), dtype=bool),
            class_names=CLASS_NAMES,
        )

        def picture() -> Any:
            folders = [(pictures / id).parent, pictures]
            return read_picture(find_picture(folders, [file.file_name]), size)

        return Sample(id, picture, annotations, masks=file.masks if as_masks else None)

    return Dataset(f"sa1b({root.name}, {len(ids)} images)", ids, make, CLASS_NAMES).limit(limit)
