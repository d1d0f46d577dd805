"""The canvas with its ledger: every surface painted is entered as the owner of its pixels."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from samkit.data.shapes.raster import Patch
from samkit.data.shapes.textures import Style, fill

Rng = np.random.Generator
NOBODY = 255
"""Owner of the pixels that no surface covers; so a scene has at most 255 surfaces."""


@dataclass(frozen=True)
class Surface:
    """One painted outline: its class, look, place in the tree of parts and soft pixels.

    `whole` is the surface that this one is a part of (-1: none); a limb is a part that reaches
    beyond it.
    """

    name: str
    style: Style
    whole: int
    patch: Patch
    limb: bool = False


@dataclass(frozen=True)
class Truth:
    """What is to be seen of the surfaces after all were painted; a mask includes the parts.

    index: the N surfaces that are left. masks: visible pixels, (N, size, size) bool.
    occluded: share of the surface's own pixels and its parts' that others hide, (N,) float.
    wholes: place in `index` of what each is a part of, or -1, (N,).
    """

    index: tuple[int, ...]
    masks: np.ndarray
    occluded: np.ndarray
    wholes: np.ndarray


class Painter:
    """A scene in the making. Later surfaces hide earlier ones."""

    def __init__(self, rng: Rng, background: Image.Image) -> None:
        self.rng = rng
        self.canvas = background
        self.size = background.width
        self.unit = self.size / 256
        self.owner = Image.new("L", background.size, NOBODY)
        self.surfaces: list[Surface] = []

    @property
    def full(self) -> bool:
        """Whether the ledger has no room for another surface."""
        return len(self.surfaces) >= NOBODY

    def paint(
        self, patch: Patch, name: str, style: Style, whole: int = -1, limb: bool = False
    ) -> int:
        """Paint a patch in a style and enter it; returns the number of the new surface."""
        width, height = patch.alpha.size
        pixels = fill(self.rng, style, width, height, self.unit)
        box = patch.box
        self.canvas.paste(pixels, box, patch.alpha)
        number = len(self.surfaces)
        self.owner.paste(number, box, patch.truth())
        self.surfaces.append(Surface(name, style, whole, patch, limb))
        return number

    def colour_at(self, x: float, y: float) -> tuple[int, int, int]:
        """The colour of the canvas near a point, averaged over a few pixels."""
        x0, y0 = (min(max(0, int(v) - 2), self.size - 5) for v in (x, y))
        small = self.canvas.crop((x0, y0, x0 + 5, y0 + 5)).reduce(5).getpixel((0, 0))
        assert isinstance(small, tuple)
        return int(small[0]), int(small[1]), int(small[2])

    def truth(self, least_pixels: int, least_share: float, most_alike: float) -> Truth:
        """Work out what is visible of every surface, and drop what is not worth a name.

        Dropped are surfaces with fewer than `least_pixels` visible or less than `least_share` of
        their full area, and parts that cover over `most_alike` of what is visible of their whole:
        two masks that say the same would make one of two right answers wrong.
        """
        seen = self.owner.histogram()
        owner = np.asarray(self.owner)
        # Wholes were entered before their parts, so that one walk back finds all that belongs to
        # each, and one walk in order settles the tree.
        members: list[list[int]] = [[number] for number in range(len(self.surfaces))]
        for number in reversed(range(len(members))):
            if (whole := self.surfaces[number].whole) >= 0:
                members[whole] += members[number]
        visible = [sum(seen[i] for i in group) for group in members]
        place: dict[int, int] = {-1: -1}
        index: list[int] = []
        occluded: list[float] = []
        for number, surface in enumerate(self.surfaces):
            parent = place[surface.whole]
            alike = parent >= 0 and visible[number] > most_alike * visible[index[parent]]
            place[number] = parent
            if visible[number] < least_pixels or alike:
                continue
            full = self._full_area(members[number])
            if visible[number] >= least_share * full:
                place[number] = len(index)
                index.append(number)
                occluded.append(1 - visible[number] / full)
        masks = np.zeros((len(index), self.size, self.size), bool)
        for mask, number in zip(masks, index, strict=True):
            x0, y0, x1, y1 = self._box(members[number])
            part, topmost = mask[y0:y1, x0:x1], owner[y0:y1, x0:x1]
            np.equal(topmost, number, out=part)
            for member in members[number][1:]:
                part |= topmost == member
        parents = [place[self.surfaces[number].whole] for number in index]
        return Truth(tuple(index), masks, np.array(occluded), np.array(parents, np.int64))

    def _box(self, members: list[int]) -> tuple[int, int, int, int]:
        """The box around some surfaces."""
        boxes = [self.surfaces[i].patch.box for i in members]
        if len(boxes) == 1:
            return boxes[0]
        x0, y0, x1, y1 = zip(*boxes, strict=True)
        return min(x0), min(y0), max(x1), max(y1)

    def _full_area(self, members: list[int]) -> int:
        """Pixels inside the picture of a surface and its parts, were nothing in front of them."""
        own = self.surfaces[members[0]]
        limbs = [self.surfaces[i] for i in members[1:] if self.surfaces[i].limb]
        if not limbs:
            # Parts on a body are cut off at its outline and add nothing.
            return own.patch.area
        x0, y0, x1, y1 = self._box(members)
        together = Image.new("L", (x1 - x0, y1 - y0))
        for surface in (own, *limbs):
            together.paste(255, (surface.patch.x - x0, surface.patch.y - y0), surface.patch.truth())
        return together.histogram()[255]
