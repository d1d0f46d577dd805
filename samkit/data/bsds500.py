"""BSDS500 in the layout of its release: pictures, and the boundaries that several people drew."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samkit.data.dataset import Dataset
from samkit.data.files import read_picture
from samkit.data.mat import read_mat
from samkit.types import Annotations, Sample

# Where the release's data folder lies in what people unpack or clone.
ROOTS = ("BSDS500/data", "BSR/BSDS500/data", "data", "")
SUFFIXES = (".jpg", ".png")


def bsds500(path: str | Path, split: str | None = "test", limit: int | None = None) -> Dataset:
    """Pictures with `annotations.boundaries`, one map of each person who drew them (4 to 9).

    path: the folder unpacked, or one in it down to the one that holds images/ and groundTruth/.
    split: the folder under both: "test" (200 pictures), "train" (200) or "val" (100); None where
        they hold the files themselves, as the benchmark's own examples do. NYUDv2 in the layout of
        the same benchmark is read alike.
    limit: the first so many pictures.

    Sample ids are the files' names without suffix, in the order of texts, which is the order of the
    official result files. There are no objects: boxes and class_ids are empty.

    Raises FileNotFoundError where a folder, a picture or a groundTruth .mat is missing; reading a
    sample raises ValueError that names the file where it is no such .mat or of another size.

    >>> bsds500("BSR", limit=10)  # doctest: +SKIP
    <Dataset bsds500(test, 200 images)[0:10]: 10 samples>
    """
    images, truth = _folders(Path(path), split)
    pictures = {
        file.stem: file for file in sorted(images.iterdir()) if file.suffix.lower() in SUFFIXES
    }
    if not pictures:
        raise FileNotFoundError(f"no pictures ({' or '.join(SUFFIXES)}) in {images}")
    bare = [id for id in pictures if not (truth / f"{id}.mat").is_file()]
    if bare:
        raise FileNotFoundError(
            f"{len(bare)} of {len(pictures)} pictures have no truth, the first is {bare[0]}: "
            f"there is no {truth / f'{bare[0]}.mat'}"
        )

    def make(id: str) -> Sample:
        boundaries = read_boundaries(truth / f"{id}.mat")
        size = (boundaries.shape[1], boundaries.shape[2])
        boxes, class_ids = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
        annotations = Annotations(size, boxes, class_ids, boundaries=boundaries)
        return Sample(id, lambda: read_picture(pictures[id], size), annotations)

    name = f"bsds500({split or 'flat'}, {len(pictures)} images)"
    return Dataset(name, sorted(pictures), make).limit(limit)


def read_boundaries(path: str | Path) -> NDArray[np.bool_]:
    """(A, H, W) bool boundary pixels of the A annotators in a groundTruth .mat file.

    Raises FileNotFoundError, and ValueError that names the file where it is another kind of file,
    where an annotator's map is missing, or where maps differ in size.
    """
    cells = read_mat(path, "groundTruth")
    if cells.dtype != object or cells.size == 0:
        raise ValueError(f"{path}: groundTruth is a cell of annotators, got {_kind(cells)}")
    maps = [_boundary_map(path, number, cell) for number, cell in enumerate(cells.ravel(), 1)]
    sizes = {one.shape for one in maps}
    if len(sizes) > 1:
        raise ValueError(f"{path}: annotators' maps differ in size: {sorted(sizes)}")
    return np.stack(maps)


def _boundary_map(path: str | Path, number: int, cell: Any) -> NDArray[np.bool_]:
    names = getattr(cell, "dtype", np.dtype(int)).names or ()
    if "Boundaries" not in names or cell.size != 1:
        raise ValueError(f"{path}: annotator {number} has no Boundaries, got {_kind(cell)}")
    values = np.asarray(cell["Boundaries"].item())
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "biuf":
        raise ValueError(
            f"{path}: the Boundaries of annotator {number} are a map of 0 and 1, got {_kind(values)}"
        )
    if not ((values == 0) | (values == 1)).all():
        raise ValueError(f"{path}: the Boundaries of annotator {number} are not all 0 or 1")
    return np.asarray(values == 1)


def _folders(path: Path, split: str | None) -> tuple[Path, Path]:
    """The folders of pictures and truth."""
    below = split or ""
    for root in ROOTS:
        images, truth = path / root / "images" / below, path / root / "groundTruth" / below
        if images.is_dir() and truth.is_dir():
            return images, truth
    raise FileNotFoundError(
        f"no {Path('images') / below} beside {Path('groundTruth') / below} in {path}; unpack the "
        "release (BSR_bsds500.tgz) and name its folder"
    )


def _kind(value: Any) -> str:
    array = np.asarray(value)
    fields = f" with {', '.join(array.dtype.names)}" if array.dtype.names else ""
    return f"{array.shape} {'struct' if fields else array.dtype}{fields}"
