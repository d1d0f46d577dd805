"""VISOR: kitchens seen from the head, objects as polygons, a video's pictures in one ZIP."""

import io
import zipfile
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from samkit.data.dataset import Dataset
from samkit.data.files import read_picture
from samkit.data.sa23.objects import OBJECT, annotations
from samkit.data.sa23.places import files_by_id, inside, split_folder
from samkit.data.sa23.polygons import polygons_mask, visor_frames
from samkit.ops.images import read_image
from samkit.types import Sample

SIZE = (1080, 1920)  # of all pictures, and of what polygons are drawn on


def visor(path: Path, split: str) -> Dataset:
    """Hands and kitchen things, ids the pictures' names. split: train or val.

    An annotation's polygons are one object. Pictures lie in PXX/VIDEO.zip, or unpacked in PXX/VIDEO/.
    """
    root = inside(path, "GroundTruth-SparseAnnotations")
    labels = split_folder(root / "annotations", split)
    frames: dict[str, tuple[Path, list[dict[str, Any]]]] = {}
    for file in files_by_id(labels, "*.json").values():
        frames |= {name: (file, found) for name, found in visor_frames(file).items()}

    def make(id: str) -> Sample:
        file, found = frames[id]
        try:
            masks = [polygons_mask(one["segments"], SIZE) for one in found]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file}, {id}: an annotation cannot be read: {error!r}") from error
        video = root / "rgb_frames" / split / file.stem.split("_")[0] / file.stem
        return Sample(id, lambda: _picture(video, id), annotations(SIZE, masks))

    return Dataset(f"visor({split}, {len(frames)} images)", list(frames), make, OBJECT)


def _picture(video: Path, name: str) -> NDArray[np.uint8]:
    if (video / name).is_file():
        return read_picture(video / name, SIZE)
    packed = video.with_name(f"{video.name}.zip")
    if not packed.is_file():
        raise FileNotFoundError(f"no {name} in {video}, and no {packed}")
    try:
        with zipfile.ZipFile(packed) as archive:
            members = {Path(member).name: member for member in archive.namelist()}
            content = archive.read(members[name])
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise ValueError(f"cannot read {name} in {packed}: {error!r}") from error
    try:
        # Whatever Pillow can open will do, a file in memory too.
        image = read_image(cast(Any, io.BytesIO(content)))
    except ValueError as error:
        raise ValueError(f"{packed}, {name}: {error}") from error
    if image.shape[:2] != SIZE:
        raise ValueError(
            f"{name} in {packed} is {image.shape[:2]} (height, width), its annotations are {SIZE}: "
            "they do not belong together"
        )
    return image
