"""Edge maps in files, as the BSDS benchmark's Matlab and C++ code reads them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samkit.data.mat import read_mat
from samkit.ops.images import open_picture

SUFFIXES = (".png", ".mat", ".npy")


def write_edge_map(edges: NDArray[np.floating[Any]], path: str | Path) -> None:
    """An (H, W) edge map from 0 to 1 as a PNG of one channel, 255 for 1.

    Named IMAGE_ID.png in one folder, such files are what `edgesEvalDir` and `boundaryBench` take.
    """
    levels = np.rint(np.asarray(edges, dtype=np.float64) * 255).astype(np.uint8)
    Image.fromarray(levels).save(path, format="PNG")


def read_edge_map(path: str | Path) -> NDArray[np.float32]:
    """An (H, W) edge map from 0 to 1, whoever made it.

    path: an 8-bit PNG of one channel, 255 for 1; a .mat with `ucm2`, the contour map of twice the
        size and one more that gPb-owt-ucm gives; or a .npy of floats.

    Raises FileNotFoundError, and ValueError that names the file where it is another kind of file, or
    has values that are NaN or outside 0 and 1.
    """
    path = Path(path)
    if path.suffix.lower() == ".png":
        with open_picture(path) as picture:
            mode, levels = picture.mode, np.array(picture)
        if mode != "L":
            raise ValueError(f"{path}: an edge map has one channel of 8 bits, this has mode {mode}")
        return (levels / 255).astype(np.float32)
    if path.suffix.lower() == ".mat":
        # Contours lie between the pixels; the benchmark takes those to the right and below of each.
        return _checked(path, read_mat(path, "ucm2"))[2::2, 2::2]
    if path.suffix.lower() == ".npy":
        try:
            values = np.load(path, allow_pickle=False)
        except Exception as error:  # a damaged header is read as Python's own syntax
            raise ValueError(f"{path} cannot be read as a .npy of floats: {error}") from error
        return _checked(path, values)
    raise ValueError(f"{path}: edge maps are read from {', '.join(SUFFIXES)}")


def find_edge_map(folder: str | Path, id: int | str) -> Path:
    """The file of one image in a folder of edge maps. Raises FileNotFoundError where none is."""
    for suffix in SUFFIXES:
        path = Path(folder) / f"{id}{suffix}"
        if path.is_file():
            return path
    raise FileNotFoundError(f"no edge map {id}{' or '.join(SUFFIXES)} in {folder}")


def _checked(path: Path, values: NDArray[Any]) -> NDArray[np.float32]:
    if values.ndim != 2 or values.dtype.kind != "f":
        raise ValueError(f"{path}: an edge map is 2-d floats, got {values.shape} {values.dtype}")
    if np.isnan(values).any():
        raise ValueError(f"{path}: {int(np.isnan(values).sum())} values of the edge map are NaN")
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if low < 0 or high > 1:
        raise ValueError(f"{path}: edges lie within 0 and 1, these go from {low:.4g} to {high:.4g}")
    return values.astype(np.float32)
