"""Four small sets on which clicks to masks is usually measured: one object a picture.

Read in the layout of the benchmark files that RITM offers, and cut as RITM cuts them, so that its
published numbers of clicks are of the same objects.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samkit.data.dataset import Dataset
from samkit.data.files import read_picture
from samkit.data.masks import annotations_from_masks
from samkit.ops import rle
from samkit.ops.images import SUFFIXES, open_picture
from samkit.types import Annotations, Sample

CLASS_NAMES = {1: "object"}
IGNORED = 128


def grabcut(path: str | Path, limit: int | None = None) -> Dataset:
    """GrabCut, 50 photographs (Rother et al. 2004): data_GT/NAME.jpg or .bmp, boundary_GT/NAME.bmp.

    path: the folder GrabCut or the one that it lies in. limit: the first so many pictures.

    Sample ids are names without their suffix. Of a mask's values 128, the mixed band along the
    border, counts neither way (`Annotations.ignored`), and what is above is the object.

    Raises FileNotFoundError where the folders, a mask or all pictures are missing.

    >>> grabcut("datasets/GrabCut")  # doctest: +SKIP
    <Dataset grabcut(50 images): 50 samples>
    """
    return _dataset("grabcut", path, "GrabCut", "data_GT", "boundary_GT", _trimap).limit(limit)


def berkeley_interactive(path: str | Path, limit: int | None = None) -> Dataset:
    """Berkeley, 100 objects on 96 photographs (McGuinness and O'Connor 2010): images/, masks/.

    As `grabcut`, in a folder Berkeley.
    """
    name = "berkeley_interactive"
    return _dataset(name, path, "Berkeley", "images", "masks", _trimap).limit(limit)


def davis_interactive(path: str | Path, limit: int | None = None) -> Dataset:
    """DAVIS, 345 frames of 50 clips (Perazzi et al. 2016): img/, gt/; any value but 0 is the object.

    As `grabcut`, in a folder DAVIS.
    """
    return _dataset("davis_interactive", path, "DAVIS", "img", "gt", _nonzero).limit(limit)


def coco_mval(path: str | Path, limit: int | None = None) -> Dataset:
    """COCO_MVal, 800 objects of COCO val2017, ten of each class: img/, gt/; not 0 is the object.

    As `grabcut`, in a folder COCO_MVal.
    """
    return _dataset("coco_mval", path, "COCO_MVal", "img", "gt", _nonzero).limit(limit)


def _dataset(
    name: str,
    path: str | Path,
    folder: str,
    images: str,
    masks: str,
    read: Callable[[Path], Annotations],
) -> Dataset:
    root = Path(path) / folder if (Path(path) / folder).is_dir() else Path(path)
    for part in (root / images, root / masks):
        if not part.is_dir():
            raise FileNotFoundError(
                f"{name} is a folder {folder} with {images}/ and {masks}/; no {part}"
            )
    pictures = {
        file.stem: file
        for file in sorted((root / images).iterdir())
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    }
    truth = {file.stem: file for file in (root / masks).iterdir()}
    bare = [stem for stem in pictures if stem not in truth]
    if bare or not pictures:
        told = f"no mask for {bare[0]}" if bare else "no pictures"
        raise FileNotFoundError(f"{name}: {told} in {root / (masks if bare else images)}")

    def make(stem: str) -> Sample:
        annotations = read(truth[stem])
        return Sample(stem, lambda: read_picture(pictures[stem], annotations.size), annotations)

    return Dataset(f"{name}({len(pictures)} images)", list(pictures), make, CLASS_NAMES)


def _trimap(path: Path) -> Annotations:
    values = _values(path)
    ignored = values == IGNORED
    [band] = rle.encode(ignored[None])
    return annotations_from_masks(
        (values > IGNORED)[None], CLASS_NAMES, ignored=band if ignored.any() else None
    )


def _nonzero(path: Path) -> Annotations:
    return annotations_from_masks((_values(path) > 0)[None], CLASS_NAMES)


def _values(path: Path) -> NDArray[np.uint8]:
    """A mask file's values (H, W): grey levels, places in its palette, or the first colour."""
    with open_picture(path) as picture:
        values = np.array(picture)
    return values if values.ndim == 2 else values[..., 0]
