"""Pictures with phrases, or pieces of them, and what may be asked of them: what a `TextFinder` learns from."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from tqdm import tqdm

from samkit.clip.finder import Drawn, Seen, sums_inside
from samkit.data.phrased import phrased
from samkit.data.phrases import by_class, true_masks
from samkit.data.shapes import render_scene
from samkit.data.shapes.phrases import Attributes, attributes, fits, held_out, learnable
from samkit.ops.square_crops import mask_square, square_crop
from samkit.training.augment import Bools, Pixels
from samkit.training.captions import Described, asked
from samkit.training.losses import dice_loss
from samkit.training.processes import Processes
from samkit.training.redrawing import whole_iou
from samkit.training.sources import TRAINING_SEED, open_dataset
from samkit.types import Sample

# Of a scene: captions that are asked, what else may be said of its objects, and captions of what is elsewhere.
TOLD, SAID, ABSENT = 8, 4, 2
MEASURED, KEPT_BACK = 100, 100  # scenes to measure on, and of other pictures one in so many
NEAR = 0.6  # of the absent, those of the same scene, where the piece shown leaves objects out
# So many are shown whole; of the others at least so much of the side. `LooksForText` looks at the whole and at .67 of it.
WHOLE, LEAST_SIDE = 0.5, 0.5
AT_MOST = 1000  # made-up scenes of a step, of one process
IN_SIGHT, GONE = 0.3, 0.01  # of an object, in the piece: asked for, and not there
LEAST_PIXELS = 8  # of an object as it is shown
FIRST_WEIGHT = 0.4  # of the first look
ABSENT_WEIGHT = 0.25  # of pixels where nothing is to be drawn


@dataclass(frozen=True, eq=False)
class Scene:
    """A square picture (S, S, 3), and of N captions what each is true of, as bits (N, S, S / 8).

    telling: places of those that are asked as they are, and scored. made_up: whether less than a caption may be
    said, and of others' captions it is known whether they are true here: by their words.
    """

    image: Pixels
    packed: NDArray[np.uint8]
    captions: tuple[str, ...]
    telling: tuple[int, ...]
    made_up: bool = True

    @classmethod
    def rendered(cls, seed: int, number: int, side: int) -> "Scene":
        """Made-up scene `number` of a seed; captions that fit one object, and may be learned, are telling."""
        scene = render_scene(seed, number, side)
        bits, telling = np.packbits(scene.masks, axis=-1), tuple(learnable(scene.captions))
        return cls(scene.image, bits, scene.captions, telling)

    @classmethod
    def asked(cls, sample: Sample, side: int) -> "Scene":
        """A picture of a dataset with phrases (`data.phrases`), as `FindByText` looks at it whole."""
        truth, phrases = true_masks(sample), tuple(sample.phrases or ())
        box = 0, 0, truth.size[1], truth.size[0]
        masks = np.zeros((len(phrases), side, side), dtype=bool)
        for place, run_length in zip(truth.class_ids, truth.run_lengths or (), strict=True):
            masks[place] |= mask_square(run_length, box, side) > 127
        seen = tuple(np.flatnonzero(masks.any(axis=(1, 2))).tolist())
        image = square_crop(sample.image, box, side)
        return cls(image, np.packbits(masks, axis=-1), phrases, seen, made_up=False)

    @property
    def masks(self) -> Bools:
        """(N, S, S)."""
        side = self.image.shape[1]
        return np.unpackbits(self.packed, axis=-1, count=side).astype(bool)

    @cached_property
    def said(self) -> list[Attributes]:
        """What each caption says."""
        return [attributes(caption) for caption in self.captions]

    def fitting(self, phrase: str) -> list[int]:
        """Places of the objects of which a phrase is true."""
        if not self.made_up:
            return [place for place, caption in enumerate(self.captions) if caption == phrase]
        meant = attributes(phrase)
        return [place for place, said in enumerate(self.said) if fits(meant, said)]


@dataclass(frozen=True, eq=False)
class Looked:
    """What a step shows and asks: pictures (B, 3, S, S), 0 to 1, and N phrases of them.

    targets: (N, S / 2, S / 2) the share of each cell that the phrase is true of. counted: the same shape,
    0 where nothing is said: objects that are a combination kept from training. of: (N,) the phrases'
    pictures, ascending. shares: (N,) of the one object meant, how much the picture holds, 0 where that is
    elsewhere, -1 where the phrase may be true of several.
    """

    pictures: torch.Tensor
    phrases: list[str]
    targets: torch.Tensor
    counted: torch.Tensor
    of: torch.Tensor
    shares: torch.Tensor

    def to(self, device: torch.device) -> "Looked":
        """The same with its tensors there."""
        tensors = {name: value for name, value in vars(self).items() if name != "phrases"}
        return replace(self, **{name: value.to(device) for name, value in tensors.items()})


@dataclass(frozen=True)
class Source:
    """Scenes to learn from, of each process its own, and some that are kept back.

    kept: in memory; None of made-up ones, which are rendered for their step and never seen again: that costs a
    twentieth of a step, and a finder learns 24,000 scenes by heart.
    """

    kept: Sequence[Scene] | None
    kept_back: Sequence[Scene]
    side: int
    seed: int
    processes: Processes

    @classmethod
    def opened(cls, data: str, count: int, side: int, seed: int, processes: Processes) -> "Source":
        """data: shapes; refcoco=FOLDER, asked its expressions; or what `open_dataset` opens, asked its classes.

        count: pictures of each process; of made-up scenes there is no end.
        """
        if data == "shapes":
            source = cls(None, [], side, seed, processes)
            return replace(source, kept_back=[source._rendered(n) for n in range(MEASURED)])
        most = count * processes.count
        if data.startswith("refcoco="):
            asking = phrased(data, most)
        else:
            asking = by_class(open_dataset(data, "train"))[:most]
        numbers = range(processes.rank, len(asking), processes.count)
        show = tqdm(numbers, desc="pictures", disable=not processes.is_first)
        scenes = [Scene.asked(asking[number], side) for number in show]
        learned = [scene for i, scene in enumerate(scenes) if i % KEPT_BACK]
        return cls(learned, scenes[::KEPT_BACK], side, seed, processes)

    def of_step(self, step: int, count: int) -> Sequence[Scene]:
        """What a step chooses so many of: all that are kept, or as many as it needs, made up."""
        if self.kept is not None:
            return self.kept
        first = MEASURED + (step * self.processes.count + self.processes.rank) * AT_MOST
        rendered = (self._rendered(number) for number in itertools.count(first))
        return list(itertools.islice((scene for scene in rendered if scene.telling), count))

    def _rendered(self, number: int) -> Scene:
        return Scene.rendered(TRAINING_SEED + self.seed, number, self.side)


def looked(scenes: Sequence[Scene], count: int, side: int, rng: np.random.Generator) -> Looked:
    """So many pieces of scenes, each of another while there are enough, turned and mirrored, with phrases.

    Raises ValueError for scenes of which nothing can be asked.
    """
    if not any(scene.telling for scene in scenes):
        raise ValueError("no picture with a caption to learn from")
    pictures, masks = list[torch.Tensor](), list[torch.Tensor]()
    phrases, of, shares = list[str](), list[int](), list[float]()
    for place in itertools.cycle(rng.permutation(len(scenes)).tolist()):
        if len(pictures) == count:
            break
        scene = scenes[place]
        picture, layers, asked_of = _piece(scene, scenes, side, rng)
        if asked_of:
            of += [len(pictures)] * len(asked_of)
            pictures.append(picture)
            masks.append(layers)
            phrases += [phrase for phrase, _ in asked_of]
            shares += [share for _, share in asked_of]
    targets, hidden = torch.cat(masks).unbind(dim=1)
    counted = (hidden == 0).float()
    of_pictures, in_sight = torch.tensor(of), torch.tensor(shares)
    return Looked(torch.stack(pictures), phrases, targets, counted, of_pictures, in_sight)


def _piece(
    scene: Scene, others: Sequence[Scene], side: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, list[tuple[str, float]]]:
    """Picture (3, S, S), targets and what does not count (N, 2, S / 2, S / 2), phrases and shares."""
    full = scene.image.shape[0]
    part = 1.0 if rng.random() < WHOLE else math.exp(rng.uniform(math.log(LEAST_SIDE), 0))
    length = max(1, round(part * full))
    y, x = (int(rng.integers(full - length + 1)) for _ in range(2))
    masks = scene.masks
    inside = masks[:, y : y + length, x : x + length]
    shares = inside.sum(axis=(1, 2)) / np.maximum(masks.sum(axis=(1, 2)), 1.0)
    shown = inside.sum(axis=(1, 2)) * (side / length) ** 2
    ask = _questions(scene, others, shares, shown, rng)
    layers = np.zeros((len(ask), 2, length, length), dtype=np.float32)
    for row, (_, _, places) in enumerate(ask):
        hidden = [place for place in places if held_out(scene.captions[place])]
        for layer, some in zip(layers[row], (places, hidden), strict=True):
            layer[:] = inside[some].any(axis=0)
    cut = torch.from_numpy(scene.image[y : y + length, x : x + length] / np.float32(255))
    picture = _resized(cut.permute(2, 0, 1)[None], side)[0]
    drawn = _resized(torch.from_numpy(layers), side // 2)
    turns, flipped = int(rng.integers(4)), rng.random() < 0.5
    turned = (torch.rot90(one, turns, (-2, -1)) for one in (picture, drawn))
    picture, drawn = (one.flip(-1) if flipped else one for one in turned)
    return picture, drawn, [(phrase, share) for phrase, share, _ in ask]


def _questions(
    scene: Scene,
    others: Sequence[Scene],
    shares: NDArray[np.float64],
    shown: NDArray[np.float64],
    rng: np.random.Generator,
) -> list[tuple[str, float, list[int]]]:
    """Phrases, their objects' share in the piece (as `Looked` has it), and places of all they are true of.

    shares, shown: (N,) how much of each object the piece holds, and in how many pixels.
    """
    large = np.flatnonzero((shares > IN_SIGHT) & (shown >= LEAST_PIXELS))
    told = rng.permutation(np.intersect1d(scene.telling, large))[:TOLD]
    ask = [(scene.captions[place], float(shares[place]), [int(place)]) for place in told]
    gone = [scene.captions[place] for place in scene.telling if shares[place] < GONE]
    for _ in range(ABSENT):
        near = gone and rng.random() < NEAR
        captions = gone if near else others[int(rng.integers(len(others)))].captions
        phrase = captions[int(rng.integers(len(captions)))] if captions else ""
        if near or (phrase and not held_out(phrase) and not scene.fitting(phrase)):
            ask.append((phrase, 0.0, []))
    seen = np.flatnonzero((shares > GONE) & scene.made_up)
    for place in rng.permutation(seen)[:SAID].tolist():
        phrase = asked(scene.captions[place], rng)
        if not held_out(phrase):
            ask.append((phrase, -1.0, scene.fitting(phrase)))
    return ask


def _resized(values: torch.Tensor, side: int) -> torch.Tensor:
    if not len(values):
        return values.new_zeros((0, values.shape[1], side, side))
    smaller = values.shape[-1] > side
    return F.interpolate(
        values, (side, side), mode="bilinear", align_corners=False, antialias=smaller
    )


def finder_loss(drawn: Drawn, given: Looked) -> torch.Tensor:
    """Cross-entropy of pixels and dice of masks, of both looks, and the squared error of the IoUs guessed."""
    logits, first = drawn.logits.float(), drawn.first.float()
    one = given.shares >= 0
    true = whole_iou(logits, given.targets, given.shares.clamp(min=0))
    guessed = F.mse_loss(drawn.ious[one], true[one]) if one.any() else logits.new_zeros(())
    return _drawing(logits, given) + FIRST_WEIGHT * _drawing(first, given) + 2 * guessed


def described_loss(described: Described, seen: Seen, given: Looked) -> torch.Tensor:
    """What is to be read of each attribute from the features inside an object's mask, as its caption has it.

    Of phrases alone a colour is learned soon and a class late, since most phrases are told by their colour.
    """
    rows = torch.nonzero(given.shares > IN_SIGHT)[:, 0]
    if not len(rows):
        return given.targets.new_zeros(())
    groups = torch.bincount(given.of[rows], minlength=len(given.pictures)).tolist()
    means = []
    for features in (seen.pixels, seen.around):
        size = features.shape[-2], features.shape[-1]
        masks = F.adaptive_avg_pool2d(given.targets[rows], size)
        inside = masks / masks.sum(dim=(1, 2), keepdim=True).clamp(min=1e-3)
        means.append(sums_inside(inside.to(features.dtype), features, groups))
    return described.loss(
        torch.cat(means, dim=1).float(), [given.phrases[row] for row in rows.tolist()]
    )


def _drawing(logits: torch.Tensor, given: Looked) -> torch.Tensor:
    there = (given.shares != 0).float()
    pixels = F.binary_cross_entropy_with_logits(logits, given.targets, reduction="none")
    pixels = (pixels * given.counted).mean(dim=(1, 2))
    pixels = pixels * (ABSENT_WEIGHT + (1 - ABSENT_WEIGHT) * there)
    apart = dice_loss(logits.masked_fill(given.counted == 0, -20), given.targets * given.counted)
    return 4 * pixels.mean() + (apart * there).sum() / there.sum().clamp(min=1)
