"""CLIP looks at a crop of each mask and tells which phrase it shows, or how well its own."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.clip.model import PLAIN, Clip
from samkit.ops.square_crops import Crop
from samkit.pipeline import Stage
from samkit.stages.asked import ask_for, classes_among, phrases_of
from samkit.stages.mask_crops import Patches, Pixels, in_batches, mask_crops
from samkit.types import Masks, Sample

# What suits the shipped pair, chosen on made-up scenes that no evaluation draws.
FOR_TINY: dict[str, Any] = {"quality": 0.4}
NOTHING = -1.0  # similarity of a mask without a pixel, below which there is none


@dataclass(frozen=True, repr=False)
class RankByText(Stage):
    """Masks get the phrase they show as their class, and how well it fits as their score.

    clip: what `load_clip` gives. phrases: asked of every picture; None takes each sample's own
        `phrases`. Class ids are places among them.
    each: "mask" gives every mask its best phrase: open-vocabulary labels for everything mode.
        "phrase" gives every phrase all masks, phrase after phrase, held as run lengths; behind it
        `Top(k, per="class")` finds the k best masks of each phrase, which may share a mask. "own" leaves
        each mask the phrase that its class names, and scores that: behind `TextPrompt | Segment`.
    scores: "similarity" is the dot product of the embeddings, -1 to 1; "probability" the softmax over
        the sample's phrases at the temperature that the CLIP was trained with.
    crops: how masks are cut out and looked at; the embeddings of several ways are averaged. A CLIP that
        sees masks, such as the shipped pair, is shown each mask beside its crop.
    mirrored: each crop is looked at in a mirror too, and both embeddings are averaged.
    templates: sentences with {} where a phrase goes, averaged too.

    Where a sample has no phrases, no mask is left. Masks are cut from all pictures of a batch together.
    Raises ValueError for phrases that are one text or empty, settings of other names, and masked
    attention with a CLIP that has none.

    >>> import samkit
    >>> from samkit.clip import load_clip
    >>> from samkit.stages import Embed, Proposals, Top
    >>> sam, clip = samkit.load_sam("tiny"), load_clip("tiny")
    >>> find = Embed(sam) | Proposals(sam) | RankByText(clip, ["a red disc"]) | Top(1)
    """

    clip: Clip
    phrases: Sequence[str] | None = None
    _: KW_ONLY
    each: Literal["mask", "phrase", "own"] = "mask"
    scores: Literal["similarity", "probability"] = "similarity"
    quality: float = 0.0
    crops: tuple[Crop, ...] = (Crop(),)
    mirrored: bool = False
    templates: tuple[str, ...] = PLAIN

    def __post_init__(self) -> None:
        ask_for(self, self.phrases, ("image", "masks"), "masks")
        if self.each not in ("mask", "phrase", "own"):
            raise ValueError(f'each is "mask", "phrase" or "own", got {self.each!r}')
        if self.scores not in ("similarity", "probability"):
            raise ValueError(f'scores is "similarity" or "probability", got {self.scores!r}')
        if not 0 <= self.quality < float("inf"):
            raise ValueError(f"quality is 0 or more, got {self.quality}")
        if not self.crops:
            raise ValueError("crops are at least one way to cut masks out, such as (Crop(),)")
        if any(crop.masked_attention for crop in self.crops):
            _ = self.clip.patch_grid  # which tells where there is none

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        asked = [phrases_of(sample, self.phrases) for sample in samples]
        known = list(dict.fromkeys(phrase for some in asked for phrase in some))
        texts = dict(zip(known, self.clip.texts(known, self.templates), strict=True))
        looked_at = [s if some else None for s, some in zip(samples, asked, strict=True)]
        shown = self._embeddings([sample for sample in looked_at if sample is not None])
        done, first = [], 0
        for sample, some in zip(samples, asked, strict=True):
            masks = _masks(sample)
            count = len(masks) if some else 0
            table = np.full((count, len(some)), NOTHING, dtype=np.float32)
            if count and shown is not None:
                phrases = torch.stack([texts[phrase] for phrase in some])
                table = (shown[first : first + count] @ phrases.T).numpy()
                table[masks.areas() == 0] = NOTHING
            first += count
            ranked = self._ranked(masks[:count], table)
            done.append(sample.replace(masks=ranked, phrases=self._written(sample)))
        return done

    def _written(self, sample: Sample) -> Sequence[str] | None:
        return sample.phrases if self.phrases is None else self.phrases

    def _embeddings(self, samples: Sequence[Sample]) -> torch.Tensor | None:
        """(all masks of all samples, D), of length 1; None where there are no masks."""
        total = None
        for how, seen in itertools.product(
            self.crops, (_as_it_is, _in_a_mirror)[: 1 + self.mirrored]
        ):
            found = in_batches(map(seen, self._cut(samples, how)), self.clip.images)
            if found is None:
                return None
            total = found if total is None else total + found
        assert total is not None
        return torch.nn.functional.normalize(total, dim=-1)

    def _cut(self, samples: Sequence[Sample], how: Crop) -> Iterator[tuple[Pixels, Patches | None]]:
        side, grid = self.clip.image_size, self.clip.patch_grid if how.masked_attention else 0
        for sample in samples:
            if len(_masks(sample)):
                yield from mask_crops(
                    sample.image, _masks(sample), side, how, grid, self.clip.sees_masks
                )

    def _ranked(self, masks: Masks, table: NDArray[np.float32]) -> Masks:
        """The masks with classes and scores from their (masks, phrases) similarities."""
        count, phrases = table.shape
        values = self._weighed(
            self._softmax(table) if self.scores == "probability" else table, masks
        )
        if self.each == "phrase":
            pairs = masks.with_run_lengths()[np.tile(np.arange(count), phrases)]
            classes = np.repeat(np.arange(phrases), count)
            return pairs.replace(scores=values.T.flatten(), class_ids=classes)
        if self.each == "own" and count:
            classes = classes_among(masks, phrases)
            return masks.replace(scores=values[np.arange(count), classes])
        classes = table.argmax(axis=1) if count else np.zeros(0, dtype=np.int64)
        return masks.replace(scores=values[np.arange(count), classes], class_ids=classes)

    def _weighed(self, values: NDArray[np.float32], masks: Masks) -> NDArray[np.float32]:
        """(masks, phrases) scores with what the masks are worth themselves."""
        if not self.quality:
            return values
        worth = masks.predicted_iou[:, None].astype(np.float32)
        if self.scores == "probability":
            return np.asarray(values * worth.clip(0) ** self.quality, dtype=np.float32)
        weighed = np.where(values > NOTHING, values + self.quality * worth, NOTHING)
        return weighed.astype(np.float32)

    def _softmax(self, table: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = torch.from_numpy(table) / self.clip.temperature
        shares = logits.softmax(dim=1) * torch.from_numpy(table > NOTHING)
        return np.asarray(shares.numpy(), dtype=np.float32)


def _as_it_is(cut: tuple[Pixels, Patches | None]) -> tuple[Pixels, Patches | None]:
    return cut


def _in_a_mirror(cut: tuple[Pixels, Patches | None]) -> tuple[Pixels, Patches | None]:
    pixels, patches = cut
    turned = np.ascontiguousarray(pixels[:, ::-1])
    return turned, None if patches is None else np.ascontiguousarray(patches[:, ::-1])


def _masks(sample: Sample) -> Masks:
    if sample.masks is None:
        raise ValueError(f"sample {sample.id!r} has no masks to rank; put Proposals(sam) before")
    return sample.masks
