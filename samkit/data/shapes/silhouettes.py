"""Outlines of things (a bottle, a key, a figure) and of thin structure (a fence, a branch)."""

import numpy as np

from samkit.data.shapes.chance import count, pick, uniform
from samkit.data.shapes.geometry import Piece, Pieces, Rng, box, oval, polygon, stroke
from samkit.data.shapes.outlines import SIMPLE, Maker

# Each letter as strokes through points of a 3 x 5 raster (x 0..2, y 0..4).
_GLYPHS: dict[str, list[list[tuple[float, float]]]] = {
    "A": [[(0, 4), (1, 0), (2, 4)], [(0.5, 2.6), (1.5, 2.6)]],
    "E": [[(2, 0), (0, 0), (0, 4), (2, 4)], [(0, 2), (1.7, 2)]],
    "F": [[(2, 0), (0, 0), (0, 4)], [(0, 2), (1.7, 2)]],
    "H": [[(0, 0), (0, 4)], [(2, 0), (2, 4)], [(0, 2), (2, 2)]],
    "K": [[(0, 0), (0, 4)], [(2, 0), (0, 2.2), (2, 4)]],
    "L": [[(0, 0), (0, 4), (2, 4)]],
    "M": [[(0, 4), (0, 0), (1, 2), (2, 0), (2, 4)]],
    "N": [[(0, 4), (0, 0), (2, 4), (2, 0)]],
    "P": [[(0, 4), (0, 0), (2, 0), (2, 2), (0, 2)]],
    "T": [[(0, 0), (2, 0)], [(1, 0), (1, 4)]],
    "U": [[(0, 0), (0, 3.3), (0.5, 4), (1.5, 4), (2, 3.3), (2, 0)]],
    "V": [[(0, 0), (1, 4), (2, 0)]],
    "Y": [[(0, 0), (1, 2), (2, 0)], [(1, 2), (1, 4)]],
    "Z": [[(0, 0), (2, 0), (0, 4), (2, 4)]],
}


def letter(rng: Rng) -> Pieces:
    width = uniform(rng, 0.16, 0.38)
    lines = _GLYPHS[pick(rng, list(_GLYPHS))]
    return tuple(stroke((np.array(line) - (1, 2)) * (0.55, 0.42), width) for line in lines)


def bolt(rng: Rng) -> Pieces:
    points = (0.25, -1), (-0.5, 0.1), (-0.05, 0.1), (-0.3, 1), (0.5, -0.2), (0.05, -0.2), (0.55, -1)
    return (polygon(*points),)


def bottle(rng: Rng) -> Pieces:
    neck, body, shoulder = uniform(rng, 0.1, 0.2), uniform(rng, 0.3, 0.5), uniform(rng, -0.5, -0.1)
    right = [
        (neck, -1.0),
        (neck, shoulder - 0.2),
        (body * 0.8, shoulder),
        (body, shoulder + 0.2),
        (body, 1.0),
    ]
    return (polygon(*right, *[(-x, y) for x, y in right[::-1]]),)


def mug(rng: Rng) -> Pieces:
    """With a handle that one can see through."""
    tall, taper = uniform(rng, 0.6, 0.9), uniform(rng, 0.0, 0.2)
    body = polygon((-0.8, -tall), (0.4, -tall), (0.4 - taper, tall), (-0.8 + taper, tall))
    return oval(0.45, 0, 0.45, 0.5), oval(0.45, 0, 0.28, 0.33, hole=True), body


def key(rng: Rng) -> Pieces:
    bow, shaft = uniform(rng, 0.3, 0.45), uniform(rng, 0.06, 0.12)
    teeth = tuple(box(x, 0, x + 0.12, uniform(rng, 0.2, 0.35)) for x in (0.45, 0.66, 0.86))
    return (
        oval(bow - 1, 0, bow),
        oval(bow - 1, 0, bow * 0.55, hole=True),
        box(2 * bow - 1.05, -shaft, 1, shaft),
        *teeth,
    )


def figure(rng: Rng) -> Pieces:
    """A standing person: head, trunk, arms and legs in a random pose."""
    width, hip = uniform(rng, 0.13, 0.22), 0.15
    limbs = []
    for side in (-1, 1):
        elbow = (side * uniform(rng, 0.25, 0.45), uniform(rng, -0.35, 0.05))
        hand = (side * uniform(rng, 0.15, 0.7), uniform(rng, -0.6, 0.35))
        limbs.append(stroke(np.array([(side * 0.16, -0.5), elbow, hand]), width * 0.8))
        knee = (side * uniform(rng, 0.08, 0.28), 0.55)
        limbs.append(
            stroke(np.array([(side * 0.1, hip), knee, (side * uniform(rng, 0.05, 0.4), 1)]), width)
        )
    trunk = polygon((-0.26, -0.58), (0.26, -0.58), (0.2, hip + 0.08), (-0.2, hip + 0.08))
    return (oval(0, -0.82, 0.17, 0.2), trunk, *limbs)


def fish(rng: Rng) -> Pieces:
    fat = uniform(rng, 0.3, 0.5)
    return oval(-0.2, 0, 0.75, fat), polygon((0.3, 0), (1, -0.5), (0.8, 0), (1, 0.5))


def house(rng: Rng) -> Pieces:
    eaves, roof = uniform(rng, 0.7, 1.0), uniform(rng, -0.35, 0.1)
    walls = polygon((-0.65, roof), (0.65, roof), (0.65, 0.95), (-0.65, 0.95))
    return polygon((-eaves, roof), (0, -0.95), (eaves, roof)), walls


def tree(rng: Rng) -> Pieces:
    trunk = box(-uniform(rng, 0.07, 0.15), 0, uniform(rng, 0.07, 0.15), 1)
    if rng.random() < 0.5:
        return trunk, *(
            polygon((-w, y), (0, y - 0.75), (w, y))
            for w, y in ((0.75, 0.5), (0.6, 0.1), (0.42, -0.25))
        )
    crown = tuple(
        oval(uniform(rng, -0.4, 0.4), uniform(rng, -0.65, -0.05), uniform(rng, 0.28, 0.42))
        for _ in range(count(rng, 4, 6))
    )
    return (trunk, oval(0, -0.3, 0.4), *crown)


def mushroom(rng: Rng) -> Pieces:
    angle = np.linspace(np.pi, 2 * np.pi, 24)
    cap = np.stack([0.95 * np.cos(angle), 0.15 + uniform(rng, 0.6, 1.0) * np.sin(angle)], axis=1)
    stem = uniform(rng, 0.15, 0.35)
    return polygon((-stem * 0.8, 0.1), (stem * 0.8, 0.1), (stem, 0.95), (-stem, 0.95)), Piece(cap)


def comb(rng: Rng) -> Pieces:
    teeth, back = count(rng, 5, 10), uniform(rng, -0.45, -0.2)
    step = 2 / teeth
    prongs = tuple(
        box(-1 + i * step, back - 0.05, -1 + (i + 0.5) * step, 0.6) for i in range(teeth)
    )
    return (box(-1, -0.6, 1 - 0.5 * step, back), *prongs)


def fence(rng: Rng) -> Pieces:
    """A lattice: thin, and mostly hole."""
    across, down, width = count(rng, 3, 7), count(rng, 2, 4), uniform(rng, 0.05, 0.09)
    posts = [
        stroke(np.array([(x, -0.7), (x, 0.7)]), width) for x in np.linspace(-0.95, 0.95, across)
    ]
    rails = [
        stroke(np.array([(-0.98, y), (0.98, y)]), width) for y in np.linspace(-0.55, 0.55, down)
    ]
    return tuple(posts + rails)


def branch(rng: Rng) -> Pieces:
    """A stem with twigs that get thinner."""
    lean = uniform(rng, -0.3, 0.3)
    stem = np.array([(0, 1), (lean * 0.4, 0.3), (lean, -0.3), (lean * 0.8, -1)])
    width = uniform(rng, 0.07, 0.14)
    twigs = []
    for _ in range(count(rng, 3, 6)):
        place, side, reach = uniform(rng, 0, 2.9), pick(rng, (-1, 1)), uniform(rng, 0.3, 0.7)
        foot = stem[int(place)] + (place % 1) * (stem[int(place) + 1] - stem[int(place)])
        tip = foot + np.array([side * reach, -uniform(rng, 0.2, 0.6)])
        twigs.append(
            stroke(np.stack([foot, (foot + tip) / 2 + (side * 0.08, 0.05), tip]), width * 0.6)
        )
    return (stroke(stem, width), *twigs)


THINGS: dict[str, Maker] = {
    "letter": letter, "bolt": bolt, "bottle": bottle, "mug": mug, "key": key, "figure": figure,
    "fish": fish, "house": house, "tree": tree, "mushroom": mushroom, "comb": comb, "fence": fence,
    "branch": branch,
}  # fmt: skip
# A band is only ever a part: a strip across its whole, cut off at the whole's outline.
OUTLINES: dict[str, Maker] = {**SIMPLE, **THINGS}
CLASSES: tuple[str, ...] = (*OUTLINES, "band")
"""Class names; the class id of a name is its place here, counted from 1 as COCO does."""
