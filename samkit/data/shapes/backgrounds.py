"""What lies behind the objects: photographs, patterns, gradients, or two at a horizon."""

import math

import numpy as np
from PIL import Image, ImageFilter

from samkit.data.shapes import tiles
from samkit.data.shapes.chance import count, log_uniform, pick, pick_weighted, uniform
from samkit.data.shapes.colours import any_colour
from samkit.data.shapes.textures import coloured, cut, fill, make_style, ramp_between, whole_ramp

Rng = np.random.Generator
_ORDERS = ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
_KINDS = (("photograph", 0.45), ("texture", 0.3), ("gradient", 0.15), ("flat", 0.1))


def background(rng: Rng, size: int) -> Image.Image:
    """A (size, size) RGB picture without any object."""
    picture = _plain(rng, size, size)
    if rng.random() < 0.3:
        # A floor or a table: another surface below a line.
        line = int(size * uniform(rng, 0.25, 0.8))
        lower = _plain(rng, size, size - line)
        picture.paste(lower, (0, line))
    return picture


def _plain(rng: Rng, width: int, height: int) -> Image.Image:
    kind = pick_weighted(rng, _KINDS)
    unit = max(width, height) / 256
    if kind == "photograph":
        return _photograph(rng, width, height, unit)
    first, second = any_colour(rng), any_colour(rng)
    if kind == "gradient":
        return coloured(
            whole_ramp(width, height, rng.random() * 2 * math.pi),
            ramp_between(first.rgb, second.rgb),
        )
    textured = ("pattern", "grey photograph", "grey photograph")
    style = make_style(rng, first, "flat" if kind == "flat" else pick(rng, textured))
    pixels = fill(rng, style, width, height, unit)
    return Image.new("RGB", (width, height), pixels) if isinstance(pixels, tuple) else pixels


def _photograph(rng: Rng, width: int, height: int, unit: float) -> Image.Image:
    """A piece of a photograph, turned a little, mirrored, recoloured, perhaps out of focus."""
    tile = tiles.colour_photograph(pick(rng, tiles.PHOTOGRAPHS), count(rng, 0, tiles.LEVELS - 1))
    piece = cut(
        rng, tile, width, height, uniform(rng, -0.4, 0.4) if rng.random() < 0.4 else 0.0, unit
    )
    if rng.random() < 0.5:
        piece = piece.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.4:
        # Few photographs serve for many scenes: swapped channels make others of them.
        channels = piece.split()
        piece = Image.merge("RGB", [channels[i] for i in pick(rng, _ORDERS)])
    if rng.random() < 0.3:
        piece = piece.filter(ImageFilter.BoxBlur(log_uniform(rng, 0.7, 4) * unit))
    return piece
