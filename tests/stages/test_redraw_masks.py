"""RedrawMasks: what was found roughly is drawn well, and nothing else of the masks changes."""

import numpy as np
import pytest
import torch

import samkit
from samkit.ops import rle
from samkit.sam.mask_refiner import MaskRefiner, load_mask_refiner
from samkit.stages import Embed, GroundTruthBoxes, Proposals, RedrawMasks, Segment
from samkit.testing import check_stage
from samkit.types import Masks, Sample


class Echo(MaskRefiner):
    """Draws the mask it was shown, and calls it a quarter right."""

    def __init__(self) -> None:
        super().__init__(side=32, widths=(4,), blocks=(0,))

    def forward(
        self, pictures: torch.Tensor, masks: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return masks * 20 - 10, torch.full((len(masks),), 0.25)


def ious(masks: Masks, sample: Sample) -> np.ndarray:
    return np.diag(rle.iou(masks.rle(), sample.annotations.run_lengths))


def test_the_shipped_one_draws_made_up_objects_better_than_tiny_does() -> None:
    scenes = list(samkit.data.shapes(6, seed=8_500_000))
    sam, refiner = samkit.load_sam("tiny"), load_mask_refiner()
    found = (GroundTruthBoxes() | Embed(sam) | Segment(sam))(scenes)
    drawn = RedrawMasks(refiner)(found)
    before = np.concatenate([ious(sample.masks, sample) for sample in found])
    after = np.concatenate([ious(sample.masks, sample) for sample in drawn])
    assert (
        after.mean() > before.mean() + 0.08 and (after > 0.5).mean() > (before > 0.5).mean() + 0.1
    )
    for old, new in zip(found, drawn, strict=True):
        for name in ("scores", "class_ids", "prompt_index", "predicted_iou"):
            np.testing.assert_array_equal(getattr(old.masks, name), getattr(new.masks, name))
        assert new.masks.stability is None and new.masks.logits is None
    rescored = RedrawMasks(refiner, rescore=True)(found)
    guessed = np.concatenate([sample.masks.predicted_iou for sample in rescored])
    was = np.concatenate([sample.masks.predicted_iou for sample in found])
    assert np.corrcoef(guessed, after)[0, 1] > max(0.3, np.corrcoef(was, before)[0, 1])


def test_squares_come_back_to_where_they_were_cut() -> None:
    image = np.zeros((90, 130, 3), np.uint8)
    binary = np.zeros((5, 90, 130), bool)
    binary[0, 10:30, 20:60] = binary[1, 60:90, 90:130] = binary[2, 5:7, 3:4] = True
    binary[3] = True
    scores = np.linspace(0.9, 0.5, 5)
    given = Sample("s", image, masks=Masks.from_binary(binary, scores))
    [answer] = RedrawMasks(Echo(), passes=2, rescore=True)([given])
    for old, new in zip(binary[:4], answer.masks.binary()[:4], strict=True):
        assert (old & new).sum() / (old | new).sum() > 0.9
    assert not answer.masks.binary()[4].any(), "an empty mask has no place to look at"
    np.testing.assert_array_equal(answer.masks.predicted_iou, [0.25] * 4 + [1.0])
    np.testing.assert_allclose(answer.masks.scores, scores, err_msg="scores that were given stay")


def test_a_mask_of_which_nothing_is_drawn_stays() -> None:
    nothing = MaskRefiner(side=32, widths=(4,), blocks=(0,)).eval()
    torch.nn.init.constant_(nothing.draw.bias, -1e3)
    [scene] = samkit.data.shapes(1, size=96)
    true = scene.replace(masks=Masks.from_binary(scene.annotations.binary()))
    [answer] = RedrawMasks(nothing, rescore=True)([true])
    np.testing.assert_array_equal(answer.masks.binary(), true.masks.binary())
    np.testing.assert_array_equal(answer.masks.predicted_iou, true.masks.predicted_iou)


def test_it_is_a_stage_like_any_other() -> None:
    scenes = list(samkit.data.shapes(3, size=128))
    sam, redraw = samkit.load_sam("tiny"), RedrawMasks(load_mask_refiner())
    check_stage(redraw, samples=(GroundTruthBoxes() | Embed(sam) | Segment(sam))(scenes))
    assert load_mask_refiner().name in repr(redraw)
    nothing = Proposals(sam, points_per_side=2, pred_iou_thresh=1e9)
    [none] = (Embed(sam) | nothing | redraw)(scenes[:1])
    assert len(none.masks) == 0


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="context widens"):
        RedrawMasks(Echo(), context=0.9)
    with pytest.raises(ValueError, match="1 or more: 0"):
        RedrawMasks(Echo(), passes=0)
