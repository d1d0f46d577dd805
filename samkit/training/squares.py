"""Squares of a picture as a `MaskRefiner` is shown them, around masks that were found."""

import numpy as np
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.square_crops import in_square, mask_square, square_crop
from samkit.training.augment import Bools
from samkit.training.found import Example, outer_box

CONTEXT = (1.4, 2.1)  # of squares, around the 1.7 of `RedrawMasks`
# Of phrases told: in so many the mask means another object than the phrase, and of these in so many the
# phrase's is in sight and to be drawn. The others are to be told apart by an IoU of 0.
ASTRAY, IN_SIGHT = 0.43, 0.5
MOSTLY, PARTLY, HARDLY = (
    0.6,
    0.3,
    0.03,
)  # of an object, in the square: in sight, begun, and not there
# Masks among which a caption's is to be chosen, and how many of them mean it at most.
CANDIDATES, MEANT = 8, 3

Box = tuple[int, int, int, int]
# Picture, mask and object (S, S, 5); what is told; the share of the object that the square holds.
Square = tuple[NDArray[np.uint8], str, float]


def around(
    one: Example, mask: Bools, place: int, told: bool, side: int, rng: np.random.Generator
) -> Square:
    """A mask that means the object at `place`; told a caption, which at times is another object's."""
    box, context, phrase = outer_box(mask), rng.uniform(*CONTEXT), ""
    if told:
        place = _meant(one, place, box, context, rng)
        phrase = one.captions[place]
    return _square(one, mask, box, context, place, phrase, side, rng)


def candidates(one: Example, side: int, rng: np.random.Generator) -> list[Square]:
    """Masks found in a picture, all told one caption: some that mean its object, and others."""
    place = int(one.means[rng.integers(len(one.means))])
    means_it = one.means == place
    those = rng.permutation(np.flatnonzero(means_it))[:MEANT]
    rest = rng.permutation(np.setdiff1d(np.arange(len(one.found)), those))
    squares = []
    for row in np.concatenate([those, rest])[:CANDIDATES].tolist():
        [mask] = rle.decode([one.found[row]])
        box, context, phrase = outer_box(mask), rng.uniform(*CONTEXT), one.captions[place]
        squares.append(_square(one, mask, box, context, place, phrase, side, rng))
    return squares


def _square(
    one: Example,
    mask: Bools,
    box: Box,
    context: float,
    place: int,
    phrase: str,
    side: int,
    rng: np.random.Generator,
) -> Square:
    """What there is to see, turned and mirrored."""
    target = one.objects[place]
    layers = [mask_square(layer, box, side, context) for layer in (mask, target)]
    square = np.dstack([square_crop(one.image, box, side, context), *layers])
    square = np.rot90(square, int(rng.integers(4)))
    square = square[:, ::-1] if rng.random() < 0.5 else square
    return square, phrase, in_square(target, box, context) / rle.areas([target])[0]


def _meant(one: Example, place: int, box: Box, context: float, rng: np.random.Generator) -> int:
    """Which object is told, where a mask means that at `place`: another at times, in sight or not."""
    if rng.random() >= ASTRAY:
        return place
    in_sight = rng.random() < IN_SIGHT
    for other in rng.permutation(len(one.objects)).tolist():
        if other == place:
            continue
        mask = one.objects[other]
        share = in_square(mask, box, context) / rle.areas([mask])[0]
        if (share > MOSTLY) if in_sight else (share < HARDLY):
            return int(other)
    return place
