"""A sheet of a SAM's masks on photographs inside scikit-image: what the model card shows.

    python benchmarks/tiny_sheet.py                      docs/images/tiny.jpg, the shipped model

Each of five photographs three times: its objects by clicks, the same objects by boxes, and by these boxes in crops of
their own, drawn anew. Prompts are fixed.
"""

from pathlib import Path

import numpy as np
import skimage.data
import typer
from numpy.typing import NDArray
from PIL import Image

from samkit import Prompts, Sample, draw, load_sam
from samkit.sam.mask_refiner import load_mask_refiner
from samkit.stages import Embed, RedrawMasks, Segment, SegmentZoomed

HEIGHT = 300
# Of each object a box and a point, in pixels.
OBJECTS: dict[str, list[tuple[tuple[int, int, int, int], tuple[int, int]]]] = {
    "astronaut": [((150, 5, 300, 200), (216, 121)), ((293, 342, 512, 512), (430, 420))],
    "chelsea": [((55, 5, 451, 299), (250, 190)), ((133, 90, 198, 145), (166, 119))],
    "coffee": [((70, 20, 490, 385), (104, 260)), ((172, 15, 435, 245), (277, 190))],
    "rocket": [((300, 120, 345, 400), (322, 260))],
    "coins": [
        ((305, 16, 365, 72), (335, 44)),
        ((245, 96, 296, 144), (270, 120)),
        ((18, 233, 75, 288), (46, 260)),
    ],
}


def main(sam: str = "tiny", out: Path = Path("docs/images/tiny.jpg"), device: str = "auto") -> None:
    """Draws the sheet."""
    model, refiner = load_sam(sam, device), load_mask_refiner("tiny", device)
    close = SegmentZoomed(model, context=1.5) | RedrawMasks(refiner)
    columns = []
    for name, objects in OBJECTS.items():
        boxes, points = zip(*objects, strict=True)
        kinds = [Prompts.from_points(points), Prompts.from_boxes(boxes)]
        samples = [Sample(name, photograph(name), prompts=prompts) for prompts in kinds]
        found = [*(Embed(model) | Segment(model))(samples), *close(samples[1:])]
        pictures = [draw(sample, labels=False) for sample in found]
        columns.append(np.concatenate([np.asarray(scaled(picture)) for picture in pictures]))
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(columns, axis=1)).save(out, quality=88)
    print(f"{out}: {model.name}, by clicks, by boxes, by boxes up close and drawn anew")


def photograph(name: str) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB."""
    image = getattr(skimage.data, name)()
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def scaled(picture: Image.Image) -> Image.Image:
    """The picture, 300 pixels high."""
    return picture.convert("RGB").resize((round(picture.width * HEIGHT / picture.height), HEIGHT))


if __name__ == "__main__":
    typer.run(main)
