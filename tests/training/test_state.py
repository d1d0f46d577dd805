"""What a killed training leaves is what the next one goes on from."""

from pathlib import Path

import pytest
import torch

from samkit.training.state import load_parts, save_parts


def test_parts_come_back_with_what_was_told(tmp_path: Path) -> None:
    path, now = tmp_path / "state.pt", {"model": torch.nn.Linear(3, 2)}
    fresh = {"model": torch.nn.Linear(3, 2)}
    assert load_parts(fresh, {"clip": "a"}, path) == {}, "nothing is there yet"
    save_parts(now, {"clip": "a", "step": 7}, path)
    assert load_parts(fresh, {"clip": "a"}, path) == {"clip": "a", "step": 7}
    assert torch.equal(fresh["model"].weight, now["model"].weight)


def test_another_beginning_is_refused_before_anything_is_filled(tmp_path: Path) -> None:
    path, fresh = tmp_path / "state.pt", {"model": torch.nn.Linear(3, 2)}
    save_parts({"model": torch.nn.Linear(3, 2)}, {"clip": "a", "step": 7}, path)
    before = fresh["model"].weight.clone()
    with pytest.raises(ValueError, match="was begun with clip a, not b; give another --out"):
        load_parts(fresh, {"clip": "b"}, path)
    with pytest.raises(ValueError, match="has no head: another recipe or version wrote it"):
        load_parts({**fresh, "head": torch.nn.Linear(1, 1)}, {"clip": "a"}, path)
    assert torch.equal(fresh["model"].weight, before)
