"""Textures: what fills an outline. A style is drawn once and can fill any number of patches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from . import tiles
from .chance import log_uniform, pick, pick_weighted, uniform
from .colours import Colour, any_colour, distance, shade_of

Rng = np.random.Generator
_KINDS = (("flat", 0.3), ("pattern", 0.28), ("shaded", 0.14), ("grey photograph", 0.18), ("photograph", 0.1))


@dataclass(frozen=True)
class Style:
    """How a surface looks: its colour name ("mixed" for photographs), texture name, words for a caption and pixels.

    `flat` is the one colour of a plain surface; others have a `tile`, in RGB or grey with a `ramp` of 256 colours.
    """

    colour: str
    texture: str
    words: str
    flat: tuple[int, int, int] | None = None
    tile: Image.Image | None = None
    ramp: bytes | None = None
    angle: float = 0.0
    step: float = 1.0


def _ramp(dark: tuple[float, ...], light: tuple[float, ...]) -> bytes:
    """256 RGB colours from dark to light."""
    steps = np.linspace(0, 1, 256)[:, None]
    return np.clip((1 - steps) * dark + steps * light, 0, 255).astype(np.uint8).tobytes()


def _tones(rgb: tuple[int, int, int], contrast: float) -> bytes:
    """256 tones of one colour, a darker one to a lighter one, that keep its name."""
    down, up = 1 - 0.45 * contrast, 0.22 * contrast
    return _ramp(tuple(c * down for c in rgb), tuple(c + (255 - c) * up for c in rgb))


def make_style(rng: Rng, colour: Colour, kind: str | None = None) -> Style:
    """A random texture in the given colour; photographs keep their own colours."""
    kind = kind or pick_weighted(rng, _KINDS)
    angle, step = rng.random() * 2 * math.pi, log_uniform(rng, 0.5, 1.5)
    coarse = rng.random() < 0.4
    if kind == "flat":
        return Style(colour.name, "flat", colour.name, flat=colour.rgb)
    if kind == "shaded":
        colours = _tones(colour.rgb, uniform(rng, 0.6, 1.0))
        return Style(colour.name, "shaded", f"{colour.name} shaded", None, tiles.ramp(), colours, angle)
    if kind == "photograph":
        tile = tiles.colour_photograph(pick(rng, tiles.PHOTOGRAPHS), coarse)
        return Style("mixed", "photo", "photo-textured", None, tile, None, angle, step)
    if kind == "grey photograph":
        name = pick(rng, tiles.GREY_PHOTOGRAPHS)
        colours = _tones(colour.rgb, uniform(rng, 0.6, 1.0))
        words = f"{colour.name} {name}-textured"
        return Style(colour.name, name, words, None, tiles.grey_photograph(name, coarse), colours, angle, step)
    name = pick(rng, tiles.PATTERNS)
    tile = tiles.pattern(name, coarse)
    if name in ("cloudy", "speckled") or rng.random() < 0.35:
        return Style(
            colour.name, name, f"{colour.name} {name}", None, tile, _tones(colour.rgb, uniform(rng, 0.7, 1)), angle, step
        )
    second = shade_of(rng, pick(rng, ("white", "black"))) if rng.random() < 0.5 else any_colour(rng)
    words = f"{colour.name} and {second.name} {name}"
    if second.name == colour.name:
        second, words = Colour(colour.name, second.rgb), f"{colour.name} {name}"
    return Style(colour.name, name, words, None, tile, _ramp(colour.rgb, second.rgb), angle, step)


def differ(style: Style, colour: Colour | None) -> bool:
    """Whether an edge between a plain surface and another plain colour could be seen."""
    return style.flat is None or colour is None or distance(style.flat, colour.rgb) >= 24


def cut(rng: Rng, tile: Image.Image, width: int, height: int, angle: float, step: float) -> Image.Image:
    """A (height, width) piece of the tile from a random place, turned by `angle`, `step` tile pixels a pixel.

    The step shrinks where the tile would not suffice.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    across, down = abs(width * cos) + abs(height * sin), abs(width * sin) + abs(height * cos)
    step = min(step, (tiles.SIDE - 2) / max(across, down))
    x = uniform(rng, across * step / 2, tiles.SIDE - across * step / 2)
    y = uniform(rng, down * step / 2, tiles.SIDE - down * step / 2)
    a, b, d, e = step * cos, -step * sin, step * sin, step * cos
    data = (a, b, x - (a * width + b * height) / 2, d, e, y - (d * width + e * height) / 2)
    return tile.transform((width, height), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)


def coloured(grey: Image.Image, ramp: bytes) -> Image.Image:
    """A grey picture in the colours of a ramp (256 x RGB)."""
    grey.putpalette(ramp)
    return grey.convert("RGB")


def fill(rng: Rng, style: Style, width: int, height: int, unit: float) -> Image.Image | tuple[int, int, int]:
    """The pixels for a patch, or one colour; `unit` is the scene's size over 256."""
    if style.flat is not None:
        return style.flat
    assert style.tile is not None
    if style.texture == "shaded":
        # One whole ramp over the patch, whatever its size.
        step = (tiles.SIDE - 2) / (abs(width * math.cos(style.angle)) + abs(height * math.sin(style.angle)))
        piece = _whole_ramp(style, width, height, step)
    else:
        piece = cut(rng, style.tile, width, height, style.angle, style.step / unit)
    return piece if style.ramp is None else coloured(piece, style.ramp)


def _whole_ramp(style: Style, width: int, height: int, step: float) -> Image.Image:
    """The ramp tile stretched so that it runs once across the patch in the style's direction."""
    assert style.tile is not None
    a, b = step * math.cos(style.angle), step * math.sin(style.angle)
    middle = tiles.SIDE / 2
    data = (a, b, middle - (a * width + b * height) / 2, 0, 0, middle)
    return style.tile.transform((width, height), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
