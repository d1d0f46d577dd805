"""One made-up scene with its exact truth: always the same for a seed, an index and a size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samkit.data.shapes import light
from samkit.data.shapes.backgrounds import background
from samkit.data.shapes.layout import lay_out
from samkit.data.shapes.objects import paint_object
from samkit.data.shapes.painter import Painter, Truth
from samkit.data.shapes.silhouettes import CLASSES

VERSION = 1
"""Part of every seed and of the data set's name: raised with any change that alters a scene."""

LEAST_PIXELS = 16
"""Objects of which fewer pixels are visible are not in the truth."""
_LEAST_SHARE = 0.05
_MOST_ALIKE = 0.9
_CLASS_IDS = {name: number for number, name in enumerate(CLASSES, start=1)}


@dataclass(frozen=True, eq=False)
class Scene:
    """An image and its N objects: wholes, parts, parts of parts; a whole comes before its parts.

    image: (size, size, 3) uint8 RGB.
    masks: (N, size, size) bool, the visible pixels of each object; a whole's include its parts'.
    class_ids: (N,) int64, places in CLASSES counted from 1. names: N class names.
    colours: N colour names, "mixed" where a photograph is the texture. textures: N texture names.
    captions: N phrases such as "a red striped triangle".
    parents: (N,) int64, the place of the object that this is a part of, -1 for a whole.
    occluded: (N,) float32, share of the object inside the picture that other objects hide, 0..1.
    """

    image: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    class_ids: NDArray[np.int64]
    names: tuple[str, ...]
    colours: tuple[str, ...]
    textures: tuple[str, ...]
    captions: tuple[str, ...]
    parents: NDArray[np.int64]
    occluded: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.names)


def render_scene(seed: int, index: int, size: int = 256) -> Scene:
    """Scene number `index` of the seed, (size, size) pixels.

    Raises ValueError for a size below 32 or a negative seed or index.

    >>> render_scene(seed=0, index=0).image.shape
    (256, 256, 3)
    """
    if size < 32 or seed < 0 or index < 0:
        raise ValueError(f"wanted size >= 32, seed >= 0, index >= 0; got {size}, {seed}, {index}")
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([VERSION, seed, index])))
    canvas, painter, truth = paint_scene(rng, size)
    image = light.photograph(rng, light.illuminate(rng, canvas))
    left = [painter.surfaces[i] for i in truth.index]
    return Scene(
        image=np.array(image),
        masks=truth.masks,
        class_ids=np.array([_CLASS_IDS[surface.name] for surface in left], np.int64),
        names=tuple(surface.name for surface in left),
        colours=tuple(surface.style.colour for surface in left),
        textures=tuple(surface.style.texture for surface in left),
        captions=tuple(caption(surface.style.words, surface.name) for surface in left),
        parents=truth.wholes,
        occluded=truth.occluded.astype(np.float32),
    )


def paint_scene(rng: np.random.Generator, size: int) -> tuple[Image.Image, Painter, Truth]:
    """The scene before light and lens, where a plain surface still has exactly its colour."""
    painter = Painter(rng, background(rng, size))
    for body in lay_out(rng, size):
        if not painter.full:
            paint_object(painter, body)
    return painter.canvas, painter, painter.truth(LEAST_PIXELS, _LEAST_SHARE, _MOST_ALIKE)


def caption(words: str, name: str) -> str:
    """A phrase for an object, such as "an orange dotted star"."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words} {name}"
