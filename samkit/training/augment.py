"""Small pure functions on an image and its masks that make one photograph many."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Draw = Callable[[np.random.Generator], tuple[Pixels, Bools]]


@dataclass(frozen=True)
class Augmentation:
    """How strongly. The paper used none on SA-1B; few photographs need all of it.

    zoom: smallest and largest factor, drawn evenly in octaves: over 1 is a crop, below 1 the picture
        fills only a part of the square. aspect: most by which a crop's sides are stretched.
    paste: share of pictures onto which objects are pasted. flip, colour, grey: shares of pictures
        that are mirrored, changed in brightness, contrast and tint, made grey.
    """

    zoom: tuple[float, float] = (0.7, 2.0)
    aspect: float = 1.25
    paste: float = 0.3
    flip: float = 0.5
    colour: float = 0.8
    grey: float = 0.05


NO_AUGMENTATION = Augmentation((1.0, 1.0), 1.0, 0.0, 0.0, 0.0, 0.0)


def zoom_box(
    masks: Bools, factor: float, aspect: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) of a crop `factor` times smaller than the picture, around an object.

    masks: (N, H, W), N at least 1; one of them lends the pixel near which the crop lies.
    """
    height, width = masks.shape[1:]
    stretch = aspect ** rng.uniform(-1, 1)
    w = int(np.clip(round(width / factor * stretch**0.5), 8, width))
    h = int(np.clip(round(height / factor / stretch**0.5), 8, height))
    rows, columns = np.nonzero(masks[rng.integers(len(masks))])
    at = rng.integers(max(1, len(rows)))
    y, x = (int(rows[at]), int(columns[at])) if len(rows) else (height // 2, width // 2)
    x0 = int(np.clip(x - rng.random() * w, 0, width - w))
    y0 = int(np.clip(y - rng.random() * h, 0, height - h))
    return x0, y0, x0 + w, y0 + h


def crop(image: Pixels, masks: Bools, box: tuple[int, int, int, int]) -> tuple[Pixels, Bools]:
    """The part inside (x0, y0, x1, y1)."""
    x0, y0, x1, y1 = box
    return image[y0:y1, x0:x1], masks[:, y0:y1, x0:x1]


def resize(image: Pixels, masks: Bools, size: tuple[int, int]) -> tuple[Pixels, Bools]:
    """Both at (height, width): bilinear and antialiased, masks where they cover half a pixel."""
    if image.shape[:2] == size:
        return image, masks
    to = (size[1], size[0])
    resized = [_resized(mask.view(np.uint8) * np.uint8(255), to) > 127 for mask in masks]
    return _resized(image, to), np.stack(resized) if resized else np.zeros((0, *size), bool)


def flip(image: Pixels, masks: Bools) -> tuple[Pixels, Bools]:
    """Left is right."""
    return image[:, ::-1], masks[:, :, ::-1]


def change_colours(image: Pixels, grey: bool, rng: np.random.Generator) -> Pixels:
    """Other brightness, contrast and tint, each pixel alike; `grey` takes the colours away."""
    # A pixel's channel depends on its own value alone, so 256 values are worked out, not all pixels.
    levels = np.arange(256, dtype=np.float64)[:, None]
    levels = (levels - 128) * rng.uniform(0.7, 1.3) + 128 + rng.uniform(-25, 25)
    table = np.clip(levels * rng.uniform(0.85, 1.15, 3), 0, 255).round().astype(np.uint8)
    changed = np.stack([table[:, channel][image[..., channel]] for channel in range(3)], axis=-1)
    if grey:
        changed[:] = (changed @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None]
    return changed


def paste(
    image: Pixels, masks: Bools, from_image: Pixels, cut_out: Bools, rng: np.random.Generator
) -> tuple[Pixels, Bools]:
    """An object of another picture put anywhere onto this one, at 15 to 75 % of its sides.

    cut_out: (H, W), the object in `from_image`. Masks beneath lose what is covered; the object's own
    mask comes last.
    """
    height, width = image.shape[:2]
    rows, columns = np.flatnonzero(cut_out.any(1)), np.flatnonzero(cut_out.any(0))
    if not len(rows):
        return image, masks
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    patch, shape = from_image[box], cut_out[box]
    factor = rng.uniform(0.15, 0.75) * min(height / shape.shape[0], width / shape.shape[1])
    to = (max(4, int(shape.shape[1] * factor)), max(4, int(shape.shape[0] * factor)))
    to = (min(to[0], width), min(to[1], height))
    patch = _resized(patch, to)
    alpha = _resized(shape.view(np.uint8) * np.uint8(255), to)
    if rng.random() < 0.5:
        patch, alpha = patch[:, ::-1], alpha[:, ::-1]
    x, y = int(rng.integers(width - to[0] + 1)), int(rng.integers(height - to[1] + 1))
    place = (slice(y, y + to[1]), slice(x, x + to[0]))
    weight = alpha[..., None].astype(np.float32) / 255
    image = image.copy()
    image[place] = (image[place] * (1 - weight) + patch * weight).astype(np.uint8)
    own = np.zeros((1, height, width), dtype=bool)
    own[0][place] = alpha > 127
    return image, np.concatenate([masks & ~own, own])


def _resized(pixels: Pixels, to: tuple[int, int]) -> Pixels:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(picture.resize(to, Image.Resampling.BILINEAR))
