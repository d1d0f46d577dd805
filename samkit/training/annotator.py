"""The data engine's annotator, simulated: clicks until a mask is good, or patience ends (paper, sec. 4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samkit.data.masks import annotations_from_masks
from samkit.ops import rle
from samkit.sam.family import SamModel
from samkit.stages import Clicks, Embed, Segment
from samkit.training.augment import Bools, Pixels
from samkit.types import Prompts, Sample
from samkit.types.clicks import ClickResults

FOUND = 0.5  # IoU with a true object from which on a mask is taken to be of it


@dataclass(frozen=True)
class Annotated:
    """One picture with masks that were made, in the place of its truth, and what they took.

    clicks: spent on it, those on objects given up included. right: how many of its masks are of a
    true object, with an IoU of at least .5.
    """

    sample: Sample
    clicks: int
    right: int

    @property
    def masks(self) -> int:
        """How many there are."""
        return len(self.sample.annotations or ())


def annotate(
    sam: SamModel, samples: Sequence[Sample], wanted_iou: float, patience: int
) -> list[Annotated]:
    """Every true object that no mask of the sample covers yet is clicked on.

    samples: with their truth, and the masks that are filled in already, if any: those are kept.
    wanted_iou: the annotator is content with a mask from there on. patience: clicks after which an
    object is given up; it then has no mask, for this annotator cannot paint.
    """
    clicked = (Embed(sam) | Clicks(sam, (patience,), feedback="none"))(samples)
    done = []
    for sample in clicked:
        results: ClickResults = sample.clicks
        given = [] if sample.masks is None else sample.masks.rle()
        covered = np.flatnonzero(_overlaps(given, sample).any(axis=0))
        asked = np.flatnonzero(~np.isin(results.objects, covered))
        content = results.iou[asked] >= wanted_iou
        enough = np.where(content.any(axis=1), content.argmax(axis=1) + 1, 0)
        spent = int(np.where(enough > 0, enough, patience).sum())
        masks = _after(sam, sample, asked[enough > 0], enough[enough > 0])
        done.append(taken(sample, [*given, *masks], spent))
    return done


def taken(sample: Sample, run_lengths: Sequence[rle.RLE], clicks: int = 0) -> Annotated:
    """A picture with these masks, and how many of them are right by its truth."""
    height, width = sample.image.shape[:2]
    truth = annotations_from_masks(rle.decode(run_lengths, (height, width)), {1: "object"})
    right = int(_overlaps(run_lengths, sample).any(axis=1).sum())
    return Annotated(Sample(sample.id, sample.image, truth), clicks, right)


def _after(
    sam: SamModel, sample: Sample, rows: NDArray[np.int64], clicks: NDArray[np.int64]
) -> list[rle.RLE]:
    """The masks of some of the clicked objects after so many of their clicks, made once more."""
    results: ClickResults = sample.clicks
    counts = list(zip(rows.tolist(), clicks.tolist(), strict=True))
    prompts = Prompts(
        points=[results.points[row, :count] for row, count in counts],
        labels=[results.labels[row, :count] for row, count in counts],
    )
    [answered] = Segment(sam)([sample.replace(prompts=prompts)])
    assert answered.masks is not None
    return answered.masks.rle()


def _overlaps(run_lengths: Sequence[rle.RLE], sample: Sample) -> NDArray[np.bool_]:
    """(N, M) which of N masks are of which of M true objects."""
    if sample.annotations is None or sample.annotations.run_lengths is None:
        raise ValueError(f"sample {sample.id!r} has no true masks for the annotator to see")
    return np.asarray(rle.iou(run_lengths, sample.annotations.run_lengths) >= FOUND)


@dataclass(frozen=True)
class Labelled:
    """A source of training pictures: any of those that have masks, all alike."""

    samples: Sequence[Sample]

    def __call__(self, rng: np.random.Generator) -> tuple[Pixels, Bools]:
        sample = self.samples[int(rng.integers(len(self.samples)))]
        assert sample.annotations is not None
        return sample.image, sample.annotations.binary()
