"""Outlines of simple shapes: what each class looks like, as pieces in a square from -1 to 1."""

from collections.abc import Callable

import numpy as np

from samkit.data.shapes.chance import count, uniform
from samkit.data.shapes.geometry import TURN, Piece, Pieces, Rng, box, oval, polar, polygon, ribbon


def disc(rng: Rng) -> Pieces:
    return (oval(0, 0, 1),)


def ellipse(rng: Rng) -> Pieces:
    return (oval(0, 0, 1, uniform(rng, 0.35, 0.72)),)


def semicircle(rng: Rng) -> Pieces:
    return (Piece(np.stack([np.cos(TURN / 2), np.sin(TURN / 2) - 0.4], axis=1)),)


def sector(rng: Rng) -> Pieces:
    angle = np.linspace(0, uniform(rng, 0.8, 5.2), 28)
    return (
        Piece(np.concatenate([np.zeros((1, 2)), np.stack([np.cos(angle), np.sin(angle)], axis=1)])),
    )


def ring(rng: Rng) -> Pieces:
    return oval(0, 0, 1), oval(0, 0, uniform(rng, 0.45, 0.8), hole=True)


def crescent(rng: Rng) -> Pieces:
    return oval(0, 0, 1), oval(uniform(rng, 0.35, 0.6), 0, uniform(rng, 0.75, 0.95), hole=True)


def drop(rng: Rng) -> Pieces:
    return (Piece(np.stack([0.62 * np.sin(TURN) * np.sin(TURN / 2), -np.cos(TURN)], axis=1)),)


def heart(rng: Rng) -> Pieces:
    t = TURN
    x = np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
    return (Piece(np.stack([x, y], axis=1)),)


def leaf(rng: Rng) -> Pieces:
    x, fat = np.linspace(-1, 1, 16), uniform(rng, 0.3, 0.55)
    side = fat * (1 - x**2)
    return (Piece(np.concatenate([np.stack([x, side], 1), np.stack([x[::-1], -side[::-1]], 1)])),)


def square(rng: Rng) -> Pieces:
    return (box(-0.85, -0.85, 0.85, 0.85),)


def rectangle(rng: Rng) -> Pieces:
    short = uniform(rng, 0.3, 0.68)
    return (box(-1, -short, 1, short),)


def frame(rng: Rng) -> Pieces:
    tall, rim = uniform(rng, 0.5, 0.95), uniform(rng, 0.12, 0.3)
    return box(-0.95, -tall, 0.95, tall), box(
        -0.95 + rim, -tall + rim, 0.95 - rim, tall - rim, hole=True
    )


def triangle(rng: Rng) -> Pieces:
    angle = np.array([0, 2.1, 4.2]) + (rng.random(3) - 0.5) * 0.9
    return (polar(angle, np.ones(3)),)


def _regular(sides: int) -> Pieces:
    return (polar(np.arange(sides) * (2 * np.pi / sides), np.ones(sides)),)


def pentagon(rng: Rng) -> Pieces:
    return _regular(5)


def hexagon(rng: Rng) -> Pieces:
    return _regular(6)


def trapezoid(rng: Rng) -> Pieces:
    top, tall, lean = uniform(rng, 0.3, 0.7), uniform(rng, 0.4, 0.8), uniform(rng, -0.25, 0.25)
    return (polygon((lean - top, -tall), (lean + top, -tall), (1, tall), (-1, tall)),)


def irregular_polygon(rng: Rng) -> Pieces:
    corners = count(rng, 5, 9)
    angle = (np.arange(corners) + rng.random(corners) * 0.7) * (2 * np.pi / corners)
    return (polar(angle, 0.5 + 0.5 * rng.random(corners)),)


def star(rng: Rng) -> Pieces:
    tips = count(rng, 4, 9)
    radius = np.ones(2 * tips)
    radius[1::2] = uniform(rng, 0.3, 0.6)
    return (polar(np.arange(2 * tips) * (np.pi / tips), radius),)


def cross(rng: Rng) -> Pieces:
    arm = uniform(rng, 0.16, 0.42)
    return box(-arm, -1, arm, 1), box(-1, -arm, 1, arm)


def blob(rng: Rng) -> Pieces:
    """A random Fourier outline, smooth to rugged."""
    order = np.arange(1, count(rng, 3, 8))
    wave = np.cos(order[:, None] * TURN + rng.random((len(order), 1)) * 2 * np.pi)
    radius = 0.7 + (wave * (rng.random(len(order)) * 0.5 / order**0.8)[:, None]).sum(axis=0)
    return (polar(TURN, np.clip(radius, 0.15, 1.1)),)


def cloud(rng: Rng) -> Pieces:
    puffs = count(rng, 4, 6)
    x = np.linspace(-0.6, 0.6, puffs)
    high = 0.55 * (1 - x**2)
    y = [0.2 - high[i] * uniform(rng, 0.2, 0.9) for i in range(puffs)]
    ovals = [oval(x[i], y[i], uniform(rng, 0.28, 0.42)) for i in range(puffs)]
    return (box(-0.65, 0.05, 0.65, 0.45), *ovals)


def flower(rng: Rng) -> Pieces:
    depth = uniform(rng, 0.12, 0.32)
    return (polar(TURN, 1 - depth + depth * np.cos(count(rng, 4, 8) * TURN)),)


def gear(rng: Rng) -> Pieces:
    teeth = count(rng, 7, 14)
    angle = np.arange(4 * teeth) * (np.pi / 2 / teeth)
    radius = np.where(np.arange(4 * teeth) % 4 < 2, 1.0, uniform(rng, 0.72, 0.86))
    wheel = polar(angle, radius)
    return (
        (wheel, oval(0, 0, uniform(rng, 0.15, 0.5), hole=True)) if rng.random() < 0.6 else (wheel,)
    )


def bar(rng: Rng) -> Pieces:
    thin = uniform(rng, 0.035, 0.12)
    return (box(-1, -thin, 1, thin),)


def wire(rng: Rng) -> Pieces:
    x = np.linspace(-1, 1, 20)
    y = sum(
        uniform(rng, 0.05, 0.35) * np.sin(x * k * 2 + uniform(rng, 0, 6.3)) for k in (0.8, 1.7, 3.1)
    )
    return (ribbon(np.stack([x, np.asarray(y)], 1), uniform(rng, 0.05, 0.12)),)


def spiral(rng: Rng) -> Pieces:
    angle = np.linspace(0.8, uniform(rng, 8, 14), 52)
    points = (angle / angle[-1])[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (ribbon(points, uniform(rng, 0.07, 0.14)),)


def arrow(rng: Rng) -> Pieces:
    shaft, barb, neck = uniform(rng, 0.08, 0.25), uniform(rng, 0.4, 0.65), uniform(rng, 0.0, 0.5)
    half = [(-1.0, -shaft), (neck, -shaft), (neck, -barb), (1.0, 0.0)]
    return (polygon(*half, *[(x, -y) for x, y in half[2::-1]]),)


Maker = Callable[[Rng], Pieces]
SIMPLE: dict[str, Maker] = {
    "disc": disc, "ellipse": ellipse, "semicircle": semicircle, "sector": sector, "ring": ring,
    "crescent": crescent, "drop": drop, "heart": heart, "leaf": leaf, "square": square,
    "rectangle": rectangle, "frame": frame, "triangle": triangle, "pentagon": pentagon,
    "hexagon": hexagon, "trapezoid": trapezoid, "polygon": irregular_polygon, "star": star,
    "cross": cross, "blob": blob, "cloud": cloud, "flower": flower, "gear": gear, "arrow": arrow,
    "bar": bar, "wire": wire, "spiral": spiral,
}  # fmt: skip
