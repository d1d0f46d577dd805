"""The training recipe, run as a user runs it."""

from pathlib import Path

import pytest
import torch

from samkit import load_sam
from tests.recipes.test_instance_seg import run


def test_from_nothing_and_on(tmp_path: Path) -> None:
    """One step with the paper's settings on made-up scenes, then one more by the same line."""
    arguments = [
        "--out", tmp_path, "--image-size", 64, "--images", 1, "--limit", 1, "--masks", 1, "--workers", 0,
        "--corrections", 8, "--extra-rounds", 2, "--refine-share", 0, "--no-supervise-all-iou",
        "--schedule", "step", "--drop-path", 0.4, "--dropout", 0.1, "--layer-decay", 0.8,
        "--no-augmentation", "--accumulate", 2, "--precision", "bfloat16",
    ]  # fmt: skip
    assert "step 1: loss" in run("train_sam", "--steps", 1, *arguments)
    text = run("train_sam", "--steps", 2, *arguments)
    assert "resumed after step 1" in text and "shapes/box" in text and "step 2: loss" in text
    sam = load_sam(tmp_path / "last.safetensors")
    assert sam.config.image_size == 64 and sam.config.width == 192


@pytest.mark.slow
@pytest.mark.parametrize("train", ["all", "decoder", "low-rank"])
def test_fine_tuning_helps_on_pictures_not_seen(
    test_data: Path, tmp_path: Path, train: str
) -> None:
    """30 pictures of a domain that tiny never saw, measured on the other 60 (docs/training.md)."""
    data = test_data.parent / "train" / "miniature_road"
    if not data.is_dir():
        pytest.skip(f"no training photographs at {data}")
    if train == "low-rank":
        pytest.importorskip("peft")
    run(
        "train_sam", "--sam", "tiny", "--train", train, "--data", f"{data}[:30]", "--validation",
        f"{data}[30:]", "--steps", 40, "--warmup", 10, "--curriculum-steps", 1, "--out", tmp_path,
        "--validate-every", 1000,
    )  # fmt: skip
    lines = (tmp_path / "validation.csv").read_text().splitlines()
    before, after = (
        dict(zip(lines[0].split(","), map(float, r.split(",")), strict=True)) for r in lines[1:]
    )
    assert after["mean"] > before["mean"] + 0.02
    key = "miniature_road[30:]/click"
    assert after[key] > before[key] + 0.02
    official = load_sam(tmp_path / "last.safetensors").state_dict()
    assert official.keys() == load_sam("tiny").state_dict().keys()
    assert all(torch.isfinite(tensor).all() for tensor in official.values())
