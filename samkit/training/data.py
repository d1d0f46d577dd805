"""The batch of a step: it depends on the seed, the step and the place in the batch, and on nothing else.

So the place in the data is the number of the step, any process can make any batch, and a training
that was killed goes on with the very batch it was at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.sam.preprocess import PIXEL_MEAN
from samkit.training import augment
from samkit.training.augment import Augmentation, Bools, Draw, Pixels
from samkit.training.dense import CELL_PIXELS, dense_targets
from samkit.training.simulate import Simulation, clicking_rounds
from samkit.training.step import Batch
from samkit.types import Frame

LEAST_PIXELS = 24  # of a mask in the model's square: smaller ones are a speck in the logits
MOST_MASKS = 16  # of a picture, that teach the encoder cell by cell
MOST_OF_IMAGE = 0.9  # paper, app. A: masks over 90 % of the image are dropped
ATTEMPTS = 200


@dataclass(frozen=True)
class Feed:
    """What a step is made of.

    image_size: side of the model's square. images, masks: per step, and of each image.
    large_first: power of its area with which a mask is drawn, at the first step and at
        `curriculum_steps`; 0 draws all alike, 1 in proportion to its size.
    boxes_first: share of boxes among first prompts, at those same steps: boxes are learned later
        than clicks.
    dense: whether batches carry what every cell teaches (`samkit.training.dense`).
    """

    image_size: int
    images: int = 8
    masks: int = 4
    large_first: tuple[float, float] = (0.5, 0.25)
    boxes_first: tuple[float, float] = (0.7, 0.5)
    curriculum_steps: int = 1000
    dense: bool = False
    simulation: Simulation = field(default_factory=Simulation)
    augmentation: Augmentation = field(default_factory=Augmentation)

    def between(self, ends: tuple[float, float], step: int) -> float:
        """A setting's value at a step."""
        done = min(1.0, step / max(1, self.curriculum_steps))
        return ends[0] + (ends[1] - ends[0]) * done


@dataclass(frozen=True)
class Mixture:
    """Sources of (image, masks), what share each has, and which are photographs.

    Photographs lend objects to paste, and not every object in them has its mask.
    """

    sources: Sequence[Draw]
    weights: Sequence[float]
    photographs: Sequence[bool]

    def draw(self, rng: np.random.Generator) -> tuple[Pixels, Bools, bool]:
        """One picture, its masks, and whether every object has one."""
        weights = np.asarray(self.weights, dtype=float)
        chosen = rng.choice(len(weights), p=weights / weights.sum())
        return *self.sources[chosen](rng), not self.photographs[chosen]

    def lend(self, rng: np.random.Generator) -> tuple[Pixels, Bools]:
        """A photograph with objects to paste."""
        weights = np.asarray(self.weights, dtype=float) * self.photographs
        return self.sources[rng.choice(len(weights), p=weights / weights.sum())](rng)


def make_batch(
    mixture: Mixture, feed: Feed, seed: int, step: int, rank: int = 0, processes: int = 1
) -> Batch:
    """The batch of a step, or one process's part of it: slots rank * images and on.

    Raises ValueError where the data has no usable mask in 200 draws.
    """
    images, targets, draws, cells = [], [], [], []
    for slot in range(rank * feed.images, (rank + 1) * feed.images):
        rng = np.random.default_rng((seed, step, slot))
        image, masks, dense = make_example(mixture, feed, step, rng)
        images.append(image)
        targets.append(masks)
        cells.append(dense)
        draws.append(rng.random((feed.masks, feed.simulation.draws), dtype=np.float32))
    return Batch(
        torch.from_numpy(np.stack(images)),
        torch.from_numpy(np.concatenate(targets)),
        torch.arange(feed.images).repeat_interleave(feed.masks),
        torch.from_numpy(np.concatenate(draws)),
        feed.between(feed.boxes_first, step),
        clicking_rounds(feed.simulation, np.random.default_rng((seed, step))),
        torch.from_numpy(np.stack(cells)) if feed.dense else None,
    )


def make_example(
    mixture: Mixture, feed: Feed, step: int, rng: np.random.Generator
) -> tuple[Pixels, Bools, NDArray[np.float32]]:
    """An image (S, S, 3) uint8, `feed.masks` of its masks (M, S, S), and what its cells teach.

    Masks are doubled where it has fewer. Cells are those of `dense_targets`, empty unless asked for.
    """
    for _ in range(ATTEMPTS):
        image, masks, complete = mixture.draw(rng)
        image, masks, asked = _augmented(image, masks, mixture, feed, step, rng)
        if asked:
            image, masks = _padded(image, masks, feed.image_size)
            cells = (
                dense_targets(masks, feed.image_size // CELL_PIXELS, complete)
                if feed.dense
                else np.zeros(0, dtype=np.float32)
            )
            return image, masks[np.resize(asked, feed.masks)], cells
    raise ValueError(
        f"{ATTEMPTS} pictures in a row had no mask of {LEAST_PIXELS} pixels to "
        f"{MOST_OF_IMAGE:.0%} of the image; is this the right data, and image_size={feed.image_size}?"
    )


def _augmented(
    image: Pixels,
    masks: Bools,
    mixture: Mixture,
    feed: Feed,
    step: int,
    rng: np.random.Generator,
) -> tuple[Pixels, Bools, list[int]]:
    """The picture changed, its masks, and which of them are asked for, `feed.masks` at most."""
    how = feed.augmentation
    masks = masks[masks.any(axis=(1, 2))]
    low, high = np.log(how.zoom)
    zoom = float(np.exp(rng.uniform(low, high)))
    if zoom > 1 and len(masks):
        box = augment.zoom_box(masks, zoom, how.aspect, rng)
        image, masks = augment.crop(image, masks, box)
    masks, count = _picked(masks, feed, step, rng)
    height, width = Frame.fit(image.shape[:2], feed.image_size).resized_size
    if zoom < 1:
        height, width = max(1, int(height * zoom)), max(1, int(width * zoom))
    image, masks = augment.resize(image, masks, (height, width))
    if rng.random() < how.flip:
        image, masks = augment.flip(image, masks)
    if count and rng.random() < how.paste and any(mixture.photographs):
        lent, objects = mixture.lend(rng)
        objects = objects[objects.any(axis=(1, 2))]
        if len(objects):
            areas = objects.sum(axis=(1, 2)).astype(float)
            one = objects[rng.choice(len(objects), p=areas / areas.sum())]
            image, masks = augment.paste(image, masks, lent, one, rng)
            masks, count = (
                np.roll(masks, 1, axis=0),
                count + 1,
            )  # the pasted one is always asked for
    if rng.random() < how.colour:
        image = augment.change_colours(image, bool(rng.random() < how.grey), rng)
    seen = np.flatnonzero(masks[:count].sum(axis=(1, 2)) >= LEAST_PIXELS)
    return image, masks, seen[: feed.masks].tolist()


def _picked(masks: Bools, feed: Feed, step: int, rng: np.random.Generator) -> tuple[Bools, int]:
    """At most `feed.masks` of those that are large enough and no background, large ones sooner.

    Behind them come others where cells are taught, 16 in all; the number tells how many were picked.
    """
    if not len(masks):
        return masks, 0
    share = masks.mean(axis=(1, 2))
    shape = masks.shape[1:]
    scale = (
        (feed.image_size / max(shape)) ** 2 * shape[0] * shape[1]
    )  # pixels in the model's square
    usable = np.flatnonzero((share * scale >= LEAST_PIXELS) & (share <= MOST_OF_IMAGE))
    if not len(usable):
        return masks[:0], 0
    weights = share[usable] ** feed.between(feed.large_first, step)
    count = min(feed.masks, len(usable))
    rows = rng.choice(usable, count, replace=False, p=weights / weights.sum())
    if feed.dense:
        others = rng.permutation(np.setdiff1d(np.arange(len(masks)), rows))
        rows = np.concatenate([rows, others[: max(0, MOST_MASKS - count)]])
    return masks[rows], count


def _padded(image: Pixels, masks: Bools, size: int) -> tuple[Pixels, Bools]:
    height, width = image.shape[:2]
    square = np.empty((size, size, 3), dtype=np.uint8)
    square[:] = np.round(PIXEL_MEAN)  # normalised to zero, as the model's padding is
    square[:height, :width] = image
    out = np.zeros((len(masks), size, size), dtype=bool)
    out[:, :height, :width] = masks
    return square, out
