"""TextFinder: pictures and phrases in, masks out; its file; and how it is taught."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from samkit.clip import load_clip
from samkit.clip.finder import Seen, TextFinder, load_text_finder, save_text_finder

SMALL = {"widths": (4, 4, 8), "blocks": (0, 1, 1), "side": 64}


def a_finder() -> TextFinder:
    torch.manual_seed(0)
    finder = TextFinder(16, "clip-x", **SMALL)
    for told in (finder.told_around, finder.told_further):
        torch.nn.init.normal_(told.change.weight, std=0.1)
    return finder.eval()


def some(pictures: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shown = torch.rand(pictures, 3, 64, 64, generator=generator)
    return shown, torch.nn.functional.normalize(torch.randn(3, 16, generator=generator), dim=-1)


def test_what_it_draws_is_the_same_whatever_else_is_asked() -> None:
    finder, (shown, texts) = a_finder(), some()
    with torch.inference_mode():
        seen = finder.read(shown)
        drawn = finder(seen, texts, torch.tensor([0, 0, 1]))
        alone = finder(finder.read(shown[1:]), texts[2:], torch.tensor([0]))
    assert drawn.logits.shape == drawn.first.shape == (3, 32, 32) and drawn.ious.shape == (3,)
    torch.testing.assert_close(drawn.logits[2:], alone.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(drawn.ious[2:], alone.ious, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(drawn.logits[0], drawn.logits[1]), "phrases differ"
    logits, ious = finder.look(shown, texts)
    assert logits.shape == (3, 2, 32, 32) and ious.shape == (3, 2)
    torch.testing.assert_close(logits[2, 1], drawn.logits[2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(logits[0, 0], drawn.logits[0], rtol=1e-4, atol=1e-5)


def test_in_a_mirror_everything_is_mirrored() -> None:
    finder, (shown, texts) = a_finder(), some()
    logits, ious = finder.look(shown, texts, mirrored=True)
    flipped, same = finder.look(shown.flip(-1), texts, mirrored=True)
    torch.testing.assert_close(logits, flipped.flip(-1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ious, same, rtol=1e-4, atol=1e-5)


class Counting(TextFinder):
    """Counts how often it reads."""

    reads_made = 0

    def read(self, pictures: torch.Tensor) -> Seen:
        self.reads_made += 1
        return super().read(pictures)


def test_the_last_looks_are_remembered_until_the_weights_change() -> None:
    finder, (shown, texts) = Counting(16, "clip-x", **SMALL), some()
    finder.load_state_dict(a_finder().state_dict())
    finder.eval().requires_grad_(False)
    first = finder.look(shown, texts)
    again = finder.look(shown.clone(), texts.clone())
    assert finder.reads_made == 1 and torch.equal(first[0], again[0])
    others = (shown + 0.1, texts, False), (shown, texts[:2], False), (shown, texts, True)
    for other in others:
        seen, _ = finder.look(*other)
        assert seen.shape != first[0].shape or not torch.equal(seen, first[0])
    assert finder.reads_made == 1 + 1 + 1 + 2, "any of the three makes another look"
    finder.look(shown, texts)
    shown[0] = 0  # what it was given may change
    changed, _ = finder.look(shown, texts)
    assert finder.reads_made == 6 and not torch.equal(changed, first[0])
    finder.load_state_dict(TextFinder(16, "clip-x", **SMALL).state_dict())
    assert not torch.equal(finder.look(shown, texts)[0], changed), "of the weights before"
    finder.requires_grad_(True)
    finder.look(shown, texts), finder.look(shown, texts)
    assert finder.reads_made == 9, "while it is taught every look is made"


def test_many_phrases_are_asked_in_parts() -> None:
    finder, (shown, texts) = a_finder(), some(pictures=5)
    many = texts.repeat(40, 1)
    logits, ious = finder.look(shown, many)
    again, guesses = finder.look(shown, texts)
    torch.testing.assert_close(logits[-3:], again, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ious[:3], guesses, rtol=1e-4, atol=1e-5)


def test_its_file_and_what_is_none(tmp_path: Path) -> None:
    finder, (shown, texts) = a_finder(), some()
    save_text_finder(finder, tmp_path / "finder.safetensors")
    back = load_text_finder(tmp_path / "finder.safetensors", "cpu")
    assert (back.side, back.clip_name, back.widths) == (64, "clip-x", (4, 4, 8))
    assert repr(back) == f"<TextFinder {back.name}>" and not back.query.weight.requires_grad
    np.testing.assert_allclose(
        back.look(shown, texts)[0], finder.look(shown, texts)[0], rtol=0.05, atol=0.01
    )
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other.safetensors is no text finder, or a damaged one"):
        load_text_finder(tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError, match=r"no text finder at nowhere.*train_text_finder.py"):
        load_text_finder("nowhere")
    with pytest.raises(ValueError, match="side 100 is to be halved 5 times"):
        TextFinder(16, side=100)
    with pytest.raises(ValueError, match=r"was taught phrases of clip-x, and this is other"):
        back.check_reads("other", "texts-y")


def test_the_shipped_one_reads_the_shipped_pair() -> None:
    clip, finder = load_clip("tiny", device="cpu"), load_text_finder("tiny", "cpu")
    finder.check_reads(clip.name, clip.texts_name)
    assert finder.name.startswith("text-finder-") and finder.text_width == clip.width
