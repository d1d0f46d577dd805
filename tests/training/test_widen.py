"""A refiner of more channels begins as the one before, and has room to learn."""

import pytest
import torch
import torch.nn.functional as F

from samkit.sam.mask_refiner import MaskRefiner
from samkit.training.widen import widened


def test_more_channels_draw_the_same_and_learn() -> None:
    torch.manual_seed(0)
    about = {"sam_name": "some-sam", "text_width": 6, "clip_name": "a-clip"}
    before = MaskRefiner(32, (4, 8, 8), (0, 1, 2), **about)
    for told in (*before.told_down, *before.told_up):
        torch.nn.init.normal_(told.change.weight)
    for norm in (part for part in before.modules() if isinstance(part, torch.nn.BatchNorm2d)):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    pictures, masks = torch.rand(3, 3, 32, 32), torch.rand(3, 32, 32)
    texts = F.normalize(torch.randn(3, 6), dim=1)
    before(pictures, masks, texts)  # which moves the norms' statistics
    after = widened(before, (4, 12, 20))
    assert after.widths == (4, 12, 20) and after.blocks == before.blocks
    assert {name: getattr(after, name) for name in about} == about
    before.eval(), after.eval()
    for words in (None, texts):
        for ours, theirs in zip(
            after(pictures, masks, words), before(pictures, masks, words), strict=True
        ):
            torch.testing.assert_close(ours, theirs)
    logits, iou = after.train()(pictures, masks, texts)
    (logits.mean() + iou.mean()).backward()
    for layer in (after.down[1][0], after.mix[1][0], after.encode[2][0].first[0]):
        assert layer.weight.grad[:8, 8:].abs().max() > 0, "old channels learn to listen to new ones"


@pytest.mark.parametrize("widths", [(4, 8), (4, 8, 4), (4, 8, 8, 8)])
def test_other_widths_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not as many or more"):
        widened(MaskRefiner(32, (4, 8, 8), (0, 1, 1)), widths)
