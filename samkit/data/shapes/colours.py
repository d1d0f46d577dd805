"""Named colours: a small vocabulary, and shades that anybody would call by that name."""

import colorsys
from dataclasses import dataclass
from functools import cache

import numpy as np

from samkit.data.shapes.chance import pick, uniform

# Hue in degrees, saturation and value as ranges. The gaps between the boxes are on purpose:
# a shade that two people would name differently makes a caption that is not true.
_BOXES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((-10, 8), (0.72, 1.0), (0.55, 0.95)),
    "orange": ((22, 36), (0.75, 1.0), (0.85, 1.0)),
    "yellow": ((49, 60), (0.55, 1.0), (0.82, 1.0)),
    "green": ((85, 150), (0.4, 1.0), (0.3, 0.8)),
    "turquoise": ((170, 188), (0.45, 1.0), (0.6, 0.95)),
    "blue": ((208, 242), (0.5, 1.0), (0.4, 0.95)),
    "purple": ((265, 288), (0.4, 0.95), (0.35, 0.85)),
    "pink": ((318, 350), (0.22, 0.55), (0.88, 1.0)),
    "brown": ((15, 32), (0.45, 0.85), (0.25, 0.52)),
    "white": ((0, 360), (0.0, 0.05), (0.9, 1.0)),
    "grey": ((0, 360), (0.0, 0.08), (0.36, 0.68)),
    "black": ((0, 360), (0.0, 0.3), (0.03, 0.15)),
}
NAMES: tuple[str, ...] = tuple(_BOXES)
_SHADES = 48


@dataclass(frozen=True)
class Colour:
    """A shade with its name; rgb are three values 0..255."""

    name: str
    rgb: tuple[int, int, int]


@cache
def palette() -> tuple[tuple[Colour, ...], np.ndarray]:
    """All shades of all names, and their values as (12 * 48, 3) int32; always the same."""
    rng = np.random.default_rng(20240)
    shades: list[Colour] = []
    for name, (hue, saturation, value) in _BOXES.items():
        for _ in range(_SHADES):
            h, s, v = (
                (uniform(rng, *hue) / 360) % 1,
                uniform(rng, *saturation),
                uniform(rng, *value),
            )
            red, green, blue = (round(255 * x) for x in colorsys.hsv_to_rgb(h, s, v))
            shades.append(Colour(name, (red, green, blue)))
    return tuple(shades), np.array([shade.rgb for shade in shades], np.int32)


def any_colour(rng: np.random.Generator) -> Colour:
    """A random shade of a random name."""
    return pick(rng, palette()[0])


def shade_of(rng: np.random.Generator, name: str) -> Colour:
    """A random shade that is called `name`."""
    start = NAMES.index(name) * _SHADES
    return palette()[0][start + int(rng.random() * _SHADES)]


def distance(a: tuple[int, int, int], b: tuple[int, int, int]) -> int:
    """Largest difference of a channel, 0..255."""
    return max(abs(a[0] - b[0]), abs(a[1] - b[1]), abs(a[2] - b[2]))


def close_to(rgb: tuple[int, int, int], least: int) -> Colour:
    """The shade most like `rgb` that still differs by `least` in some channel: camouflage."""
    shades, values = palette()
    off = np.abs(values - np.array(rgb, np.int32)).max(axis=1)
    return shades[int(np.where(off >= least, off, 999).argmin())]
