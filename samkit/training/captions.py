"""Objects of made-up scenes with their captions, as a CLIP pair is taught by them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from samkit.clip.model import Clip
from samkit.data.shapes.colours import NAMES as COLOURS
from samkit.data.shapes.phrases import TEXTURES, attributes, fits, held_out, unique
from samkit.data.shapes.silhouettes import CLASSES
from samkit.ops import rle
from samkit.ops.square_crops import square_crop, with_mask
from samkit.training.choice import choice_loss
from samkit.training.regression import ridge
from samkit.types import Sample

LEAST_PIXELS = 60  # of an object: smaller ones show neither their texture nor much of their class
LIKE_ENOUGH = 0.55  # IoU with its object that a mask made uneven has to keep
BY_TEXT = 1.5  # of 2, what the choice of pictures counts beside that of texts
Pixels = NDArray[np.uint8]
FORMS = ("a {}", "the {}", "{}", "a photo of a {}")
# What a caption may say, and one answer more: nothing.
ANSWERS = {"name": CLASSES, "colour": COLOURS, "second": COLOURS, "texture": TEXTURES}


@dataclass(frozen=True, eq=False)
class Example:
    """An object: its picture, its box (xyxy), mask, pixels and caption."""

    image: Pixels
    box: NDArray[np.float32]
    mask: rle.RLE
    area: float
    caption: str


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


def drawn(scenes: Sequence[list[Example]], count: int, rng: np.random.Generator) -> list[Example]:
    """So many objects, scene after scene of any: those of one are to be told apart first of all."""
    some, scenes = list[Example](), [own for own in scenes if own]
    while len(some) < count:
        some += scenes[rng.integers(len(scenes))]
    return some[:count]


def crop(one: Example, side: int, rng: np.random.Generator, seen: bool = False) -> Pixels:
    """(side, side, 3) uint8 as the paper cuts masks for CLIP (app. D.5), mirrored half the time.

    Box widened by 1 to 2, square, background black half the time. seen: (side, side, 4), the
    background as it is and the mask last, for a CLIP that sees masks.
    """
    context = rng.uniform(1, 2)
    black = one.mask if not seen and rng.random() < 0.5 else None
    cut = square_crop(one.image, one.box, side, context, black)
    cut = with_mask(cut, one.mask, one.box, context) if seen else cut
    return cut[:, ::-1] if rng.random() < 0.5 else cut


def found_roughly(cut: Pixels, rng: np.random.Generator) -> Pixels:
    """A crop with its mask (S, S, 4) as if found by a SAM: turned, and half the time its outline uneven."""
    cut = np.rot90(cut, int(rng.integers(4)))
    if rng.random() < 0.5:
        return cut
    mask, side = cut[..., 3] / np.float32(255), cut.shape[0]
    few = int(rng.integers(4, 12))
    uneven = zoom(rng.normal(0, rng.uniform(0.05, 0.3), (few, few)), side / few, order=1)
    rough = gaussian_filter(mask, side * rng.uniform(0.01, 0.05)) + uneven > rng.uniform(0.3, 0.6)
    inside = mask > 0.5
    if (rough & inside).sum() < LIKE_ENOUGH * (rough | inside).sum():
        return cut
    return np.dstack([cut[..., :3], rough * np.uint8(255)])


def inputs(crops: Sequence[Pixels], config: Mapping[str, Any]) -> torch.Tensor:
    """(N, 4, side, side) what `Clip.images` makes of crops with masks (side, side, 4) of the input's size.

    config: of the pair, as `build_tiny` has it.
    """
    mean, std = (torch.tensor(config["preprocess"][n])[:, None, None] for n in ("mean", "std"))
    pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2) / 255
    return torch.cat([(pixels[:, :3] - mean) / std, pixels[:, 3:]], dim=1)


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
    """(captions, phrases) 1 where a phrase is true of an object with that caption, else -1.

    captions: None of what is no object: no phrase is true of it.
    """
    said = [attributes(phrase) for phrase in phrases]
    described = [None if caption is None else attributes(caption) for caption in captions]
    return torch.tensor(
        [[1.0 if d is not None and fits(p, d) else -1.0 for p in said] for d in described]
    )


class Described(torch.nn.Module):
    """Reads each attribute of a caption from what is seen in a picture; thrown away after training.

    A batch of pairs says little of each attribute; this says all of it at every step.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = torch.nn.ModuleDict(
            {name: torch.nn.Linear(width, len(words) + 1) for name, words in ANSWERS.items()}
        )

    def loss(self, features: torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """The mean over attributes of the cross-entropy of `features` (N, width)."""
        described = [vars(attributes(caption)) for caption in captions]
        losses = []
        for name, words in ANSWERS.items():
            numbers = [
                words.index(d[name]) if d[name] is not None else len(words) for d in described
            ]
            right = torch.tensor(numbers, device=features.device)
            losses.append(F.cross_entropy(self.heads[name](features), right))
        return torch.stack(losses).mean()


def pair_loss(
    model: Any, features: torch.Tensor, ids: torch.Tensor, truth: torch.Tensor
) -> torch.Tensor:
    """CLIP's loss where several pictures fit one text: each text chooses its pictures, and these their texts.

    features: (N, D) of pictures. ids: (M, L) tokens. truth: (N, M), 1 or -1 as `fitting` has it.
    """
    images = F.normalize(features, dim=-1)
    texts = F.normalize(model.encode_text(ids), dim=-1)
    logits = images @ texts.T * model.logit_scale.exp()
    fit = (truth > 0).float()
    return BY_TEXT * choice_loss(logits, fit) + (2 - BY_TEXT) * choice_loss(logits.T, fit.T)


def bridge(
    clip: Clip, scenes: Iterable[Sample], least_share: float, rng: np.random.Generator
) -> dict[str, torch.Tensor]:
    """`TextProjection`'s bridge (D, D) and gap (D,): from captions to where their pictures are expected.

    Ridge regression of the embeddings of objects, cropped as the paper crops masks, on those of their
    captions. least_share: of the picture; smaller objects are left out. Raises ValueError for none.
    """
    crops, captions = [], []
    for scene in scenes:
        least = least_share * scene.image.shape[0] * scene.image.shape[1]
        for one in examples(scene):
            if one.area >= least:
                crops.append(crop(one, clip.image_size, rng, clip.sees_masks))
                captions.append(one.caption)
    if not crops:
        raise ValueError(f"no object covers {least_share:.2%} of its scene: give more scenes")
    shown, said = clip.images(crops), clip.texts(captions)
    matrix, rest = ridge(said, shown)
    return {"bridge": matrix, "gap": rest}


def right(clip: Clip, scenes: Sequence[Sample]) -> float:
    """Share of phrases that fit one object of a scene for which that object's crop comes first."""
    hits: list[bool] = []
    for sample in scenes:
        truth = sample.annotations
        assert truth is not None and truth.captions is not None, "made-up scenes have captions"
        assert truth.run_lengths is not None, "and masks"
        places, side = unique(truth.captions), clip.image_size
        pairs = list(zip(truth.boxes, truth.run_lengths, strict=True))
        crops = [
            with_mask(square_crop(sample.image, box, side, 1.5), mask, box, 1.5)
            for box, mask in pairs
        ]
        table = clip.texts([truth.captions[i] for i in places]) @ clip.images(crops).T
        hits += (table.argmax(dim=1).numpy() == places).tolist()
    return float(np.mean(hits))
