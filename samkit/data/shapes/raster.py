"""From an outline to soft pixels: placing, and anti-aliased drawing in the outline's own box."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from samkit.data.shapes.geometry import Outline


@dataclass(frozen=True)
class Patch:
    """Soft pixels of one outline: a grey picture whose top left corner lies at (x, y)."""

    x: int
    y: int
    alpha: Image.Image

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 in scene pixels, the last two exclusive."""
        return self.x, self.y, self.x + self.alpha.width, self.y + self.alpha.height

    def alpha_over(self, other: Patch) -> Image.Image:
        """This patch's alpha over the other's box, 0 where this one has no pixels."""
        x, y = other.x - self.x, other.y - self.y
        return self.alpha.crop((x, y, x + other.alpha.width, y + other.alpha.height))

    def moved(self, right: int, down: int, size: int) -> Patch | None:
        """This patch elsewhere in the (size, size) scene, cut off at its border; None outside."""
        x, y = self.x + right, self.y + down
        x0, y0 = max(x, 0), max(y, 0)
        x1, y1 = min(x + self.alpha.width, size), min(y + self.alpha.height, size)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return None
        return Patch(x0, y0, self.alpha.crop((x0 - x, y0 - y, x1 - x, y1 - y)))

    def inside(self, other: Patch) -> Patch:
        """This patch cut off where the other ends."""
        return Patch(self.x, self.y, ImageChops.darker(self.alpha, other.alpha_over(self)))

    def outside(self, other: Patch) -> Patch:
        """This patch as seen behind the other."""
        cover = ImageChops.invert(other.alpha_over(self))
        return Patch(self.x, self.y, ImageChops.multiply(self.alpha, cover))

    def truth(self) -> Image.Image:
        """Pixels that belong to the outline, in mode "1": those at least half covered."""
        return self.alpha.convert("1", dither=Image.Dither.NONE)

    @cached_property
    def area(self) -> int:
        """Number of pixels that belong to the outline."""
        return sum(self.alpha.histogram()[128:])

    def touches(self, other: Patch) -> bool:
        """Whether some pixel belongs to both."""
        both = ImageChops.darker(self.alpha, other.alpha_over(self))
        return sum(both.histogram()[128:]) > 0


def place(
    outline: Outline, x: float, y: float, radius: float, angle: float, squeeze: float = 1.0
) -> Outline:
    """The outline in scene pixels: squeezed in y, scaled to the radius, turned, moved to (x, y)."""
    cos, sin = radius * math.cos(angle), radius * math.sin(angle)
    points = outline.points @ np.array((cos, sin, -sin * squeeze, cos * squeeze)).reshape(2, 2)
    points += np.array((x, y))
    return Outline(points, outline.sections, outline.scale * radius)


def rasterise(outline: Outline, size: int, softness: float = 0.0) -> Patch | None:
    """Draw a placed outline; None where nothing of it lies in the (size, size) scene.

    `softness` is the radius in pixels of an extra blur of the border, as of something out of focus.
    """
    points, scale = outline.points, outline.scale
    margin = 1 + softness * 2 + scale * max([section.width for section in outline.sections]) / 2
    left, top = np.minimum.reduce(points).tolist()
    right, bottom = np.maximum.reduce(points).tolist()
    x0, y0 = max(0, math.floor(left - margin)), max(0, math.floor(top - margin))
    x1, y1 = min(size, math.ceil(right + margin)), min(size, math.ceil(bottom + margin))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    extent = max(x1 - x0, y1 - y0)
    fine = 3 if extent < 32 else 2
    canvas = Image.new("L", ((x1 - x0) * fine, (y1 - y0) * fine))
    draw = ImageDraw.Draw(canvas)
    # PIL counts from pixel centres, outlines from pixel corners: hence the half.
    flat = (points * fine - np.array((x0 * fine + 0.5, y0 * fine + 0.5))).ravel().tolist()
    for section in outline.sections:
        corners = flat[2 * section.start : 2 * section.stop]
        if section.width == 0:
            draw.polygon(corners, fill=0 if section.hole else 255)
            continue
        # Thinner than a pixel and a half, nothing would reach half coverage: a truth full of gaps.
        width = max(section.width * scale, 1.5) * fine
        draw.line(corners, fill=255, width=round(width))
        if width > 3:
            # Pillow's own round joints take ten times as long.
            for x, y in zip(corners[::2], corners[1::2], strict=True):
                draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    alpha = canvas.reduce(fine)
    if softness:
        alpha = alpha.filter(ImageFilter.BoxBlur(softness))
    return Patch(x0, y0, alpha)
