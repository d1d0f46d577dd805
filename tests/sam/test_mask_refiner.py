"""The network that draws masks anew, and its file."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from samkit.sam.mask_refiner import MaskRefiner, load_mask_refiner, save_mask_refiner


def test_it_answers_at_the_size_it_was_asked_for() -> None:
    refiner = MaskRefiner(side=48, widths=(4, 8, 12), blocks=(1, 0, 2)).eval()
    pictures, masks = torch.rand(3, 3, 48, 48), torch.rand(3, 48, 48)
    logits, iou = refiner(pictures, masks)
    assert logits.shape == (3, 48, 48) and iou.shape == (3,) and ((iou > 0) & (iou < 1)).all()
    one, alone = refiner(pictures[1:2], masks[1:2])
    torch.testing.assert_close(one[0], logits[1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(alone[0], iou[1], atol=1e-5, rtol=1e-4)
    assert (refiner(pictures, 1 - masks)[0] - logits).abs().max() > 1e-3, "the mask counts"
    assert (refiner(1 - pictures, masks)[0] - logits).abs().max() > 1e-3, "and the picture"


def test_zeros_tell_nothing_and_texts_what_they_were_taught_to() -> None:
    torch.manual_seed(0)
    refiner = MaskRefiner(32, (4, 8, 8), (0, 1, 1), text_width=6, clip_name="a-clip").eval()
    pictures, masks = torch.rand(2, 3, 32, 32), torch.rand(2, 32, 32)
    texts = F.normalize(torch.randn(2, 6), dim=1)
    silent = refiner(pictures, masks)
    for ours, theirs in zip(refiner(pictures, masks, texts), silent, strict=True):
        torch.testing.assert_close(ours, theirs, msg="a new one has been taught no words yet")
    for told in (*refiner.told_down, *refiner.told_up):
        torch.nn.init.normal_(told.change.weight)
    logits, iou = refiner(pictures, masks, texts * torch.tensor([[1.0], [0.0]]))
    assert (logits[0] - silent[0][0]).abs().max() > 1e-3 and iou[0] != silent[1][0]
    torch.testing.assert_close(logits[1], silent[0][1])
    torch.testing.assert_close(iou[1], silent[1][1])


def test_a_file_gives_the_same_answers_and_name(tmp_path: Path) -> None:
    torch.manual_seed(0)
    about = {"sam_name": "some-sam", "text_width": 6, "clip_name": "a-clip"}
    refiner = MaskRefiner(side=32, widths=(4, 8), blocks=(0, 1), **about).half().float()
    refiner(torch.rand(9, 3, 32, 32), torch.rand(9, 32, 32))  # which moves the norms' statistics
    save_mask_refiner(refiner, tmp_path / "one.safetensors")
    again = load_mask_refiner(tmp_path / "one.safetensors")
    assert (again.side, again.widths, again.blocks) == (32, (4, 8), (0, 1))
    assert {name: getattr(again, name) for name in about} == about
    save_mask_refiner(again, tmp_path / "two.safetensors")
    assert load_mask_refiner(str(tmp_path / "two.safetensors")).name == again.name
    pictures, masks = torch.rand(2, 3, 32, 32), torch.rand(2, 32, 32)
    for ours, theirs in zip(refiner.eval()(pictures, masks), again(pictures, masks), strict=True):
        torch.testing.assert_close(ours, theirs, atol=5e-3, rtol=5e-3)
    other = MaskRefiner(side=32, widths=(4, 8), blocks=(0, 1))
    assert other.name != again.name and again.name.startswith("mask-refiner-")
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train_mask_refiner\.py"):
        load_mask_refiner(tmp_path / "none.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("hello")
    weights = Path(__file__).parents[2] / "samkit/weights/tiny_text_prompt.safetensors"
    for path in (text, weights):
        with pytest.raises(ValueError, match="is no mask refiner, or a damaged one"):
            load_mask_refiner(path)


def test_shapes_that_do_not_halve() -> None:
    with pytest.raises(ValueError, match="halved"):
        MaskRefiner(side=50, widths=(4, 8, 8), blocks=(0, 0, 0))
    with pytest.raises(ValueError, match="equal number"):
        MaskRefiner(side=64, widths=(4, 8, 8), blocks=(0, 0))
