"""Objects of made-up scenes with their captions, as a CLIP pair is taught by them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from samkit.data.shapes.colours import NAMES as COLOURS
from samkit.data.shapes.phrases import TEXTURES, attributes, fits, held_out
from samkit.data.shapes.silhouettes import CLASSES
from samkit.ops import rle
from samkit.ops.square_crops import square_crop
from samkit.types import Masks, Sample

# IoU with an object from which a found mask is that object, and up to which it is nothing.
IS_OBJECT, IS_NOTHING = 0.5, 0.35
LEAST_PIXELS = 60  # of an object: smaller ones show neither their texture nor much of their class
EASY_PIXELS = 300  # that many more at first
FORMS = ("a {}", "the {}", "{}", "a photo of a {}")
# What a caption may say, and one answer more: nothing.
ANSWERS = {"name": CLASSES, "colour": COLOURS, "second": COLOURS, "texture": TEXTURES}


@dataclass(frozen=True, eq=False)
class Example:
    """A mask: its picture, its box (xyxy), pixels and the caption of the object it is.

    caption: None for a mask that is no object: a piece of one, several, background. found: whether a
    model made it; then it is always shown alone on black.
    """

    image: NDArray[np.uint8]
    box: NDArray[np.float32]
    mask: rle.RLE
    area: float
    caption: str | None
    found: bool = False


def examples(sample: Sample) -> list[Example]:
    """Objects to learn from: large enough, and no held-out combination."""
    truth = sample.annotations
    assert truth is not None and truth.captions is not None, "made-up scenes have captions"
    assert truth.run_lengths is not None and truth.areas is not None, "and masks"
    return [
        Example(sample.image, box, mask, float(area), caption)
        for box, mask, area, caption in zip(
            truth.boxes, truth.run_lengths, truth.areas, truth.captions, strict=True
        )
        if area >= LEAST_PIXELS and not held_out(caption)
    ]


def found_examples(sample: Sample, masks: Masks) -> list[Example]:
    """A model's masks of a scene: objects with their captions, and masks that are none without.

    Masks in between are left out, and those of objects that `examples` leaves out.
    """
    truth = sample.annotations
    assert truth is not None and truth.captions is not None, "made-up scenes have captions"
    assert truth.run_lengths is not None and len(truth.captions), "and objects"
    run_lengths, boxes, areas = masks.rle(), masks.boxes(), masks.areas()
    boxes[:, 2:] += 1
    table = rle.iou(run_lengths, truth.run_lengths)
    found = []
    for one, box, area, row in zip(run_lengths, boxes, areas, table, strict=True):
        caption, value = truth.captions[row.argmax()], row.max()
        if area >= LEAST_PIXELS and not held_out(caption):
            if value >= IS_OBJECT:
                found.append(Example(sample.image, box, one, float(area), caption, found=True))
            elif value <= IS_NOTHING:
                found.append(Example(sample.image, box, one, float(area), None, found=True))
    return found


def drawn(
    scenes: Sequence[list[Example]], count: int, ease: float, rng: np.random.Generator
) -> list[Example]:
    """Any scene's any object, `count` times; the larger ones alone while `ease` is near 1."""
    least = LEAST_PIXELS + EASY_PIXELS * ease
    large = [own for scene in scenes if (own := [one for one in scene if one.area >= least])]
    picked = [large[i] for i in rng.integers(len(large), size=count)]
    return [own[rng.integers(len(own))] for own in picked]


def crop(one: Example, side: int, ease: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(side, side, 3) uint8 as the paper cuts masks for CLIP (app. D.5), mirrored half the time.

    Box widened by 1 to 2, square, background black half the time. With `ease` towards 1 it is
    widened less and black more often, so that the outline is seen at once.
    """
    alone = one.found or rng.random() < 0.5 + 0.4 * ease
    mask = rle.decode([one.mask])[0] if alone else None
    cut = square_crop(one.image, one.box, side, rng.uniform(1, 2 - 0.7 * ease), mask)
    return cut[:, ::-1] if rng.random() < 0.5 else cut


def asked(caption: str, rng: np.random.Generator) -> str:
    """A caption, or less of what it says, in one of a few forms."""
    said = attributes(caption)
    kind, phrase = rng.random(), caption.split(" ", 1)[1]
    if kind < 0.15:
        phrase = str(said.name)
    elif kind < 0.35 and said.colour:
        phrase = f"{said.colour} {said.name}"
    elif kind < 0.42 and said.colour:
        phrase = f"{said.colour} object"
    elif kind < 0.5 and said.texture:
        phrase = f"{said.texture} {said.name}"
    return FORMS[int(rng.integers(len(FORMS)))].format(phrase)


def fitting(phrases: Sequence[str], captions: Sequence[str | None]) -> torch.Tensor:
    """(captions, phrases) 1 where a phrase is true of an object with that caption, else -1."""
    said = [attributes(p) for p in phrases]
    described = [None if c is None else attributes(c) for c in captions]
    return torch.tensor(
        [[1.0 if d is not None and fits(p, d) else -1.0 for p in said] for d in described]
    )


class Described(torch.nn.Module):
    """Reads each attribute of a caption from a picture's embedding; thrown away after training.

    A batch of pairs says little of each attribute; this says all of it at every step.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = torch.nn.ModuleDict(
            {name: torch.nn.Linear(width, len(words) + 1) for name, words in ANSWERS.items()}
        )

    def loss(self, features: torch.Tensor, captions: Sequence[str | None]) -> torch.Tensor:
        """The mean over attributes of the cross-entropy of `features` (N, width) that have captions."""
        described = [vars(attributes(caption)) for caption in captions if caption is not None]
        features = features[[caption is not None for caption in captions]]
        losses = []
        for name, words in ANSWERS.items():
            numbers = [
                words.index(d[name]) if d[name] is not None else len(words) for d in described
            ]
            losses.append(F.cross_entropy(self.heads[name](features), torch.tensor(numbers)))
        return torch.stack(losses).mean()
