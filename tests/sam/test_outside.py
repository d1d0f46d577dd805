"""Prompts that reach outside the image: passed on as they stand, refused where wholly outside."""

from typing import Any

import numpy as np
import pytest
import torch

from samkit import Prompts, load_sam
from samkit.sam.decoding import refuse_outside
from samkit.sam.model import Sam
from samkit.types import Frame

FRAME = Frame.fit((30, 40), 128)
CROP = Frame.fit((10, 10), 128).cropped_from((30, 40), x0=20, y0=10)


@pytest.fixture(scope="module")
def sam() -> Sam:
    return load_sam("tiny", device="cpu")


@pytest.mark.parametrize(
    "given",
    [
        {"boxes": [[-3, -2, 41.5, 33]]},
        {"boxes": [[-9, -9, 0, 0]]},  # its corner is the image's
        {"boxes": [[40, 30, 40, 30]]},
        {"points": [[[40, 30]]], "labels": [[1]]},
        {"points": [[[5, 5], [-100, 900]]], "labels": [[1, 0]]},
        {"points": [[[-1, -1]]], "labels": [[1]], "boxes": [[0, 0, 5, 5]]},
        {"points": [[[5, 5]]], "labels": [[1]], "boxes": [[50, 50, 60, 60]]},
        {"points": [[]], "labels": [[]]},
        {"embeddings": [torch.zeros(1, 8)]},
    ],
)
def test_what_touches_the_image_passes(given: Any) -> None:
    refuse_outside([FRAME], [Prompts(**given)])


@pytest.mark.parametrize(
    ("frame", "given", "told"),
    [
        (FRAME, {"boxes": [[41, 0, 50, 9]]}, r"box \[41.0, 0.0, 50.0, 9.0\], points \[\]"),
        (FRAME, {"boxes": [[0, -9, 9, -1]]}, "x 0 to 40, y 0 to 30"),
        (FRAME, {"points": [[[-0.5, 5]]], "labels": [[1]]}, r"box None, points \[\[-0.5, 5.0\]\]"),
        (FRAME, {"points": [[[5, 31], [41, 5]]], "labels": [[1, 1]]}, "box None"),
        (CROP, {"boxes": [[0, 0, 19, 30]]}, "x 20 to 30, y 10 to 20"),
        (CROP, {"points": [[[25, 9]]], "labels": [[1]]}, "box None"),
    ],
)
def test_what_lies_wholly_outside_is_refused(frame: Frame, given: Any, told: str) -> None:
    inside = Prompts.from_points([[25, 15]])
    wrong = Prompts.concat([inside, Prompts(**given)])
    with pytest.raises(ValueError, match=f"prompt 1 of image 1 lies wholly outside it.*{told}"):
        refuse_outside([frame, frame], [inside, wrong])


def test_a_model_refuses_and_does_not_clip(sam: Sam) -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    embeddings = sam.encode([image])
    with pytest.raises(ValueError, match="prompt 0 of image 0 lies wholly outside"):
        sam.decode(embeddings, [Prompts.from_boxes([[60, 60, 70, 70]])])
    beyond, clipped = Prompts.from_boxes([[-9, -9, 50, 40]]), Prompts.from_boxes([[0, 0, 40, 30]])
    [as_it_stands], [within] = (sam.decode(embeddings, [asked]) for asked in (beyond, clipped))
    assert not torch.equal(as_it_stands.logits, within.logits)
