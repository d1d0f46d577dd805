"""Prompts that reach a little outside the image, beside the official package.

Both scale the box as it stands: the official predictor clips nothing and refuses nothing, and so the
model sees places outside the picture's part of its square. samkit does the same where any part of a
prompt touches the image, and refuses what lies wholly outside, which the official code answers.
"""

import pytest
import torch

from samkit.types import Prompts

pytest.importorskip("segment_anything", reason="parity needs the extra `official`")

from samkit.sam.official import OfficialSam
from tests.parity.models import SMALL, pair
from tests.parity.test_official import assert_same, picture

OUTSIDE = {
    "by half a pixel": [-0.5, 10, 60, 80.5],
    "by two pixels": [-2, -2, 162, 92],
    "on one side": [100, 40, 175, 70],
    "by its corner alone": [-20, -20, 0, 0],
}


@pytest.mark.parametrize("box", OUTSIDE.values(), ids=OUTSIDE)
def test_a_box_that_reaches_out_is_answered_alike(box: list[float]) -> None:
    theirs, ours = pair(SMALL)
    image, prompts = picture(90, 160), [Prompts.from_boxes([box])]
    reference = OfficialSam(theirs)
    expected = reference.decode(reference.encode([image]), prompts)
    answers = ours.decode(ours.encode([image]), prompts)
    assert_same([*zip(answers, expected, strict=True)], f"box {box}")
    # Clipping would be seen.
    x0, y0, x1, y1 = box
    clipped = Prompts.from_boxes([[max(x0, 0), max(y0, 0), min(x1, 160), min(y1, 90)]])
    [other] = ours.decode(ours.encode([image]), [clipped])
    assert not torch.allclose(other.logits, answers[0].logits, atol=1e-6)


def test_what_lies_wholly_outside_only_the_official_code_answers() -> None:
    theirs, ours = pair(SMALL)
    image, prompts = picture(90, 160), [Prompts.from_boxes([[170, 100, 180, 110]])]
    reference = OfficialSam(theirs)
    # The package itself, under samkit's adapter, which holds to samkit's rule.
    from segment_anything import SamPredictor

    predictor = SamPredictor(theirs)
    predictor.set_image(image)
    masks, _, _ = predictor.predict(box=prompts[0].boxes[0])
    assert masks.shape == (3, 90, 160)
    for sam in (ours, reference):
        with pytest.raises(ValueError, match="prompt 0 of image 0 lies wholly outside"):
            sam.decode(sam.encode([image]), prompts)
