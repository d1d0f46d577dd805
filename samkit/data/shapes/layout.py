"""Where a scene's objects go: neighbours that overlap, and groups of their own kind."""

import numpy as np

from samkit.data.shapes.chance import count, log_uniform, pick, uniform
from samkit.data.shapes.colours import NAMES
from samkit.data.shapes.objects import THIN, Body
from samkit.data.shapes.silhouettes import OUTLINES

_NAMES = tuple(OUTLINES)


def lay_out(rng: np.random.Generator, size: int) -> list[Body]:
    """The bodies of one scene in the order of painting: the large ones a little earlier."""
    bodies: list[Body] = []
    for _ in range(count(rng, 4, 6)):
        name = pick(rng, _NAMES)
        radius = size * log_uniform(rng, 0.15 if name in THIN else 0.14, 0.5)
        x, y = _somewhere(rng, size, radius, bodies)
        bodies.append(Body(name, x, y, radius))
    if rng.random() < 0.2:
        bodies += _group(rng, size, bodies)
    weights = [body.radius**0.15 * log_uniform(rng, 0.25, 4.0) for body in bodies]
    return [
        body for _, body in sorted(zip(weights, bodies, strict=True), key=lambda pair: -pair[0])
    ]


def _somewhere(
    rng: np.random.Generator, size: int, radius: float, bodies: list[Body]
) -> tuple[float, float]:
    """Near a body that is already there, so that one hides some of the other, or anywhere."""
    if len(bodies) > 1 and rng.random() < 0.88:
        other = pick(rng, bodies)
        angle = rng.random() * 2 * np.pi
        reach = (other.radius + radius) * uniform(rng, 0.08, 0.33)
        x, y = other.x + reach * np.cos(angle), other.y + reach * np.sin(angle)
        if 0 < x < size and 0 < y < size:
            return float(x), float(y)
    return uniform(rng, 0.04, 0.96) * size, uniform(rng, 0.04, 0.96) * size


def _group(rng: np.random.Generator, size: int, bodies: list[Body]) -> list[Body]:
    """Several of one class, size and colour close together, as fruit in a bowl."""
    name, colour = pick(rng, _NAMES), pick(rng, NAMES)
    radius = size * log_uniform(rng, 0.1 if name in THIN else 0.07, 0.15)
    x, y = uniform(rng, 0.2, 0.8) * size, uniform(rng, 0.2, 0.8) * size
    spread = radius * uniform(rng, 1.5, 3)
    return [
        Body(
            name, x + spread * uniform(rng, -1, 1), y + spread * uniform(rng, -1, 1),
            radius * uniform(rng, 0.8, 1.2), colour,
        )
        for _ in range(count(rng, 3, 5))
    ]  # fmt: skip
