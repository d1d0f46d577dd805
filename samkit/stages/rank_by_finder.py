"""How well masks agree with where a small network sees their phrases."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from samkit.ops import rle
from samkit.ops.square_crops import region_from_square
from samkit.stages.asked import classes_among, phrases_of
from samkit.stages.text_looks import Looks, LooksForText
from samkit.types import Masks, Sample

CROPS_WEIGH = 0.5  # beside 1 of the whole picture: a crop shows less of what is around
AT_ONCE = 64  # masks, as pixels


@dataclass(frozen=True, repr=False)
class RankByFinder(LooksForText):
    """Masks' scores, raised where a `TextFinder` sees the phrase of their class.

    A CLIP judges a mask by what it shows, a finder knows nothing of masks and says of every pixel how
    likely the phrase is true of it: two witnesses. A mask's score gains `weight` times the IoU expected of it
    were each pixel the phrase's with that probability. Behind `RankByText`:

    >>> from samkit import load_sam
    >>> from samkit.clip import load_clip
    >>> from samkit.clip.finder import load_text_finder
    >>> from samkit.stages import Embed, Proposals, RankByText, Top
    >>> sam, clip, finder = load_sam("tiny"), load_clip("tiny"), load_text_finder()
    >>> rank = RankByText(clip, each="phrase") | RankByFinder(finder, clip) | Top(1, per="class")
    >>> find = Embed(sam) | Proposals(sam) | rank

    finder: what `load_text_finder` gives. clip: the one whose phrases it was taught. phrases: as `RankByText`
        had them; masks' classes are places among them.
    weight: of the agreement (0 to 1) beside the score there is.
    crop_n_layers, crop_overlap_ratio, mirrored: where it looks, as in `FindByText`.

    Raises ValueError for a finder that was not taught this CLIP's phrases, negative layers, a weight that is
    negative or no number, and masks whose classes are no phrases.
    """

    reads = ("image", "masks")

    _: KW_ONLY
    weight: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"weight is 0 or more, got {self.weight}")

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [self._ranked(sample) for sample in samples]

    def _ranked(self, sample: Sample) -> Sample:
        asked, masks = phrases_of(sample, self.phrases), sample.masks
        assert masks is not None, "the pipeline checks what a stage reads"
        phrases = sample.phrases if self.phrases is None else self.phrases
        classes = classes_among(masks, len(asked))
        if len(masks):
            chances = probabilities(self.looks(sample, asked), sample.image.shape[:2])
            agreed = agreement(masks, classes, chances)
            masks = masks.replace(scores=masks.scores + np.float32(self.weight) * agreed)
        return sample.replace(masks=masks, phrases=phrases)


def probabilities(looks: Looks, size: tuple[int, ...]) -> NDArray[np.float32]:
    """(P, H, W) how likely each phrase is true of a pixel of a picture of that size (H, W)."""
    total = np.zeros((len(looks.logits), size[0], size[1]), dtype=np.float32)
    weights = np.zeros(size[:2], dtype=np.float32)
    for place, box in enumerate(looks.boxes):
        weight = np.float32(CROPS_WEIGH if place else 1)
        for number, logits in enumerate(looks.logits[:, place]):
            region = region_from_square(logits, (size[0], size[1]), box)
            width, height = region.columns.shape
            part = np.s_[region.top : region.top + height, region.left : region.left + width]
            total[number][part] += weight * region.columns.T
        weights[part] += weight
    return np.asarray(expit(total / weights), dtype=np.float32)


def agreement(
    masks: Masks, classes: NDArray[np.int64], chances: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(N,) of each mask the IoU expected with the phrase of its class, by `probabilities`."""
    flat = chances.reshape(len(chances), -1)
    run_lengths = masks.rle()
    distinct = {id(one): one for one in run_lengths}  # `RankByText` gives every phrase the same
    sums = list[NDArray[np.float32]]()
    for first in range(0, len(distinct), AT_ONCE):
        pixels = rle.decode(list(distinct.values())[first : first + AT_ONCE])
        sums += list(pixels.reshape(len(pixels), -1).astype(np.float32) @ flat.T)
    inside = dict(zip(distinct, sums, strict=True))
    shared = np.array([inside[id(one)][k] for one, k in zip(run_lengths, classes, strict=True)])
    either = masks.areas() + flat.sum(axis=1)[classes] - shared
    return np.asarray(shared / (either + 1e-6), dtype=np.float32)
