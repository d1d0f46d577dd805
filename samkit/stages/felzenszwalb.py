"""Segments of a classical algorithm, as a baseline beside a SAM's proposals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samkit.pipeline import Stage
from samkit.types import Masks, Sample


@dataclass(frozen=True, repr=False, kw_only=True)
class Felzenszwalb(Stage):
    """Regions of alike colour at several scales (Felzenszwalb and Huttenlocher 2004), coarse ones first.

    scales: `scale` of scikit-image's `felzenszwalb`, the rest at its defaults. A region that several
    scales give is proposed once.

    >>> find = Felzenszwalb(scales=(400, 100))
    """

    scales: tuple[float, ...] = (3200, 1600, 800, 400, 200, 100, 50)

    reads = ("image",)
    writes = ("masks",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(masks=self._segments(sample.image)) for sample in samples]

    def _segments(self, image: NDArray[np.uint8]) -> Masks:
        from skimage.segmentation import felzenszwalb

        found: dict[str, Masks] = {}
        for rank, scale in enumerate(self.scales):
            labels = felzenszwalb(image, scale)
            for label in range(labels.max() + 1):
                score = 1 - rank / len(self.scales)
                mask = Masks.from_binary((labels == label)[None], [score])
                found.setdefault(mask.rle()[0]["counts"], mask)
        return Masks.concat(list(found.values()))
