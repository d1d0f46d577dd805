"""Hypersim's instance maps in HDF5 (Roberts et al. 2021)."""

from pathlib import Path

import numpy as np

from samkit.data.sa23.label_maps import masks_of
from samkit.data.sa23.objects import annotations
from samkit.ops.optional import require
from samkit.types import Annotations


def hypersim_annotations(path: Path) -> Annotations:
    """The instances of one *.semantic_instance.hdf5; -1 is no instance, ids begin at 1.

    Wants the extra `data` (h5py). Raises FileNotFoundError, ValueError where it is no such file.
    """
    h5py = require("h5py", extra="data")
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        with h5py.File(path, "r") as file:
            values = np.asarray(file["dataset"])
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} is no instance map of Hypersim: {error}") from error
    if values.ndim != 2 or values.dtype.kind not in "iu":
        raise ValueError(f"{path} holds {values.shape} {values.dtype}, not a map of whole numbers")
    masks = {id: mask for id, mask in masks_of(values).items() if id > 0}
    return annotations((values.shape[0], values.shape[1]), list(masks.values()), ids=list(masks))
