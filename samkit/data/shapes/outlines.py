"""Outlines of shapes: what each class looks like, as polygons and strokes in a square from -1 to 1 (y down)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .chance import count, uniform

Rng = np.random.Generator
_TURN = np.linspace(0, 2 * np.pi, 56, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


@dataclass(frozen=True)
class Piece:
    """A polygon (width 0) or a stroke along `points` (K, 2) float; one that is a hole takes away what lies below."""

    points: np.ndarray
    width: float = 0.0
    hole: bool = False


Outline = tuple[Piece, ...]


def polygon(*points: tuple[float, float]) -> Piece:
    """A filled polygon from its corners."""
    return Piece(np.array(points))


def oval(x: float, y: float, width: float, height: float | None = None, hole: bool = False) -> Piece:
    """An ellipse around (x, y) with half axes width and height."""
    return Piece(_CIRCLE * (width, width if height is None else height) + (x, y), hole=hole)


def box(x0: float, y0: float, x1: float, y1: float, hole: bool = False) -> Piece:
    """An upright rectangle."""
    return Piece(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), hole=hole)


def stroke(points: np.ndarray, width: float) -> Piece:
    """A line of some width through points (K, 2)."""
    return Piece(points, width=width)


def polar(angle: np.ndarray, radius: np.ndarray, hole: bool = False) -> Piece:
    """A closed curve from angles and radii, both (K,)."""
    return Piece(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), hole=hole)


def disc(rng: Rng) -> Outline:
    return (oval(0, 0, 1),)


def ellipse(rng: Rng) -> Outline:
    return (oval(0, 0, 1, uniform(rng, 0.35, 0.72)),)


def semicircle(rng: Rng) -> Outline:
    return (Piece(np.stack([np.cos(_TURN / 2), np.sin(_TURN / 2) - 0.4], axis=1)),)


def sector(rng: Rng) -> Outline:
    angle = np.linspace(0, uniform(rng, 0.8, 5.2), 40)
    return (Piece(np.concatenate([np.zeros((1, 2)), np.stack([np.cos(angle), np.sin(angle)], axis=1)])),)


def ring(rng: Rng) -> Outline:
    return oval(0, 0, 1), oval(0, 0, uniform(rng, 0.45, 0.8), hole=True)


def crescent(rng: Rng) -> Outline:
    return oval(0, 0, 1), oval(uniform(rng, 0.35, 0.6), 0, uniform(rng, 0.75, 0.95), hole=True)


def drop(rng: Rng) -> Outline:
    return (Piece(np.stack([0.62 * np.sin(_TURN) * np.sin(_TURN / 2), -np.cos(_TURN)], axis=1)),)


def heart(rng: Rng) -> Outline:
    t = _TURN
    x = np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
    return (Piece(np.stack([x, y], axis=1)),)


def leaf(rng: Rng) -> Outline:
    x, fat = np.linspace(-1, 1, 24), uniform(rng, 0.3, 0.55)
    side = fat * (1 - x**2)
    return (Piece(np.concatenate([np.stack([x, side], 1), np.stack([x[::-1], -side[::-1]], 1)])),)


def square(rng: Rng) -> Outline:
    return (box(-0.85, -0.85, 0.85, 0.85),)


def rectangle(rng: Rng) -> Outline:
    short = uniform(rng, 0.3, 0.68)
    return (box(-1, -short, 1, short),)


def frame(rng: Rng) -> Outline:
    tall, rim = uniform(rng, 0.5, 0.95), uniform(rng, 0.12, 0.3)
    return box(-0.95, -tall, 0.95, tall), box(-0.95 + rim, -tall + rim, 0.95 - rim, tall - rim, hole=True)


def triangle(rng: Rng) -> Outline:
    angle = np.array([0, 2.1, 4.2]) + (rng.random(3) - 0.5) * 0.9
    return (polar(angle, np.ones(3)),)


def _regular(sides: int) -> Outline:
    return (polar(np.arange(sides) * (2 * np.pi / sides), np.ones(sides)),)


def pentagon(rng: Rng) -> Outline:
    return _regular(5)


def hexagon(rng: Rng) -> Outline:
    return _regular(6)


def trapezoid(rng: Rng) -> Outline:
    top, tall, lean = uniform(rng, 0.3, 0.7), uniform(rng, 0.4, 0.8), uniform(rng, -0.25, 0.25)
    return (polygon((lean - top, -tall), (lean + top, -tall), (1, tall), (-1, tall)),)


def irregular_polygon(rng: Rng) -> Outline:
    corners = count(rng, 5, 9)
    angle = (np.arange(corners) + rng.random(corners) * 0.7) * (2 * np.pi / corners)
    return (polar(angle, 0.5 + 0.5 * rng.random(corners)),)


def star(rng: Rng) -> Outline:
    tips = count(rng, 4, 9)
    radius = np.ones(2 * tips)
    radius[1::2] = uniform(rng, 0.3, 0.6)
    return (polar(np.arange(2 * tips) * (np.pi / tips), radius),)


def cross(rng: Rng) -> Outline:
    arm = uniform(rng, 0.16, 0.42)
    return box(-arm, -1, arm, 1), box(-1, -arm, 1, arm)


def blob(rng: Rng) -> Outline:
    """A random Fourier outline, smooth to rugged."""
    order = np.arange(1, count(rng, 3, 8))
    wave = np.cos(order[:, None] * _TURN + rng.random((len(order), 1)) * 2 * np.pi)
    radius = 0.7 + (wave * (rng.random(len(order)) * 0.5 / order**0.8)[:, None]).sum(axis=0)
    return (polar(_TURN, np.clip(radius, 0.15, 1.1)),)


def cloud(rng: Rng) -> Outline:
    puffs = count(rng, 4, 6)
    x = np.linspace(-0.6, 0.6, puffs)
    high = 0.55 * (1 - x**2)
    return tuple(oval(x[i], 0.2 - high[i] * uniform(rng, 0.2, 0.9), uniform(rng, 0.28, 0.42)) for i in range(puffs)) + (
        box(-0.65, 0.05, 0.65, 0.45),
    )


def flower(rng: Rng) -> Outline:
    depth = uniform(rng, 0.12, 0.32)
    return (polar(_TURN, 1 - depth + depth * np.cos(count(rng, 4, 8) * _TURN)),)


def gear(rng: Rng) -> Outline:
    teeth = count(rng, 7, 14)
    angle = np.arange(4 * teeth) * (np.pi / 2 / teeth)
    radius = np.where(np.arange(4 * teeth) % 4 < 2, 1.0, uniform(rng, 0.72, 0.86))
    wheel = polar(angle, radius)
    return (wheel, oval(0, 0, uniform(rng, 0.15, 0.5), hole=True)) if rng.random() < 0.6 else (wheel,)


def bar(rng: Rng) -> Outline:
    thin = uniform(rng, 0.035, 0.12)
    return (box(-1, -thin, 1, thin),)


def wire(rng: Rng) -> Outline:
    x = np.linspace(-1, 1, 14)
    y = sum(uniform(rng, 0.05, 0.35) * np.sin(x * k * 2 + uniform(rng, 0, 6.3)) for k in (0.8, 1.7, 3.1))
    return (stroke(np.stack([x, np.asarray(y)], 1), uniform(rng, 0.03, 0.1)),)


def spiral(rng: Rng) -> Outline:
    angle = np.linspace(0.8, uniform(rng, 8, 16), 48)
    points = (angle / angle[-1])[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (stroke(points, uniform(rng, 0.07, 0.14)),)


def arrow(rng: Rng) -> Outline:
    shaft, barb, neck = uniform(rng, 0.08, 0.25), uniform(rng, 0.4, 0.65), uniform(rng, 0.0, 0.5)
    half = [(-1.0, -shaft), (neck, -shaft), (neck, -barb), (1.0, 0.0)]
    return (polygon(*half, *[(x, -y) for x, y in half[2::-1]]),)


Maker = Callable[[Rng], Outline]
SIMPLE: dict[str, Maker] = {
    "disc": disc, "ellipse": ellipse, "semicircle": semicircle, "sector": sector, "ring": ring, "crescent": crescent,
    "drop": drop, "heart": heart, "leaf": leaf, "square": square, "rectangle": rectangle, "frame": frame,
    "triangle": triangle, "pentagon": pentagon, "hexagon": hexagon, "trapezoid": trapezoid, "polygon": irregular_polygon,
    "star": star, "cross": cross, "blob": blob, "cloud": cloud, "flower": flower, "gear": gear, "arrow": arrow,
    "bar": bar, "wire": wire, "spiral": spiral,
}  # fmt: skip
