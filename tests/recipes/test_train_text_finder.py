"""The recipe that teaches a text finder, run on next to nothing."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from samkit.clip import load_clip
from samkit.sam.mask_refiner import (
    MaskRefiner,
    load_mask_refiner,
    load_text_finder,
    save_mask_refiner,
)
from samkit.training import teaching

RECIPE = Path(__file__).parents[2] / "recipes/train_text_finder.py"
SMALL = {"pictures": 21, "objects": 3, "batch": 4, "save_every": 1, "side": 32, "device": "cpu"}


def recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_text_finder", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_killed_between_it_ends_as_in_one_go(tmp_path: Path, capsys, monkeypatch) -> None:
    recipe().main(steps=3, out=tmp_path / "whole", **SMALL)
    printed = capsys.readouterr().out
    assert printed.count("found at one look") == 3 and "captions kept back" in printed
    loss, calls = teaching.refiner_loss, []

    def stops(*args: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return loss(*args)

    monkeypatch.setattr(teaching, "refiner_loss", stops)
    with pytest.raises(KeyboardInterrupt):
        recipe().main(steps=3, out=tmp_path / "broken", **SMALL)
    monkeypatch.undo()
    recipe().main(steps=3, out=tmp_path / "broken", **SMALL)
    assert "going on after step 1" in capsys.readouterr().out
    whole, broken = (tmp_path / n / "text_finder.safetensors" for n in ("whole", "broken"))
    assert whole.read_bytes() == broken.read_bytes()
    found = load_text_finder(whole)
    assert found.side == 32 and found.reads(load_clip("tiny").texts_name)
    assert not torch.equal(found.draw.weight, load_mask_refiner("tiny", "cpu").draw.weight)
    recipe().main(steps=1, start=str(whole), out=tmp_path / "on", **SMALL)
    with pytest.raises(ValueError, match="Write to another folder|another"):
        recipe().main(steps=2, out=tmp_path / "on", **{**SMALL, "objects": 2})


def test_it_begins_with_a_network_that_reads_the_clip(tmp_path: Path) -> None:
    save_mask_refiner(MaskRefiner(32), tmp_path / "untold.safetensors")
    with pytest.raises(ValueError, match="was taught phrases of no CLIP"):
        recipe().main(steps=1, start=str(tmp_path / "untold.safetensors"), out=tmp_path, **SMALL)
