"""Edge maps that somebody made, from files."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samkit.data.edge_maps import SUFFIXES, find_edge_map, read_edge_map
from samkit.pipeline import Stage
from samkit.types import Sample


@dataclass(frozen=True, repr=False)
class EdgesFromFiles(Stage):
    """`edges` from a folder with a map for every image, named by its id (100007.png).

    Files are 8-bit PNGs of one channel, ucm2 .mat or .npy, as `read_edge_map` tells. The folder goes
    by its name and its maps' content in `repr`.

    Raises FileNotFoundError for no folder and, when called, for an image without a map; ValueError
    that names the file where it is no edge map or of another size than the image.
    """

    folder: str | Path

    reads = ("image",)
    writes = ("edges",)

    def __post_init__(self) -> None:
        if not Path(self.folder).is_dir():
            raise FileNotFoundError(f"no folder of edge maps at {self.folder}")

    def __repr__(self) -> str:
        return f"EdgesFromFiles({Path(self.folder).name!r}, sha256={self._digest[:12]!r})"

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(edges=self._edges(sample)) for sample in samples]

    def _edges(self, sample: Sample) -> NDArray[np.float32]:
        path = find_edge_map(self.folder, sample.id)
        edges, size = read_edge_map(path), sample.image.shape[:2]
        if edges.shape != size:
            raise ValueError(f"{path} is {edges.shape} (height, width), image {sample.id} {size}")
        return edges

    @cached_property
    def _digest(self) -> str:
        """One sha256 for the names and bytes of all maps."""
        digest = hashlib.sha256()
        for path in sorted(Path(self.folder).iterdir()):
            if path.suffix.lower() in SUFFIXES:
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()
