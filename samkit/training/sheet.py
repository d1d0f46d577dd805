"""Predictions as one picture, to look at while a model learns."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from samkit.drawing import draw
from samkit.sam.model import Sam
from samkit.training.validate import largest
from samkit.types import Prompts, Sample

CELL = 320


def sheet(sam: Sam, sets: Mapping[str, Sequence[Sample]], columns: int = 6) -> Image.Image:
    """A row of `columns` pictures for each set: boxes of true objects and the masks found for them."""
    rows = []
    for samples in sets.values():
        places = np.linspace(0, len(samples) - 1, min(columns, len(samples))).astype(int)
        rows.append([_cell(sam, samples[int(place)]) for place in dict.fromkeys(places)])
    picture = Image.new("RGB", (CELL * columns, CELL * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            picture.paste(cell, (x * CELL, y * CELL))
    return picture


def _cell(sam: Sam, sample: Sample) -> Image.Image:
    sample = largest(sample.loaded())
    truth = sample.annotations
    assert truth is not None
    prompts = Prompts.from_boxes(truth.boxes)
    was_training = sam.training
    [masks] = sam.eval().decode(sam.encode([sample.image]), [prompts])
    sam.train(was_training)
    best = masks.predicted_iou.reshape(-1, 3).argmax(1) + 3 * np.arange(len(truth))
    drawn = draw(sample.replace(prompts=prompts, masks=masks[best]), labels=False)
    drawn.thumbnail((CELL, CELL))
    return drawn
