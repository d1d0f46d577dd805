"""Teaching a `MaskRefiner`: what a SAM found, or what it might have found, and the object it is to become."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from samkit.ops import rle
from samkit.ops.masks import mask_boxes
from samkit.ops.square_crops import square_crop
from samkit.sam.family import SamModel
from samkit.training.augment import Bools, Pixels
from samkit.training.losses import dice_loss, true_iou
from samkit.types import Prompts

BOX_NOISE = 0.08  # of the box's side, one standard deviation
LEAST_OVERLAP = 0.08  # IoU below which nobody can tell which object a mask means
LEAST_PIXELS = 12
FOUND_SHARE = 0.65  # of what is shown; the rest are objects' masks, spoiled
CONTEXT = (1.4, 2.1)  # of squares, around the 1.7 of `RedrawMasks`
Shown = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Example:
    """A picture (H, W, 3) uint8, its objects, the masks a SAM found of them, and which object each means."""

    image: Pixels
    objects: list[rle.RLE]
    found: list[rle.RLE]
    means: NDArray[np.int64]

    def save(self, path: Path) -> None:
        """Writes an .npz file, whole or not at all."""
        masks = json.dumps({"objects": self.objects, "found": self.found})
        temporary = path.with_name(f"{path.name}.tmp")
        with temporary.open("wb") as file:
            np.savez_compressed(file, image=self.image, means=self.means, masks=masks)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Example":
        """What `save` wrote."""
        with np.load(path) as parts:
            masks = json.loads(str(parts["masks"]))
            return cls(parts["image"], masks["objects"], masks["found"], parts["means"])


def example(sam: SamModel, image: Pixels, objects: Bools, rng: np.random.Generator) -> Example:
    """Each object (N, H, W) asked by a loose box and by a click somewhere in it, three masks an answer.

    A mask means the object that it overlaps most; those that overlap none well enough are left out.
    """
    objects = objects[objects.any(axis=(1, 2))]
    targets = rle.encode(objects)
    if not targets:
        return Example(image, [], [], np.zeros(0, dtype=np.int64))
    boxes, clicks = [], []
    for one in objects:
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
    found = answers.rle()
    table = rle.iou(found, targets)
    some = np.flatnonzero((table.max(axis=1) >= LEAST_OVERLAP) & (rle.areas(found) >= LEAST_PIXELS))
    return Example(image, targets, [found[row] for row in some], table[some].argmax(axis=1))


def spoiled(target: Bools, others: Bools, rng: np.random.Generator) -> Bools:
    """An object's mask (H, W) as a poor SAM might have found it; it may come back empty.

    One in five is its loose box. The others are blurred and uneven, with a neighbour of `others` (N, H, W)
    at times, or with a side missing.
    """
    x0, y0, x1, y1 = outer_box(target)
    side, kind = max(x1 - x0, y1 - y0), rng.random()
    spoilt = np.zeros_like(target)
    if kind < 0.2:
        noise = rng.normal(0, BOX_NOISE, 4) * np.array([x1 - x0, y1 - y0] * 2)
        left, top, right, bottom = np.maximum(
            0, np.rint(np.array([x0, y0, x1, y1]) + noise)
        ).astype(int)
        spoilt[top:bottom, left:right] = True
        return spoilt
    reach = int(0.3 * side) + 3
    rows, columns = slice(max(0, y0 - reach), y1 + reach), slice(max(0, x0 - reach), x1 + reach)
    soft = target[rows, columns].astype(np.float32)
    if kind > 0.6 and len(others) and rng.random() < 0.4:
        soft = np.maximum(soft, others[rng.integers(len(others))][rows, columns])
    soft = gaussian_filter(soft, max(0.6, side * rng.uniform(0.02, 0.14)))
    few = [max(2, round(length / max(4, side * rng.uniform(0.15, 0.6)))) for length in soft.shape]
    coarse = rng.normal(0, 1, few).astype(np.float32)
    uneven = zoom(coarse, np.array(soft.shape) / few, order=1)
    spoilt[rows, columns] = soft + uneven * rng.uniform(0.05, 0.25) > rng.uniform(0.2, 0.55)
    if kind > 0.75:
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(-0.1, 0.4) * side
        y, x = np.ogrid[: target.shape[0], : target.shape[1]]
        along = (x - (x0 + x1) / 2) * np.cos(angle) + (y - (y0 + y1) / 2) * np.sin(angle)
        spoilt &= along < far
    return spoilt


def shown(examples: list[Example], count: int, side: int, rng: np.random.Generator) -> Shown:
    """Pictures (B, 3, S, S) and masks (B, S, S) of squares, 0 to 1, and the objects there (B, S, S), 0 or 1.

    Turned and mirrored. examples: with an object each. Raises ValueError for none.
    """
    if not examples:
        raise ValueError("no picture with an object to learn from")
    squares: list[NDArray[np.uint8]] = []
    while len(squares) < count:
        one = examples[rng.integers(len(examples))]
        if len(one.found) and rng.random() < FOUND_SHARE:
            row = int(rng.integers(len(one.found)))
            mask = rle.decode([one.found[row]])[0]
            target = rle.decode([one.objects[one.means[row]]])[0]
        else:
            every = rle.decode(one.objects)
            place = int(rng.integers(len(every)))
            target, mask = every[place], spoiled(every[place], np.delete(every, place, 0), rng)
        if mask.sum() < LEAST_PIXELS / 2:
            continue
        box, context = outer_box(mask), rng.uniform(*CONTEXT)
        layers = (one.image, mask.astype(np.uint8) * 255, target.astype(np.uint8) * 255)
        square = np.dstack([square_crop(layer, box, side, context) for layer in layers])
        square = np.rot90(square, int(rng.integers(4)))
        squares.append(square[:, ::-1] if rng.random() < 0.5 else square)
    pixels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2) / 255
    return pixels[:, :3], pixels[:, 3], (pixels[:, 4] > 0.5).float()


def refiner_loss(logits: torch.Tensor, iou: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of pixels, dice of masks, and the squared error of the IoU that was guessed.

    logits, targets: (B, S, S). iou: (B,).
    """
    pixels = F.binary_cross_entropy_with_logits(logits, targets)
    return (
        pixels + dice_loss(logits, targets).mean() + 2 * F.mse_loss(iou, true_iou(logits, targets))
    )


def outer_box(mask: Bools) -> tuple[int, int, int, int]:
    """xyxy of a mask (H, W) that is not empty, its end behind the last pixel."""
    x0, y0, x1, y1 = (int(place) for place in mask_boxes(mask[None])[0])
    return x0, y0, x1 + 1, y1 + 1
