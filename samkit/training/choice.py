"""Teaching a CLIP pair to choose among the masks that a SAM finds: which of them a phrase means.

A pair that knows objects alone likes a piece of one as much as the whole. Here each phrase of a scene sees
all masks found there, and is to prefer those that are its object.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.data.shapes.phrases import held_out, learnable
from samkit.ops import rle
from samkit.ops.square_crops import square_crop, with_mask
from samkit.types import Masks, Sample

IS_OBJECT = 0.5  # IoU above which a mask is an object: what `PhraseIoU` counts as a hit
NEVER = -1e4  # the score of what cannot be chosen: finite, that its gradient is 0 and no NaN
CONTEXT = (1.2, 1.8)  # of crops, around the 1.5 with which `RankByText` looks at masks


@dataclass(frozen=True, eq=False)
class Choice:
    """What the phrases of a made-up scene choose from.

    crops: (N, side, side, 4) uint8, the picture around each mask and, last, the mask, 255 inside.
    predicted_iou: (N,). iou: (N, P) of each mask with each phrase's object. phrases: captions that fit
    one object alone. of: each mask's caption where it is an object, else None. told: (N,) the phrase, by
    its place, that a mask was found for, which alone chooses it; -1 for any phrase's.
    """

    crops: NDArray[np.uint8]
    predicted_iou: NDArray[np.float32]
    iou: NDArray[np.float32]
    phrases: tuple[str, ...]
    of: tuple[str | None, ...]
    told: NDArray[np.int64]

    @property
    def own(self) -> NDArray[np.bool_]:
        """(N, P) whether a phrase chooses among a mask."""
        own: NDArray[np.bool_] = self.told[:, None] == np.arange(len(self.phrases))
        return own | (self.told < 0)[:, None]

    def some(self, count: int, rng: np.random.Generator) -> "Choice":
        """So many of the masks, half of them objects if there are as many; where told, phrase after phrase."""
        if (self.told >= 0).any():
            order = rng.permutation(len(self.phrases))
            rows = np.concatenate([np.flatnonzero(self.told == phrase) for phrase in order])[:count]
        else:
            is_one = np.array([caption is not None for caption in self.of])
            objects = rng.permutation(np.flatnonzero(is_one))[: count // 2]
            rows = np.concatenate([objects, rng.permutation(np.flatnonzero(~is_one))])[:count]
        of = tuple(self.of[row] for row in rows)
        parts = (self.crops, self.predicted_iou, self.iou)
        crops, worth, iou = (part[rows] for part in parts)
        return Choice(crops, worth, iou, self.phrases, of, self.told[rows])

    def save(self, path: Path) -> None:
        """Writes an .npz file, whole or not at all."""
        of = np.array([caption or "" for caption in self.of])
        parts = {**vars(self), "phrases": np.array(self.phrases), "of": of}
        temporary = path.with_name(f"{path.name}.tmp")
        with temporary.open("wb") as file:
            np.savez(file, **parts)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Choice":
        """What `save` wrote."""
        with np.load(path) as parts:
            phrases, of = (tuple(parts[name].tolist()) for name in ("phrases", "of"))
            return cls(
                parts["crops"],
                parts["predicted_iou"],
                parts["iou"],
                phrases,
                tuple(caption or None for caption in of),
                parts["told"],
            )


def choice(sample: Sample, side: int, limit: int, rng: np.random.Generator) -> Choice | None:
    """A made-up scene with the masks that a SAM found there; None where no phrase or no mask is left.

    limit: of masks. Half of them at most are objects; of the others half have the highest predicted
    IoU, the rest are any. Phrases and masks of held-out combinations are left out. Masks with classes,
    which are the sample's phrases, were found for these.
    """
    truth, masks = sample.annotations, sample.masks
    assert truth is not None and truth.captions is not None, "made-up scenes have captions"
    assert truth.run_lengths is not None and masks is not None, "and masks, true and found"
    hidden = np.array([held_out(caption) for caption in truth.captions], dtype=bool)
    asked = learnable(truth.captions)
    if not asked or not len(masks):
        return None
    table = rle.iou(masks.rle(), truth.run_lengths)
    best, which = table.max(axis=1), table.argmax(axis=1)
    usable = (masks.areas() > 0) & ~((best > IS_OBJECT) & hidden[which])
    told = np.full(len(masks), -1)
    if masks.class_ids is not None:
        assert sample.phrases is not None, "which classes are"
        places = {truth.captions[place]: number for number, place in enumerate(asked)}
        told = np.array([places[sample.phrases[number]] for number in masks.class_ids])
    rows = _chosen(usable, best > IS_OBJECT, masks.predicted_iou, limit, rng)
    if not len(rows):
        return None
    return Choice(
        _crops(sample.image, masks[rows], side, rng),
        masks.predicted_iou[rows].astype(np.float32),
        table[rows][:, asked].astype(np.float32),
        tuple(truth.captions[place] for place in asked),
        tuple(truth.captions[which[row]] if best[row] > IS_OBJECT else None for row in rows),
        told[rows],
    )


def choice_loss(
    scores: torch.Tensor, iou: torch.Tensor, own: torch.Tensor | None = None
) -> torch.Tensor:
    """The mean over phrases of minus the log of the softmax's share of masks that are the object.

    scores, iou: (N, P) of masks and phrases. own: (N, P) bool, which masks a phrase chooses among; all
    where not given. Phrases whose object none of these is are passed over; 0 where that is all of them.
    """
    right = iou > IS_OBJECT
    if own is not None:
        right, scores = right & own, scores.masked_fill(~own, NEVER)
    reachable = right.any(dim=0)
    if not reachable.any():
        return scores.sum() * 0
    shares = scores.log_softmax(dim=0).masked_fill(~right, -torch.inf)
    return -shares[:, reachable].logsumexp(dim=0).mean()


def _chosen(
    usable: NDArray[np.bool_],
    is_one: NDArray[np.bool_],
    worth: NDArray[np.float32],
    limit: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    objects = rng.permutation(np.flatnonzero(usable & is_one))[: limit // 2]
    others = np.flatnonzero(usable & ~is_one)
    others = others[np.argsort(-worth[others], kind="stable")]
    left = limit - len(objects)
    rest = rng.permutation(others[left // 2 :])
    return np.concatenate([objects, others[: left // 2], rest[: left - left // 2]])


def _crops(
    image: NDArray[np.uint8], masks: Masks, side: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    crops = []
    for box, one in zip(masks.outer_boxes(), masks.rle(), strict=True):
        context = rng.uniform(*CONTEXT)
        crops.append(with_mask(square_crop(image, box, side, context), one, box, context))
    return np.stack(crops)
