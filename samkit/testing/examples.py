"""Small made-up samples with exact truth, for tests."""

import numpy as np
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.boxes import xywh_to_xyxy
from samkit.types import Annotations, Sample

CLASS_NAMES = {1: "disc", 2: "square"}
COLOURS = {"red": (220, 40, 30), "green": (40, 200, 60), "blue": (50, 60, 220)}
# (height, width) of each picture, and its objects: class, colour, centre x and y, half of the width.
SCENES: dict[str, tuple[tuple[int, int], list[tuple[int, str, int, int, int]]]] = {
    "landscape": (
        (48, 64),
        [(1, "red", 16, 20, 11), (2, "green", 44, 14, 9), (1, "blue", 42, 34, 10)],
    ),
    "portrait": ((72, 40), [(2, "blue", 20, 50, 12)]),
    "nothing": ((33, 33), []),
    "pixel": ((1, 1), [(2, "red", 0, 0, 1)]),
    "touching": ((60, 90), [(2, "red", 30, 30, 14), (1, "green", 58, 30, 14)]),
}


def example_samples() -> list[Sample]:
    """Five pictures of five sizes, each with annotations and phrases; always the same.

    Discs and squares on a noisy ground. One picture has no objects, one is a single pixel. Later
    objects lie on top, and masks are the pixels that show.

    >>> [len(sample.annotations) for sample in example_samples()]
    [3, 1, 0, 1, 2]
    """
    return [_sample(name, number) for number, name in enumerate(SCENES)]


def _sample(name: str, seed: int) -> Sample:
    (height, width), objects = SCENES[name]
    image = np.random.default_rng(seed).integers(90, 130, (height, width, 3)).astype(np.uint8)
    masks = np.zeros((len(objects), height, width), dtype=bool)
    for index, (class_id, colour, x, y, half) in enumerate(objects):
        shape = _shape(class_id, (height, width), x, y, half)
        masks[:index] &= ~shape
        masks[index] = shape
        image[shape] = COLOURS[colour]
    run_lengths = rle.encode(masks)
    annotations = Annotations(
        size=(height, width),
        boxes=xywh_to_xyxy(rle.boxes_xywh(run_lengths)).astype(np.float32),
        class_ids=np.array([class_id for class_id, *_ in objects], dtype=np.int64),
        run_lengths=tuple(run_lengths),
        areas=rle.areas(run_lengths).astype(np.float64),
        ids=np.arange(len(objects), dtype=np.int64) + 100 * seed,
        is_crowd=np.zeros(len(objects), dtype=bool),
        captions=tuple(f"a {colour} {CLASS_NAMES[class_id]}" for class_id, colour, *_ in objects),
        parents=np.full(len(objects), -1, dtype=np.int64),
        class_names=CLASS_NAMES,
    )
    return Sample(id=name, image=image, annotations=annotations, phrases=("a red disc", "a square"))


def _shape(class_id: int, size: tuple[int, int], x: int, y: int, half: int) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[: size[0], : size[1]]
    across, down = np.abs(columns - x), np.abs(rows - y)
    inside = across**2 + down**2 < half**2 if class_id == 1 else np.maximum(across, down) < half
    return np.asarray(inside)
