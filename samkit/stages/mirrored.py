"""A picture seen in a mirror too: test-time augmentation for whatever finds masks in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samkit.ops import rle
from samkit.pipeline import Stage
from samkit.types import Masks, Sample

KNOWN = ("image", "phrases")  # what a picture in a mirror is given


@dataclass(frozen=True, repr=False)
class Mirrored(Stage):
    """What a pipeline finds in the picture's mirror image, turned back. Beside what it finds in the picture:

    >>> import samkit
    >>> from samkit.stages import Embed, NonMaxSuppression, Proposals, Together
    >>> sam = samkit.load_sam("tiny")
    >>> find = Embed(sam) | Proposals(sam)
    >>> find = Together([find, Mirrored(find)]) | NonMaxSuppression()

    way: a stage or pipeline that writes masks, and needs nothing but the picture and phrases: it makes
        its own embedding, and prompts that were given are of the picture as it stands.

    Masks are held as run lengths; where a point or a crop made them, that is turned back as well.
    Raises ValueError for a way that writes no masks, and for one that reads anything else.
    """

    way: Stage

    def __post_init__(self) -> None:
        if "masks" not in self.way.writes:
            raise ValueError(f"{self.way} writes no masks; put a Segment or Proposals at its end")
        others = [field for field in self.way.reads if field not in KNOWN]
        if others:
            raise ValueError(
                f"{self.way} reads {' and '.join(others)}, which is not there in a mirror; put what writes "
                "it into the pipeline, as Mirrored(Embed(sam) | Proposals(sam))"
            )
        asked = "phrases" in self.way.writes
        object.__setattr__(self, "reads", self.way.reads)
        object.__setattr__(self, "writes", ("masks", "phrases") if asked else ("masks",))

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        found = self.way([_in_a_mirror(sample) for sample in samples])
        return [
            sample.replace(masks=_turned_back(one), phrases=one.phrases)
            for sample, one in zip(samples, found, strict=True)
        ]


def _in_a_mirror(sample: Sample) -> Sample:
    image = np.ascontiguousarray(sample.image[:, ::-1])
    return Sample(sample.id, image, phrases=sample.phrases)


def _turned_back(found: Sample) -> Masks:
    assert found.masks is not None, "the way writes masks"
    masks, width = found.masks.with_run_lengths(), found.image.shape[1]
    there = [rle.encode(rle.decode([one])[:, :, ::-1])[0] for one in masks.rle()]
    points, crops = masks.points, masks.crop_boxes
    if points is not None:
        points = np.stack([width - points[:, 0], points[:, 1]], axis=1)
    if crops is not None:
        crops = np.stack(
            [width - crops[:, 2], crops[:, 1], width - crops[:, 0], crops[:, 3]], axis=1
        )
    return masks.replace(run_lengths=tuple(there), logits=None, points=points, crop_boxes=crops)
