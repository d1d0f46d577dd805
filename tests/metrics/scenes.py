"""Small made-up truths and detections for the metrics' tests."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samkit.ops import rle
from samkit.ops.boxes import xywh_to_xyxy
from samkit.types import Annotations, Masks, Sample

HEIGHT, WIDTH = 120, 130
CLASSES = (2, 3, 5, 8, 9)


@dataclass
class Thing:
    """A rectangle (x, y, width, height) of a class; scored where it is a detection."""

    box: tuple[int, int, int, int]
    class_id: int = 2
    score: float = 1.0
    crowd: bool = False
    area: float | None = None

    def pixels(self) -> np.ndarray:
        mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
        x, y, width, height = self.box
        mask[y : y + height, x : x + width] = True
        return mask

    def run_lengths(self) -> rle.RLE:
        return rle.encode(self.pixels()[None])[0]


def sample(id: int | str, true: Sequence[Thing], found: Sequence[Thing], **labels: Any) -> Sample:
    """A sample whose annotations are `true` and whose masks are `found`."""
    annotations = Annotations(
        (HEIGHT, WIDTH),
        xywh_to_xyxy([t.box for t in true]).astype(np.float32),
        np.array([t.class_id for t in true], dtype=np.int64),
        run_lengths=tuple(t.run_lengths() for t in true),
        areas=np.array([t.pixels().sum() if t.area is None else t.area for t in true], float),
        is_crowd=np.array([t.crowd for t in true], dtype=bool),
        **labels,
    )
    pixels = np.array([t.pixels() for t in found], dtype=bool).reshape(-1, HEIGHT, WIDTH)
    masks = Masks.from_binary(pixels, [t.score for t in found])
    masks = masks.replace(class_ids=np.array([t.class_id for t in found], dtype=np.int64))
    image = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    return Sample(id, image, annotations, masks=masks)


def random_things(seed: int) -> list[tuple[int, list[Thing], list[Thing]]]:
    """(image id, true, found) of 9 images: crowds, ties, empty images, classes without truth."""
    random = np.random.default_rng(seed)

    def box() -> tuple[int, int, int, int]:
        x, y = int(random.integers(WIDTH - 4)), int(random.integers(HEIGHT - 4))
        return x, y, int(random.integers(2, WIDTH - x + 1)), int(random.integers(2, HEIGHT - y + 1))

    def score() -> float:
        # One decimal makes ties, in an image and across images; float32 is what Masks hold.
        return float(np.float32(np.round(random.random(), 1 if seed % 2 else 5)))

    def near(one: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        x, y, width, height = (np.array(one) + random.integers(-3, 4, 4)).tolist()
        x, y = min(max(x, 0), WIDTH - 2), min(max(y, 0), HEIGHT - 2)
        return x, y, min(max(width, 1), WIDTH - x), min(max(height, 1), HEIGHT - y)

    images = []
    for id in random.permutation(9).tolist():
        true = [
            Thing(
                box(),
                int(random.choice(CLASSES[:4])),
                crowd=bool(random.random() < 0.15),
                area=float(random.choice([500.0, 1024.0, 3000.5, 9216.0, 12000.0])),
            )
            for _ in range(random.integers(0, 6) if id else 0)
        ]
        found = [
            Thing(near(t.box), t.class_id if random.random() < 0.8 else 9, score())
            for t in true
            for _ in range(random.integers(0, 4))
        ]
        found += [Thing(box(), int(random.choice(CLASSES)), score()) for _ in range(4)]
        if seed % 3 == 0 and id == 4:  # More than COCO's hundred.
            found += [Thing(near((10, 10, 60, 60)), 3, score()) for _ in range(120)]
        images.append((id, true, found))
    return images


def pycocotools_numbers(
    images: list[tuple[int, list[Thing], list[Thing]]], iou_type: str, class_agnostic: bool = False
) -> dict[str, float]:
    """What the original evaluator says of them: results without a bbox, as samkit's own."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth: dict[str, Any] = {
        "info": {},
        "images": [{"id": id, "height": HEIGHT, "width": WIDTH} for id, _, _ in images],
        "categories": [{"id": c, "name": str(c)} for c in CLASSES],
        "annotations": [],
    }
    results: list[dict[str, Any]] = []
    for id, true, found in images:
        for thing in true:
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]) + 1,
                    "image_id": id,
                    "category_id": thing.class_id,
                    "segmentation": thing.run_lengths(),
                    "bbox": list(thing.box),
                    "area": thing.area,
                    "iscrowd": int(thing.crowd),
                }
            )
        for thing in found:
            results.append(
                {
                    "image_id": id,
                    "category_id": thing.class_id,
                    "segmentation": thing.run_lengths(),
                    "score": thing.score,
                }
            )
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(results), iou_type)
        evaluator.params.useCats = 0 if class_agnostic else 1
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    names = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
    return dict(zip(names, map(float, evaluator.stats), strict=True))
