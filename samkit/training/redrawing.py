"""Teaching a `MaskRefiner`: what a SAM found, or what it might have found, and the object it is to become."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from samkit.clip.model import Clip
from samkit.ops import rle
from samkit.training.choice import choice_loss
from samkit.training.found import LEAST_PIXELS, Example
from samkit.training.losses import dice_loss
from samkit.training.spoil import spoiled
from samkit.training.squares import CANDIDATES, HARDLY, Square, around, candidates

FOUND_SHARE = 0.65  # of what is shown; the rest are objects' masks, spoiled
CHOICE_WEIGHT = 0.4  # of choosing among candidates, beside drawing


@dataclass(frozen=True, eq=False)
class Shown:
    """What a step shows: pictures (B, 3, S, S) and masks (B, S, S) of squares, 0 to 1, turned and mirrored.

    targets: (B, S, S) 0 or 1, the objects. phrases: what is told of each, "" being nothing. shares: (B,)
    of the object's pixels, how many the square holds: 0 where what the phrase says is elsewhere.
    captions: the first `captions * CANDIDATES` are for choosing: of one caption after the other, masks found
    in its picture, all told that.
    """

    pictures: torch.Tensor
    masks: torch.Tensor
    targets: torch.Tensor
    phrases: list[str]
    shares: torch.Tensor
    captions: int = 0

    def to(self, device: torch.device) -> "Shown":
        """The same with its tensors there."""
        return replace(
            self,
            pictures=self.pictures.to(device),
            masks=self.masks.to(device),
            targets=self.targets.to(device),
            shares=self.shares.to(device),
        )


def shown(
    examples: list[Example],
    count: int,
    side: int,
    rng: np.random.Generator,
    told: float = 0.0,
    captions: int = 0,
) -> Shown:
    """So many squares of any examples' any masks.

    examples: with an object each. told: share of squares that are told a caption, where there are any.
    captions: in how many a caption's object is to be chosen among masks, where pictures have captions and
    masks enough; of the `count` squares each takes `CANDIDATES`.
    Raises ValueError for no example.
    """
    if not examples:
        raise ValueError("no picture with an object to learn from")
    rich = [one for one in examples if one.captions and len(one.found) >= CANDIDATES]
    captions = captions if rich else 0
    squares: list[Square] = []
    for _ in range(captions):
        squares += candidates(rich[rng.integers(len(rich))], side, rng)
    while len(squares) < count:
        one = examples[rng.integers(len(examples))]
        if len(one.found) and rng.random() < FOUND_SHARE:
            row = int(rng.integers(len(one.found)))
            mask, place = rle.decode([one.found[row]])[0], int(one.means[row])
        else:
            every = rle.decode(one.objects)
            place = int(rng.integers(len(every)))
            mask = spoiled(every[place], np.delete(every, place, 0), rng)
        if mask.sum() < LEAST_PIXELS / 2:
            continue
        tell = bool(one.captions) and rng.random() < told
        squares.append(around(one, mask, place, tell, side, rng))
    return _stacked(squares, captions)


def _stacked(squares: list[Square], captions: int) -> Shown:
    pixels = torch.from_numpy(np.stack([square for square, *_ in squares]))
    pixels = pixels.permute(0, 3, 1, 2) / 255
    phrases = [phrase for _, phrase, _ in squares]
    shares = torch.tensor([share for *_, share in squares], dtype=torch.float32)
    targets = (pixels[:, 4] > 0.5).float()
    return Shown(pixels[:, :3], pixels[:, 3], targets, phrases, shares, captions)


def embedded(clip: Clip, phrases: Sequence[str]) -> torch.Tensor:
    """(B, D) what CLIP makes of the phrases; zeros for "", which tells nothing."""
    known = [phrase for phrase in dict.fromkeys(phrases) if phrase]
    rows = dict(zip(known, clip.texts(known), strict=True)) if known else {}
    return torch.stack([rows.get(phrase, torch.zeros(clip.width)) for phrase in phrases])


def refiner_loss(logits: torch.Tensor, iou: torch.Tensor, given: Shown) -> torch.Tensor:
    """Cross-entropy of pixels and dice of masks, the squared error of the IoUs guessed, and the choice.

    logits: (B, S, S). iou: (B,). given: what was shown. Where a square hardly holds the object the guess
    alone counts, which is to be 0. Where masks are candidates the guesses are to choose (`choice_loss`).
    """
    there = (given.shares >= HARDLY).float()
    pixels = F.binary_cross_entropy_with_logits(logits, given.targets, reduction="none")
    drawn = pixels.mean(dim=(1, 2)) + dice_loss(logits, given.targets)
    drawn = (drawn * there).sum() / there.sum().clamp(min=1)
    true = whole_iou(logits, given.targets, given.shares)
    loss = drawn + 2 * F.mse_loss(iou, true)
    if not given.captions:
        return loss
    guesses = torch.logit(iou, eps=1e-5)
    table, right = (x[: given.captions * CANDIDATES].view(-1, CANDIDATES) for x in (guesses, true))
    return loss + CHOICE_WEIGHT * choice_loss(table.T, right.T)


def whole_iou(logits: torch.Tensor, targets: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """IoU (B,) of what is drawn in squares with whole objects; 0 where squares hardly hold these.

    logits, targets: (B, S, S). shares: (B,) of the objects' pixels, how many are in the squares.
    """
    drawn, inside = logits > 0, targets > 0.5
    both = (drawn & inside).sum(dim=(1, 2)).float()
    whole = inside.sum(dim=(1, 2)) / shares.clamp(min=HARDLY)
    ious = both / (drawn.sum(dim=(1, 2)) + whole - both).clamp(min=1)
    return ious * (shares >= HARDLY)
