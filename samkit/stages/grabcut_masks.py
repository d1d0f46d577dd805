"""Masks once more by their colours: GrabCut, begun with what a SAM found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samkit.ops import rle
from samkit.ops.grabcut import grab_cut
from samkit.ops.optional import require
from samkit.pipeline import Stage
from samkit.types import Masks, Sample

LEAST_MARGIN = 4  # pixels around a mask's box


@dataclass(frozen=True, repr=False, kw_only=True)
class GrabCutMasks(Stage):
    """Each mask cut anew where its colours end (GrabCut, Rother, Kolmogorov and Blake, 2004).

    What lies deep inside the mask stays in, what lies at the border of a window around it and away from the
    mask stays out; between them, colour models of inside and outside decide. So it finds the rest of a
    wire or a fence of which a SAM saw a part, and gives up what is coloured otherwise. It is for
    small models, and for things that are of few colours: of what is camouflaged nothing good is left.

    context: how far the window reaches beyond the mask's box, as a share of its longer side.
    core: how deep "deep inside" is, as a share of the square root of the mask's area; a pixel at least.
    iterations: of fitting the models and cutting.
    longest: pixels of a window's longer side above which it is made smaller, for time's sake; a window of
        256 pixels takes up to 80 ms.

    Works on run lengths, so on masks of any origin; afterwards they hold no logits and no stability.
    Number, order, scores and classes stay. A mask of which nothing would be left stays as it was. Wants
    OpenCV (extra: bench). Raises ValueError for settings that are not above 0.

    >>> GrabCutMasks(context=0.5)
    GrabCutMasks(context=0.5)
    """

    context: float = 0.3
    core: float = 0.05
    iterations: int = 4
    longest: int = 256

    reads = ("image", "masks")
    writes = ("masks",)

    def __post_init__(self) -> None:
        for name in ("context", "core", "iterations", "longest"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is a number above 0, got {getattr(self, name)}")

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(masks=self._cut(sample)) for sample in samples]

    def _cut(self, sample: Sample) -> Masks:
        masks = sample.masks
        assert masks is not None, "the pipeline checks what a stage reads"
        held = masks.with_run_lengths()
        run_lengths, boxes = held.rle(), held.outer_boxes().astype(int).tolist()
        for row in np.flatnonzero(held.areas()):
            run_lengths[row] = self._cut_one(sample.image, run_lengths[row], boxes[row])
        return masks.replace(run_lengths=tuple(run_lengths), logits=None, stability=None)

    def _cut_one(self, image: NDArray[np.uint8], one: rle.RLE, box: list[int]) -> rle.RLE:
        height, width = image.shape[:2]
        x0, y0, x1, y1 = box
        margin = max(LEAST_MARGIN, int(self.context * max(x1 - x0, y1 - y0)))
        window = (
            slice(max(0, y0 - margin), min(height, y1 + margin)),
            slice(max(0, x0 - margin), min(width, x1 + margin)),
        )
        mask = rle.decode([one])[0]
        found = self._in_window(image[window], mask[window])
        if not found.any():
            return one
        mask = np.zeros_like(mask)
        mask[window] = found
        return rle.encode(mask[None])[0]

    def _in_window(self, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        cv2 = require("cv2", extra="bench")
        height, width = mask.shape
        if (scale := self.longest / max(height, width)) < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
            guess = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
            found = self._in_window(small, guess).astype(np.float32)
            large = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)
            return np.asarray(large > 0.5)
        depth = max(1, int(self.core * np.sqrt(mask.sum())))
        pixels = mask.astype(np.uint8)
        # Outside of the window nothing is known, so its border does not wear the mask away.
        inside = cv2.erode(pixels, _square(depth)) > 0
        near = cv2.dilate(pixels, _square(2 * depth)) > 0
        border = np.ones_like(mask)
        border[1:-1, 1:-1] = False
        outside = border & ~near
        if not outside.any():
            outside = border & ~mask
        return grab_cut(image, inside, outside, mask, self.iterations)


def _square(reach: int) -> NDArray[np.uint8]:
    return np.ones((2 * reach + 1, 2 * reach + 1), dtype=np.uint8)
