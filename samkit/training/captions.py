"""Objects of made-up scenes with their captions, as a CLIP pair is taught by them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from samkit.clip.model import Clip
from samkit.data.shapes.colours import NAMES as COLOURS
from samkit.data.shapes.phrases import TEXTURES, attributes, fits, held_out, unique
from samkit.data.shapes.silhouettes import CLASSES
from samkit.ops import rle
from samkit.ops.square_crops import mask_square, square_crop
from samkit.training.regression import ridge
from samkit.types import Sample

LEAST_PIXELS = 60  # of an object: smaller ones show neither their texture nor much of their class
EASY_PIXELS = 300  # that many more at first
BRIGHT = 128, 255  # of a flat object
FORMS = ("a {}", "the {}", "{}", "a photo of a {}")
# What a caption may say, and one answer more: nothing.
ANSWERS = {"name": CLASSES, "colour": COLOURS, "second": COLOURS, "texture": TEXTURES}


@dataclass(frozen=True, eq=False)
class Example:
    """An object: its picture, its box (xyxy), mask, pixels and caption."""

    image: NDArray[np.uint8]
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


def drawn(
    scenes: Sequence[list[Example]], count: int, ease: float, rng: np.random.Generator
) -> list[Example]:
    """Any scene's any object, `count` times; the larger ones alone while `ease` is near 1."""
    least = LEAST_PIXELS + EASY_PIXELS * ease
    large = [own for scene in scenes if (own := [one for one in scene if one.area >= least])]
    picked = [large[i] for i in rng.integers(len(large), size=count)]
    return [own[rng.integers(len(own))] for own in picked]


def crop(
    one: Example,
    side: int,
    ease: float,
    rng: np.random.Generator,
    outside: Sequence[float] = (0.0,),
    flat: float = 0.0,
) -> NDArray[np.uint8]:
    """(side, side, 3) uint8 as the paper cuts masks for CLIP (app. D.5), mirrored half the time.

    Box widened by 1 to 2, square, background black half the time. With `ease` towards 1 it is
    widened less and black more often, so that the outline is seen at once. outside: for the background
    a share of its brightness instead of black, one of these. flat: with 1 the object is one bright colour on
    black, so that nothing but its outline tells it from others; below, the picture shines through.
    """
    shown = one.mask if rng.random() < 0.5 + 0.4 * ease else None
    share = outside[int(rng.integers(len(outside)))] if len(outside) > 1 else outside[0]
    context = rng.uniform(1, 2 - 0.7 * ease)
    cut = square_crop(one.image, one.box, side, context, shown, share)
    if flat:
        inside = mask_square(one.mask, one.box, side, context) > 127
        paint = np.where(inside[..., None], rng.uniform(*BRIGHT, size=3), 0)
        covers = min(1.0, flat * rng.uniform(1, 2))
        cut = np.rint(covers * paint + (1 - covers) * cut).astype(np.uint8)
    return cut[:, ::-1] if rng.random() < 0.5 else cut


def flatness(done: float, until: float) -> float:
    """How flat crops are when this share of the steps is done: wholly at first, from `until` on not."""
    return min(1.0, max(0.0, 1.5 * (1 - done / until))) if until else 0.0


def inputs(crops: Sequence[NDArray[np.uint8]], config: Mapping[str, Any]) -> torch.Tensor:
    """(N, 3, side, side) what `Clip.images` makes of crops (side, side, 3) that have the input's size.

    config: of the pair, as `build_tiny` has it.
    """
    mean, std = (torch.tensor(config["preprocess"][n])[:, None, None] for n in ("mean", "std"))
    pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2) / 255
    return ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)


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
    """Reads each attribute of a caption from a picture's embedding; thrown away after training.

    A batch of pairs says little of each attribute; this says all of it at every step.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = torch.nn.ModuleDict(
            {name: torch.nn.Linear(width, len(words) + 1) for name, words in ANSWERS.items()}
        )

    def loss(
        self, features: torch.Tensor, captions: Sequence[str], flat: float = 0.0
    ) -> torch.Tensor:
        """The mean over attributes of the cross-entropy of `features` (N, width).

        flat: as the crops were; where only the outline is seen, only the class can be asked for.
        """
        described = [vars(attributes(caption)) for caption in captions]
        losses = []
        for name, words in ANSWERS.items():
            numbers = [
                words.index(d[name]) if d[name] is not None else len(words) for d in described
            ]
            value = F.cross_entropy(self.heads[name](features), torch.tensor(numbers))
            losses.append(value if name == "name" else (1 - flat) * value)
        return torch.stack(losses).mean()


def adamw(learned: torch.nn.Module, learning_rate: float) -> torch.optim.AdamW:
    """The optimizer of CLIP's training: matrices and kernels decay, biases, norms and scales do not."""
    decayed = [p for p in learned.parameters() if p.ndim > 1]
    others = [p for p in learned.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, learning_rate, betas=(0.9, 0.98))


def pair_loss(
    model: Any, features: torch.Tensor, ids: torch.Tensor, truth: torch.Tensor
) -> torch.Tensor:
    """The sigmoid loss of an open_clip model: each pair by itself fits or does not (SigLIP).

    features: (N, D) of pictures. ids: (M, L) tokens. truth: (N, M), 1 or -1 as `fitting` has it.
    """
    images = F.normalize(features, dim=-1)
    texts = F.normalize(model.encode_text(ids), dim=-1)
    logits = images @ texts.T * model.logit_scale.exp() + model.logit_bias
    return -F.logsigmoid(truth * logits).sum() / len(images)


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
                crops.append(crop(one, clip.image_size, 0.0, rng))
                captions.append(one.caption)
    if not crops:
        raise ValueError(f"no object covers {least_share:.2%} of its scene: give more scenes")
    shown, said = clip.images(crops), clip.texts(captions)
    matrix, rest = ridge(said, shown)
    return {"bridge": matrix, "gap": rest}


def right(clip: Clip, scenes: Sequence[Sample], side: int) -> float:
    """Share of phrases that fit one object of a scene for which that object's crop comes first."""
    hits: list[bool] = []
    for sample in scenes:
        truth = sample.annotations
        assert truth is not None and truth.captions is not None, "made-up scenes have captions"
        places = unique(truth.captions)
        crops = [square_crop(sample.image, box, side, 1.5) for box in truth.boxes]
        table = clip.texts([truth.captions[i] for i in places]) @ clip.images(crops).T
        hits += (table.argmax(dim=1).numpy() == places).tolist()
    return float(np.mean(hits))
