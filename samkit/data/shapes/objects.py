"""Objects: a body, its parts and their parts, so that a click on a part can mean three things."""

import math
from dataclasses import dataclass

import numpy as np

from samkit.data.shapes import light
from samkit.data.shapes.chance import count, log_uniform, pick, pick_weighted, uniform
from samkit.data.shapes.colours import Colour, any_colour, close_to, shade_of
from samkit.data.shapes.geometry import INNER, Outline, box, join
from samkit.data.shapes.painter import Painter
from samkit.data.shapes.raster import Patch, place, rasterise
from samkit.data.shapes.silhouettes import OUTLINES
from samkit.data.shapes.textures import Style, differ, make_style
from samkit.data.shapes.variants import any_variant, pose

Rng = np.random.Generator
# Too thin to carry a part that one could see.
THIN = ("bar", "wire", "spiral", "fence", "branch", "comb", "key", "frame")
_PART_NAMES = tuple(
    name for name in OUTLINES if name not in ("wire", "fence", "branch", "comb", "bar", "spiral")
)


@dataclass(frozen=True)
class Body:
    """A whole to be painted: class, centre and radius in pixels, a colour to keep to or None."""

    name: str
    x: float
    y: float
    radius: float
    colour: str | None = None


def paint_object(painter: Painter, body: Body) -> None:
    """Paint one object with what it may have: shadow, parts and theirs, shading, ink border."""
    rng = painter.rng
    softness = (
        painter.unit * uniform(rng, 0.4, 1.5) if rng.random() < 0.2 and body.radius > 12 else 0.0
    )
    placed = place(any_variant(rng, body.name), body.x, body.y, body.radius, *pose(rng, body.name))
    patch = rasterise(placed, painter.size, softness)
    if patch is None:
        return
    if rng.random() < 0.35:
        light.drop_shadow(rng, painter.canvas, patch, painter.unit)
    number = painter.paint(patch, body.name, make_style(rng, _body_colour(painter, body)))
    if body.name not in THIN and body.radius > 6 * painter.unit and rng.random() < 0.82:
        for _ in range(pick(rng, (1, 1, 1, 1, 2))):
            _paint_parts(_Work(painter, number, patch, placed, body.radius, softness))
    if rng.random() < 0.35:
        light.model_roundness(rng, painter.canvas, patch)
    if rng.random() < 0.06:
        light.ink_border(painter.canvas, patch)


def _body_colour(painter: Painter, body: Body) -> Colour:
    """The group's colour, a camouflage, or any."""
    rng = painter.rng
    if body.colour is not None:
        return shade_of(rng, body.colour)
    return (
        close_to(painter.colour_at(body.x, body.y), 22) if rng.random() < 0.2 else any_colour(rng)
    )


def _part_style(rng: Rng, whole: Style) -> Style:
    """A style that differs from the whole's: sometimes just another shade of its colour."""
    for _ in range(4):
        akin = whole.colour != "mixed" and rng.random() < 0.2
        style = make_style(rng, shade_of(rng, whole.colour) if akin else any_colour(rng))
        if differ(whole, style):
            return style
    return make_style(rng, any_colour(rng), "photograph")


@dataclass(frozen=True)
class _Work:
    """A surface that parts are to be put on: number, soft pixels, placed outline, radius in pixels.

    `softness` is that of all borders of the object; depth 0 is the whole, 1 a part.
    """

    painter: Painter
    number: int
    patch: Patch
    placed: Outline
    radius: float
    softness: float
    depth: int = 0


def _paint_parts(on: _Work) -> None:
    """One kind of parts: shapes on the body, a row of equal ones, limbs, or a band across it."""
    plan = pick_weighted(on.painter.rng, _PLANS)
    plan(on)


def _inner(on: _Work) -> None:
    """One to three shapes anywhere on the body."""
    rng = on.painter.rng
    name, style = pick(rng, _PART_NAMES), _part_style(rng, on.painter.surfaces[on.number].style)
    for _ in range(pick(rng, (1, 1, 1, 2))):
        radius = on.radius * log_uniform(rng, 0.25, 0.65)
        placed = place(
            any_variant(rng, name), *on.placed.deep_inside(rng), radius, *pose(rng, name)
        )
        _paint_part(
            on, rasterise(placed, on.painter.size, on.softness), name, style, placed, radius
        )
        if rng.random() < 0.4:
            name, style = (
                pick(rng, _PART_NAMES),
                _part_style(rng, on.painter.surfaces[on.number].style),
            )


def _row(on: _Work) -> None:
    """Equal shapes in a row, as windows or buttons."""
    rng = on.painter.rng
    name, style = pick(rng, _PART_NAMES), _part_style(rng, on.painter.surfaces[on.number].style)
    parts, way = count(rng, 2, 3), rng.random() * math.pi
    gap = on.radius * uniform(rng, 1.2, 1.6) / parts
    radius = gap * uniform(rng, 0.35, 0.55)
    x, y = on.placed.deep_inside(rng)
    placed = place(any_variant(rng, name), x, y, radius, *pose(rng, name))
    one = rasterise(placed, on.painter.size, on.softness)
    for i in range(parts):
        off = (i - (parts - 1) / 2) * gap
        right, down = round(off * math.cos(way)), round(off * math.sin(way))
        if one is not None:
            _paint_part(on, one.moved(right, down, on.painter.size), name, style, None, radius)


def _limbs(on: _Work) -> None:
    """One to three equal shapes that stick out of the body, in front of it or behind."""
    rng = on.painter.rng
    name, style = pick(rng, _PART_NAMES), _part_style(rng, on.painter.surfaces[on.number].style)
    outline, in_front = any_variant(rng, name), rng.random() < 0.4
    border = on.placed.sections[0].stop
    for _ in range(count(rng, 1, 2)):
        x, y = on.placed.points[int(rng.random() * border)].tolist()
        radius = on.radius * uniform(rng, 0.25, 0.6)
        placed = place(outline, x, y, radius, rng.random() * 2 * math.pi, pose(rng, name)[1])
        patch = rasterise(placed, on.painter.size, on.softness)
        # It has to touch the body: what hangs in the air is not a part of it.
        if patch is None or on.painter.full or not patch.touches(on.patch):
            continue
        if not in_front:
            patch = patch.outside(on.patch)
        number = on.painter.paint(patch, name, style, on.number, limb=True)
        _paint_subpart(_Work(on.painter, number, patch, placed, radius, on.softness, 1))


def _band(on: _Work) -> None:
    """A strip across the body, from a thin stripe to half of it."""
    rng = on.painter.rng
    middle, half = uniform(rng, -0.6, 0.6), uniform(rng, 0.08, 0.4)
    inner = np.stack([np.linspace(-0.5, 0.5, INNER), np.full(INNER, middle)], axis=1)
    strip = join((box(-1.5, middle - half, 1.5, middle + half),), inner)
    x, y = (on.placed.points[: on.placed.sections[0].stop].mean(axis=0)).tolist()
    placed = place(strip, x, y, on.radius, rng.random() * 2 * math.pi)
    style = _part_style(rng, on.painter.surfaces[on.number].style)
    _paint_part(
        on, rasterise(placed, on.painter.size, on.softness), "band", style, placed, on.radius * half
    )


_PLANS = ((_inner, 0.32), (_row, 0.2), (_limbs, 0.26), (_band, 0.16))


def _paint_part(
    on: _Work, patch: Patch | None, name: str, style: Style, placed: Outline | None, radius: float
) -> None:
    """Paint a part cut off at its whole's outline, and perhaps a part of the part."""
    if patch is None or on.painter.full:
        return
    patch = patch.inside(on.patch)
    if patch.area < 24:
        return
    number = on.painter.paint(patch, name, style, on.number)
    if placed is not None and on.depth == 0:
        _paint_subpart(_Work(on.painter, number, patch, placed, radius, on.softness, 1))


def _paint_subpart(on: _Work) -> None:
    """Now and then a part has a part itself."""
    rng = on.painter.rng
    if on.radius < 6 * on.painter.unit or rng.random() > 0.4:
        return
    name = pick(rng, _PART_NAMES)
    radius = on.radius * uniform(rng, 0.3, 0.65)
    placed = place(any_variant(rng, name), *on.placed.deep_inside(rng), radius, *pose(rng, name))
    style = _part_style(rng, on.painter.surfaces[on.number].style)
    _paint_part(on, rasterise(placed, on.painter.size, on.softness), name, style, None, radius)
