"""Pictures with the masks that a SAM found in them, and which object each means: what a `MaskRefiner` learns from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samkit.data.shapes import render_scene
from samkit.data.shapes.dataset import annotate
from samkit.ops import rle
from samkit.ops.masks import mask_boxes
from samkit.sam.family import SamModel
from samkit.training.augment import Augmentation, Bools, Pixels
from samkit.training.captioned import view
from samkit.training.data import Feed, make_example
from samkit.training.sources import TRAINING_SEED, mixture, parse
from samkit.types import Masks, Prompts, Sample

BOX_NOISE = 0.08  # of the box's side, one standard deviation
LEAST_OVERLAP = 0.08  # IoU below which nobody can tell which object a mask means
LEAST_PIXELS = 12


@dataclass(frozen=True, eq=False)
class Example:
    """A picture (H, W, 3) uint8, its objects, the masks a SAM found of them, and which object each means.

    captions: of the objects, each fitting that one alone; empty where the data have none.
    """

    image: Pixels
    objects: list[rle.RLE]
    found: list[rle.RLE]
    means: NDArray[np.int64]
    captions: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Writes an .npz file, whole or not at all."""
        parts = {"objects": self.objects, "found": self.found, "captions": self.captions}
        masks = json.dumps(parts)
        temporary = path.with_name(f"{path.name}.tmp")
        with temporary.open("wb") as file:
            np.savez_compressed(file, image=self.image, means=self.means, masks=masks)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Example":
        """What `save` wrote."""
        with np.load(path) as parts:
            masks = json.loads(str(parts["masks"]))
            found, captions = masks["found"], tuple(masks["captions"])
            return cls(parts["image"], masks["objects"], found, parts["means"], captions)


@dataclass
class Pictures:
    """Pictures to ask a SAM about, of `specs` as `mixture` has them; made-up scenes come with captions if asked.

    side: of the squares. objects: of a picture at most. zoom: most by which one is enlarged.
    """

    specs: Sequence[str]
    side: int
    objects: int
    zoom: float
    seed: int
    captions: bool

    def __post_init__(self) -> None:
        self.sources = [mixture([spec], self.side, self.seed) for spec in self.specs]
        shares = np.array([parse(spec)[1] for spec in self.specs])
        self.shares = shares / shares.sum()
        how = Augmentation(zoom=(1.0, self.zoom), paste=0.0)
        self.feed = Feed(self.side, masks=self.objects, large_first=(0, 0), augmentation=how)

    def __call__(self, rng: np.random.Generator) -> tuple[Pixels, Bools, tuple[str, ...]]:
        """A picture (S, S, 3), masks of some of its objects (N, S, S), and their captions, or none."""
        which = int(rng.choice(len(self.shares), p=self.shares))
        if self.captions and parse(self.specs[which])[0] == "shapes":
            scene = render_scene(TRAINING_SEED + self.seed, int(rng.integers(2**31)), self.side)
            image, masks, captions = view(Sample(0, scene.image, annotate(scene)), self.zoom, rng)
            rows = rng.permutation(len(masks))[: self.objects]
            return image, masks[rows], tuple(captions[row] for row in rows)
        image, masks, _ = make_example(self.sources[which], self.feed, 0, rng)
        return image, np.unique(masks, axis=0), ()


def example(
    sam: SamModel,
    image: Pixels,
    objects: Bools,
    rng: np.random.Generator,
    captions: tuple[str, ...] = (),
) -> Example:
    """Each object (N, H, W) asked by a loose box and by a click somewhere in it, three masks an answer.

    A mask means the object that it overlaps most; those that overlap none well enough are left out.
    """
    bare = untouched(image, objects, captions)
    if not bare.objects:
        return bare
    boxes, clicks = [], []
    for one in rle.decode(bare.objects):
        x0, y0, x1, y1 = outer_box(one)
        sides = np.array([x1 - x0, y1 - y0] * 2)
        boxes.append(np.array([x0, y0, x1, y1]) + rng.normal(0, BOX_NOISE, 4) * sides)
        rows, columns = np.nonzero(one)
        at = rng.integers(len(rows))
        clicks.append([columns[at] + 0.5, rows[at] + 0.5])
    height, width = image.shape[:2]
    corners = np.clip(np.array(boxes), 0, [width, height] * 2).reshape(-1, 2, 2)
    corners = np.sort(corners, axis=1).reshape(-1, 4)  # noise may turn a box of one pixel around
    asked = Prompts.concat([Prompts.from_boxes(corners), Prompts.from_points(clicks)])
    [answers] = sam.decode(sam.encode([image]), [asked], multimask_output=True)
    return with_found(bare, answers)


def untouched(image: Pixels, objects: Bools, captions: tuple[str, ...] = ()) -> Example:
    """A picture in which nothing was found yet, with those objects (N, H, W) that have a pixel."""
    visible = np.flatnonzero(objects.any(axis=(1, 2)))
    told = tuple(captions[row] for row in visible if captions)
    return Example(image, rle.encode(objects[visible]), [], np.zeros(0, dtype=np.int64), told)


def with_found(one: Example, masks: Masks) -> Example:
    """The example with these masks of its picture too, those that overlap no object well enough left out."""
    found = masks.rle()
    if not found or not one.objects:
        return one
    table = rle.iou(found, one.objects)
    some = np.flatnonzero((table.max(axis=1) >= LEAST_OVERLAP) & (rle.areas(found) >= LEAST_PIXELS))
    return replace(
        one,
        found=[*one.found, *(found[row] for row in some)],
        means=np.concatenate([one.means, table[some].argmax(axis=1)]),
    )


def outer_box(mask: Bools) -> tuple[int, int, int, int]:
    """xyxy of a mask (H, W) that is not empty, its end behind the last pixel."""
    x0, y0, x1, y1 = (int(place) for place in mask_boxes(mask[None])[0])
    return x0, y0, x1 + 1, y1 + 1
