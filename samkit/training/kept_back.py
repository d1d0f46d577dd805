"""How well a `MaskRefiner` or a `TextFinder` does in pictures that it does not learn from."""

from collections.abc import Sequence

import numpy as np

from samkit.clip.finder import TextFinder
from samkit.clip.model import Clip
from samkit.ops import rle
from samkit.sam.mask_refiner import MaskRefiner
from samkit.stages import FindByText, RedrawMasks
from samkit.training.found import Example
from samkit.training.looking import Scene
from samkit.types import Frame, Masks, Sample

MEASURED = 16  # masks of a picture


def measured(refiner: MaskRefiner, kept: Sequence[Example]) -> str:
    """Mean IoU of masks found in some pictures, before and after they are drawn anew, told nothing.

    Of each picture `MEASURED`, evenly taken, where a prompt found a hundred.
    """
    before: list[float] = []
    after: list[float] = []
    redraw = RedrawMasks(refiner.eval())
    for one in kept:
        size = one.image.shape[:2]
        frame = Frame(size, size, max(size))
        some = np.linspace(0, len(one.found) - 1, min(MEASURED, len(one.found))).astype(int)
        masks = Masks(frame, run_lengths=tuple(one.found[row] for row in some))
        [drawn] = redraw([Sample(0, one.image, masks=masks)])
        assert drawn.masks is not None, "which were drawn"
        for found, ious in ((masks.rle(), before), (drawn.masks.rle(), after)):
            ious += list(rle.iou(found, one.objects)[np.arange(len(some)), one.means[some]])
    refiner.train()
    old, new = np.array(before), np.array(after)
    return (
        f"IoU of {len(old)} masks in pictures kept back {old.mean():.3f} -> {new.mean():.3f}, "
        f"over .5 {(old > 0.5).mean():.3f} -> {(new > 0.5).mean():.3f}"
    )


def looked_for(finder: TextFinder, clip: Clip, kept: Sequence[Scene]) -> str:
    """The share of telling captions whose object is what a finder finds first, looking once at each picture."""
    hits: list[float] = []
    look = FindByText(finder.eval(), clip, crop_n_layers=0)
    for one in kept:
        if one.telling:
            [found] = look([Sample(0, one.image, phrases=[one.captions[i] for i in one.telling])])
            assert found.masks is not None and found.masks.class_ids is not None, "so it writes"
            table = rle.iou(found.masks.rle(), rle.encode(one.masks[list(one.telling)]))
            drawn = table[np.arange(len(table)), found.masks.class_ids] > 0.5
            hits += drawn.tolist() + [False] * (len(one.telling) - len(drawn))
    finder.train()
    return f"of {len(hits)} captions kept back {np.mean(hits or [0]):.3f} found at one look"
