"""Variants of outlines: a fixed stock for each class, rounded and bent, made when first used.

Making an outline costs more than drawing it, so scenes share a stock; they turn, squeeze, scale
and cut off what they take.
"""

import math
from functools import cache

import numpy as np
from PIL import ImageFilter

from samkit.data.shapes.chance import uniform
from samkit.data.shapes.geometry import INNER, Outline, Piece, Pieces, Rng, join
from samkit.data.shapes.raster import place, rasterise
from samkit.data.shapes.silhouettes import CLASSES, OUTLINES

_STOCK = 96
# What may be squeezed or bent without becoming another class ...
_STIFF = {"disc", "ellipse", "square", "rectangle", "pentagon", "hexagon", "ring", "bar", "letter"}
# ... what has corners that may be rounded ...
_CORNERED = {
    "rectangle", "square", "triangle", "pentagon", "hexagon", "trapezoid", "polygon", "star",
    "bottle", "bolt",
}  # fmt: skip
# ... and what mostly stands upright in the world.
_UPRIGHT = {"bottle", "mug", "figure", "house", "tree", "mushroom", "fence", "letter", "branch"}


def any_variant(rng: Rng, name: str) -> Outline:
    """An outline of the class, in a square from -1 to 1."""
    return _variant(name, int(rng.random() * _STOCK))


def pose(rng: Rng, name: str) -> tuple[float, float]:
    """An angle in radians and a squeeze (1: none): what stands mostly stays upright."""
    upright = name in _UPRIGHT
    angle = (
        uniform(rng, -0.3, 0.3) if upright and rng.random() < 0.7 else rng.random() * 2 * math.pi
    )
    return angle, 1.0 if name in _STIFF else uniform(rng, 0.8 if upright else 0.6, 1.0)


@cache
def _variant(name: str, number: int) -> Outline:
    rng = np.random.default_rng([CLASSES.index(name), number])
    pieces = OUTLINES[name](rng)
    if name in _CORNERED and rng.random() < 0.35:
        share = uniform(rng, 0.12, 0.3)
        pieces = tuple(Piece(_round_off(p.points, share), p.width, p.hole) for p in pieces)
    if name not in _STIFF and rng.random() < 0.35:
        pieces = _bent(rng, pieces)
    return join(pieces, _points_inside(rng, pieces))


def _points_inside(rng: Rng, pieces: Pieces) -> np.ndarray:
    """INNER points far from the border, in the outline's own square, (INNER, 2)."""
    middle, radius = 36, 30
    patch = rasterise(
        place(join(pieces, np.zeros((0, 2))), middle, middle, radius, 0.0), 2 * middle
    )
    assert patch is not None
    soft = np.asarray(patch.alpha.filter(ImageFilter.BoxBlur(5)))
    soft = np.where(np.asarray(patch.alpha) >= 128, soft, 0)
    rows, columns = np.nonzero(soft >= 0.9 * soft.max())
    chosen = (rng.random(INNER) * len(rows)).astype(int)
    xy = np.stack([columns[chosen] + patch.x, rows[chosen] + patch.y], axis=1) + 0.5
    return np.asarray((xy - middle) / radius)


def _bent(rng: Rng, pieces: Pieces) -> Pieces:
    """The pieces with a slow wave through the plane that they lie in."""
    bend, wave, phase = uniform(rng, 0.02, 0.09), uniform(rng, 2, 4), rng.random() * 2 * math.pi

    def move(piece: Piece) -> Piece:
        points = _densify(piece.points, closed=piece.width == 0)
        return Piece(
            points + bend * np.sin(wave * points[:, ::-1] + phase), piece.width, piece.hole
        )

    return tuple(move(piece) for piece in pieces)


def _round_off(points: np.ndarray, share: float) -> np.ndarray:
    """Chaikin's rule, twice: each corner becomes two, `share` of an edge away from it."""
    for cut in (share, 0.25):
        following = np.roll(points, -1, axis=0)
        both = np.stack(
            [(1 - cut) * points + cut * following, cut * points + (1 - cut) * following], axis=1
        )
        points = both.reshape(-1, 2)
    return points


def _densify(points: np.ndarray, closed: bool) -> np.ndarray:
    """Long edges of a coarse polygon in three steps, so that they can bend."""
    if len(points) > 16:
        return points
    following = np.roll(points, -1, axis=0)
    steps = np.arange(3)[None, :, None] / 3
    dense = (points[:, None] * (1 - steps) + following[:, None] * steps).reshape(-1, 2)
    return dense if closed else np.concatenate([dense[:-3], points[-1:]])
