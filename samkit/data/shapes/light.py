"""Light and lens: shadows, shading, exposure, blur, noise. None of it moves the truth."""

import math

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from samkit.data.shapes import tiles
from samkit.data.shapes.chance import count, log_uniform, pick, uniform
from samkit.data.shapes.raster import Patch
from samkit.data.shapes.textures import whole_ramp

Rng = np.random.Generator
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


def drop_shadow(rng: Rng, canvas: Image.Image, patch: Patch, unit: float) -> None:
    """Darken the canvas where the patch will throw a shadow; to be called before it is painted."""
    reach = min(patch.alpha.size) * uniform(rng, 0.05, 0.25)
    radius = uniform(rng, 0.3, 1.5) * unit
    # A quarter of the size is enough for a soft thing; the rim gives the softness room to end.
    small, rim = patch.alpha.reduce(4), math.ceil(radius) + 1
    small = small.crop((-rim, -rim, small.width + rim, small.height + rim))
    strength = Image.new("L", small.size, round(255 * uniform(rng, 0.25, 0.75)))
    soft = ImageChops.multiply(small, strength).filter(ImageFilter.BoxBlur(radius))
    shade = soft.resize((4 * soft.width, 4 * soft.height), Image.Resampling.BILINEAR)
    angle = rng.random() * 2 * math.pi
    x, y = patch.x - 4 * rim + reach * math.cos(angle), patch.y - 4 * rim + reach * math.sin(angle)
    canvas.paste(_BLACK, (round(x), round(y)), shade)


def model_roundness(rng: Rng, canvas: Image.Image, patch: Patch) -> None:
    """Shade a painted body as if it were round or slanted: one side lighter, the other darker."""
    width, height = patch.alpha.size
    dark, bright = 5 * count(rng, 2, 11), max(0, 5 * count(rng, -4, 5))
    part = _off_centre(rng) if rng.random() < 0.5 else None
    angle = rng.random() * 2 * math.pi
    for colour, percent, turn in ((_BLACK, dark, math.pi), (_WHITE, bright, 0.0)):
        if percent == 0:
            continue
        if part:
            tile = tiles.hill(percent, valley=colour == _BLACK)
            mask = tile.transform((width, height), Image.Transform.EXTENT, part)
        else:
            mask = whole_ramp(width, height, angle + turn, percent)
        canvas.paste(colour, patch.box, ImageChops.multiply(patch.alpha, mask))


def ink_border(canvas: Image.Image, patch: Patch) -> None:
    """A dark line along the inside of the border, as in drawings."""
    inner = patch.alpha.filter(ImageFilter.MinFilter(3))
    canvas.paste((25, 25, 25), (patch.x, patch.y), ImageChops.subtract(patch.alpha, inner))


def illuminate(rng: Rng, canvas: Image.Image) -> Image.Image:
    """The scene under one light: fall-off, cast shadows, contrast, exposure, a slight tint."""
    size = canvas.width
    if rng.random() < 0.4:
        fall = whole_ramp(size, size, rng.random() * 2 * math.pi, 5 * count(rng, 2, 10))
        canvas.paste(_BLACK, (0, 0), fall)
    if rng.random() < 0.2:
        canvas.paste(_BLACK, (0, 0), _cast_shadow(rng, size))
    contrast = uniform(rng, 0.65, 1.12)
    lift = uniform(rng, -18, 28) if contrast < 0.9 else uniform(rng, -10, 10)
    gamma = log_uniform(rng, 0.8, 1.25)
    steps = (np.arange(256) / 255) ** gamma * 255
    table = [(steps - 128) * contrast * uniform(rng, 0.94, 1.06) + 128 + lift for _ in range(3)]
    return canvas.point(np.clip(np.concatenate(table), 0, 255).astype(np.uint8).tolist())


def photograph(rng: Rng, canvas: Image.Image) -> Image.Image:
    """The scene through a lens and onto a sensor: blur, lost resolution, noise."""
    size, unit, draw = canvas.width, canvas.width / 256, rng.random()
    if draw < 0.35:
        canvas = canvas.filter(ImageFilter.BoxBlur(uniform(rng, 0.25, 0.9) * unit))
    elif draw < 0.47:
        small = round(size * uniform(rng, 0.5, 0.8))
        canvas = canvas.resize((small, small), Image.Resampling.BILINEAR).resize(
            (size, size), Image.Resampling.BILINEAR
        )
    if rng.random() < 0.6:
        grains = tiles.noise(pick(rng, (2, 4, 6, 10, 16)))
        canvas = ImageChops.add(canvas, _repeated(rng, grains, size), 1, -128)
    return canvas


def _cast_shadow(rng: Rng, size: int) -> Image.Image:
    """The shadow of something outside the picture, as a mask."""
    small = Image.new("L", (64, 64))
    draw = ImageDraw.Draw(small)
    for _ in range(count(rng, 1, 3)):
        x, y = rng.random() * 64, rng.random() * 64
        corners = [(x + uniform(rng, -40, 40), y + uniform(rng, -40, 40)) for _ in range(4)]
        draw.polygon(corners, fill=round(255 * uniform(rng, 0.15, 0.5)))
    soft = small.filter(ImageFilter.BoxBlur(uniform(rng, 0.5, 3)))
    return soft.resize((size, size), Image.Resampling.BILINEAR)


def _repeated(rng: Rng, tile: Image.Image, size: int) -> Image.Image:
    """A (size, size) picture from a random place of the tile, repeated where it ends."""
    x, y = count(rng, 0, tile.width // 2), count(rng, 0, tile.height // 2)
    piece = tile.crop((x, y, x + size, y + size))
    for left in range(0, size, tile.width):
        for top in range(0, size, tile.height):
            if left + x + size > tile.width or top + y + size > tile.height:
                piece.paste(tile, (left, top))
    return piece


def _off_centre(rng: Rng) -> tuple[float, float, float, float]:
    """A part of the hill with its top somewhere but in the middle."""
    x, y, side = uniform(rng, 20, 90), uniform(rng, 20, 90), uniform(rng, 110, 160)
    return x, y, x + side, y + side
