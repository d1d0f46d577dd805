"""Outlines that follow the picture: what low-resolution logits leave vague, its edges decide."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from samkit.ops import guided, rle
from samkit.pipeline import Stage
from samkit.types import Masks, Sample

# Windows are no wider than this share of the picture's longer side: colours repeat further away.
WIDEST = 0.04


@dataclass(frozen=True, repr=False, kw_only=True)
class GuidedFilter(Stage):
    """Masks whose outlines follow the picture's edges (He et al., Guided Image Filtering, 2010).

    A SAM's logits are a quarter of its square a side, so on a photograph an outline is a bilinear curve
    between places many pixels apart. The filter explains each mask by the picture's colours, window
    by window. It helps a small model most: logits of `tiny` are 64 x 64, those of ViT-H 256 x 256.

    radius: of the windows, as a share of the square root of the mask's area, so that small objects
        have small windows; rounded to a power of two pixels, and at most .04 of the longer side.
    eps: variance of a colour (0 to 1) below which a window counts as flat; there outlines are only
        smoothed.

    Works on run lengths, so on masks of any origin; afterwards they hold no logits and no stability.
    Number, order, scores and classes stay. A mask of which nothing would be left stays as it was.
    Raises ValueError for settings that are not above 0.

    >>> GuidedFilter(radius=0.1)
    GuidedFilter(radius=0.1)
    """

    radius: float = 0.25
    eps: float = 1e-3

    reads = ("image", "masks")
    writes = ("masks",)

    def __post_init__(self) -> None:
        for name in ("radius", "eps"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is a number above 0, got {getattr(self, name)}")

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(masks=self._filtered(sample)) for sample in samples]

    def _filtered(self, sample: Sample) -> Masks:
        masks = sample.masks
        assert masks is not None, "the pipeline checks what a stage reads"
        image, run_lengths = sample.image, masks.rle()
        wanted = self.radius * np.sqrt(rle.areas(run_lengths))
        pixels = 2 ** np.rint(np.log2(np.clip(wanted, 1, max(1, WIDEST * max(image.shape[:2])))))
        for radius in np.unique(pixels):
            rows = np.flatnonzero(pixels == radius)
            guide = guided.guide(image, float(radius), self.eps, torch.device("cpu"))
            some = [run_lengths[i] for i in rows]
            for row, one in zip(rows, guided.follow_run_lengths(guide, some), strict=True):
                run_lengths[row] = one
        return masks.replace(run_lengths=tuple(run_lengths), logits=None, stability=None)
