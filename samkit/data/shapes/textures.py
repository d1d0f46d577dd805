"""Textures: what fills an outline. A style is drawn once and can fill any number of patches."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from samkit.data.shapes import tiles
from samkit.data.shapes.chance import count, pick, pick_weighted, uniform
from samkit.data.shapes.colours import Colour, any_colour, distance, shade_of

Rng = np.random.Generator
_KINDS = (
    ("flat", 0.3),
    ("pattern", 0.28),
    ("shaded", 0.14),
    ("grey photograph", 0.18),
    ("photograph", 0.1),
)


_STEPS = np.linspace(0, 1, 256)[:, None]


@dataclass(frozen=True)
class Style:
    """How a surface looks: colour name ("mixed" for photographs), texture name, words, pixels.

    words: what a caption says. flat: the one colour of a plain surface. tile: an RGB picture, or a
    grey one with a `ramp` of 256 colours.
    """

    colour: str
    texture: str
    words: str
    flat: tuple[int, int, int] | None = None
    tile: Image.Image | None = None
    ramp: bytes | None = None
    angle: float = 0.0


def ramp_between(dark: tuple[float, ...], light: tuple[float, ...]) -> bytes:
    """256 RGB colours from dark to light, each three values 0..255."""
    span = (light[0] - dark[0], light[1] - dark[1], light[2] - dark[2])
    return (_STEPS * span + dark).astype(np.uint8).tobytes()


@cache
def _tones(rgb: tuple[int, int, int], contrast: int) -> bytes:
    """256 tones of one colour, darker to lighter, that keep its name; contrast is 0..10."""
    down, up = 1 - 0.045 * contrast, 0.022 * contrast
    return ramp_between(tuple([c * down for c in rgb]), tuple([c + (255 - c) * up for c in rgb]))


def make_style(rng: Rng, colour: Colour, kind: str | None = None) -> Style:
    """A random texture in the given colour; photographs keep their own colours."""
    kind = kind or pick_weighted(rng, _KINDS)
    angle, level = rng.random() * 2 * math.pi, count(rng, 0, tiles.LEVELS - 1)
    if kind == "flat":
        return Style(colour.name, "flat", colour.name, flat=colour.rgb)
    if kind == "shaded":
        colours = _tones(colour.rgb, count(rng, 6, 10))
        return Style(colour.name, "shaded", f"{colour.name} shaded", None, None, colours, angle)
    if kind == "photograph":
        tile = tiles.colour_photograph(pick(rng, tiles.PHOTOGRAPHS), level)
        return Style("mixed", "photo", "photo-textured", None, tile, None, angle)
    if kind == "grey photograph":
        name = pick(rng, tiles.GREY_PHOTOGRAPHS)
        colours = _tones(colour.rgb, count(rng, 6, 10))
        words = f"{colour.name} {name}-textured"
        return Style(
            colour.name, name, words, None, tiles.grey_photograph(name, level), colours, angle
        )
    name = pick(rng, tiles.PATTERNS)
    tile = tiles.pattern(name, level)
    if name in ("cloudy", "speckled") or rng.random() < 0.35:
        return Style(
            colour.name,
            name,
            f"{colour.name} {name}",
            None,
            tile,
            _tones(colour.rgb, count(rng, 7, 10)),
            angle,
        )
    second = shade_of(rng, pick(rng, ("white", "black"))) if rng.random() < 0.5 else any_colour(rng)
    words = f"{colour.name} and {second.name} {name}"
    if second.name == colour.name:
        second, words = Colour(colour.name, second.rgb), f"{colour.name} {name}"
    return Style(colour.name, name, words, None, tile, ramp_between(colour.rgb, second.rgb), angle)


def differ(style: Style, other: Style) -> bool:
    """Whether an edge between two surfaces could be seen, as it can unless both are plain."""
    return style.flat is None or other.flat is None or distance(style.flat, other.flat) >= 24


def cut(
    rng: Rng, tile: Image.Image, width: int, height: int, angle: float, unit: float = 1.0
) -> Image.Image:
    """A (height, width) piece of the tile from a random place, turned by `angle`.

    A tile pixel becomes `unit` pixels, more where the tile would not suffice. Pixels are taken as
    they are at unit 1, the fast case: tiles are soft enough that this does not show.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    across, down = abs(width * cos) + abs(height * sin), abs(width * sin) + abs(height * cos)
    step = min(1 / unit, (tile.width - 2) / across, (tile.height - 2) / down)
    x = uniform(rng, across * step / 2, tile.width - across * step / 2)
    y = uniform(rng, down * step / 2, tile.height - down * step / 2)
    return _turned(tile, width, height, step * cos, step * sin, x, y, smooth=step < 0.8)


def _turned(
    tile: Image.Image, width: int, height: int, a: float, b: float, x: float, y: float, smooth: bool
) -> Image.Image:
    """The tile turned and scaled around its point (x, y), which comes to lie in the middle."""
    data = (a, -b, x - (a * width - b * height) / 2, b, a, y - (b * width + a * height) / 2)
    how = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    return tile.transform((width, height), Image.Transform.AFFINE, data, how)


def whole_ramp(width: int, height: int, angle: float, percent: int = 100) -> Image.Image:
    """A grey picture that rises once from 0 to `percent` of 255 in the direction of the angle."""
    tile = tiles.ramp(percent)
    cos, sin = math.cos(angle), math.sin(angle)
    step = (tile.width - 2) / (abs(width * cos) + abs(height * sin))
    a, b, middle = step * cos, step * sin, tile.width / 2
    data = (a, b, middle - (a * width + b * height) / 2, 0, 0, middle)
    return tile.transform((width, height), Image.Transform.AFFINE, data, Image.Resampling.NEAREST)


def coloured(grey: Image.Image, ramp: bytes) -> Image.Image:
    """A grey picture in the colours of a ramp (256 x RGB)."""
    grey.putpalette(ramp)
    return grey.convert("RGB")


def fill(
    rng: Rng, style: Style, width: int, height: int, unit: float
) -> Image.Image | tuple[int, int, int]:
    """The pixels for a patch, or one colour; `unit` is the scene's size over 256."""
    if style.flat is not None:
        return style.flat
    if style.texture == "shaded":
        piece = whole_ramp(width, height, style.angle)
    else:
        assert style.tile is not None
        piece = cut(rng, style.tile, width, height, style.angle, unit)
    return piece if style.ramp is None else coloured(piece, style.ramp)
