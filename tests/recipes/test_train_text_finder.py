"""The recipe that teaches a text finder, run on next to nothing."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from samkit.clip import load_clip
from samkit.clip.finder import TextFinder, load_text_finder, save_text_finder

RECIPE = Path(__file__).parents[2] / "recipes/train_text_finder.py"
SMALL = {"batch": 2, "save_every": 1, "side": 64, "device": "cpu"}


def recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_text_finder", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_killed_between_it_ends_as_in_one_go(tmp_path: Path, capsys, monkeypatch) -> None:
    recipe().main(steps=3, out=tmp_path / "whole", **SMALL)
    printed = capsys.readouterr().out
    assert printed.count("found at one look") == 3 and "captions kept back" in printed
    broken, sizes = recipe(), []
    loss = broken.finder_loss

    def stops(drawn: object, given: object) -> object:
        sizes.append(given.pictures.shape)
        if len(sizes) == 2:
            raise KeyboardInterrupt
        return loss(drawn, given)

    monkeypatch.setattr(broken, "finder_loss", stops)
    with pytest.raises(KeyboardInterrupt):
        broken.main(steps=3, out=tmp_path / "broken", **SMALL)
    broken.main(steps=3, out=tmp_path / "broken", **SMALL)
    assert "going on after step 1" in capsys.readouterr().out
    assert sizes == [(4, 3, 32, 32), *[(2, 3, 64, 64)] * 3], "small ones first"
    whole, broken = (tmp_path / n / "text_finder.safetensors" for n in ("whole", "broken"))
    assert whole.read_bytes() == broken.read_bytes()
    found = load_text_finder(whole)
    assert found.side == 64 and found.clip_name == load_clip("tiny").texts_name
    recipe().main(steps=1, start=str(whole), out=tmp_path / "on", **SMALL)
    on = load_text_finder(tmp_path / "on/text_finder.safetensors")
    assert not torch.equal(on.query.weight, found.query.weight)
    assert torch.allclose(on.query.weight, found.query.weight, atol=0.02), "which it went on from"
    with pytest.raises(ValueError, match="Write to another folder|another"):
        recipe().main(steps=2, out=tmp_path / "on", **{**SMALL, "batch": 3})


def test_it_goes_on_from_a_finder_that_reads_the_clip(tmp_path: Path) -> None:
    save_text_finder(TextFinder(128, "another"), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="was taught phrases of another, and this is"):
        recipe().main(steps=1, start=str(tmp_path / "other.safetensors"), out=tmp_path, **SMALL)
