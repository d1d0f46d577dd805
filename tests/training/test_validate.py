"""Validation's numbers, against the same things asked for one by one."""

import numpy as np
import pytest

from samkit import load_sam
from samkit.data import shapes
from samkit.ops import rle
from samkit.stages import CenterPoint, Embed, GroundTruthBoxes, Refine, Segment
from samkit.training.sheet import CELL, sheet
from samkit.training.validate import largest, validate


def test_numbers_are_those_of_the_stages() -> None:
    """With two scenes, through the pipelines a user would write."""
    sam = load_sam("tiny").train()
    samples = [largest(sample.loaded()) for sample in shapes(2, 5)]
    found = validate(sam, {"shapes": shapes(2, 5)})
    assert sam.training
    sam.eval()
    for name, prompt, refine in (
        ("click", CenterPoint(), None),
        ("box", GroundTruthBoxes(), None),
        ("refined", GroundTruthBoxes(), Refine(sam)),
    ):
        pipeline = prompt | Embed(sam) | Segment(sam)
        answers = (pipeline | refine if refine else pipeline)(samples)
        ious = [
            rle.iou([mask], [truth])[0, 0]
            for sample in answers
            for mask, truth in zip(sample.masks.rle(), sample.annotations.run_lengths, strict=True)
        ]
        assert found[f"shapes/{name}"] == pytest.approx(np.mean(ious), abs=1e-6)
    assert found["shapes/oracle"] >= found["shapes/click"]
    three = [found[f"shapes/{name}"] for name in ("click", "oracle", "box")]
    assert found["mean"] == pytest.approx(np.mean(three))


def test_pictures_without_objects_count_nothing() -> None:
    assert validate(load_sam("tiny"), {"none": []}) == {"mean": 0.0}


def test_a_sheet_shows_a_row_for_each_set() -> None:
    picture = sheet(load_sam("tiny"), {"a": shapes(3, 5), "b": shapes(1, 6)}, columns=2)
    assert picture.size == (2 * CELL, 2 * CELL)
    pixels = np.asarray(picture)
    assert (pixels[:CELL, CELL:] != 255).any() and (pixels[CELL:, CELL:] == 255).all()
