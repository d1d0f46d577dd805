"""The data engine, run as a user runs it."""

from pathlib import Path

import pytest

from recipes import data_engine
from samkit import load_sam
from samkit.data import shapes
from samkit.training.annotator import taken
from tests.recipes.test_instance_seg import run


@pytest.mark.slow
def test_three_stages_and_a_table(tmp_path: Path) -> None:
    few = (
        "--pictures",
        1,
        "--steps",
        1,
        "--held-out",
        1,
        "--points-per-side",
        3,
        "--least-masks",
        1,
    )
    lenient = ("--wanted-iou", 0.3, "--pred-iou-thresh", 0.01, "--stability-score-thresh", 0.01)
    text = run("data_engine", *few, *lenient, "--learning-rate", 0.01, "--out", tmp_path)
    table = [line for line in text.splitlines() if line.startswith("| ")]
    names = ["stage", "before", "assisted-manual", "semi-automatic", "fully automatic"]
    assert [line.split(" | ")[0].strip("| ") for line in table] == names
    clicks = [float(line.split(" | ")[1]) for line in table[2:]]
    assert 1 <= clicks[0] < 40 and clicks[2] == 0
    masks = [float(line.split(" | ")[2]) for line in table[2:]]
    assert all(count > 0 for count in masks)
    # At such a rate a single step is seen: the figure after a stage is not the one before.
    after = [line.split(" | ")[-1] for line in table[1:]]
    assert len(set(after)) >= 3


def test_too_few_masks_teach_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sam, scene = load_sam("tiny", device="cpu"), shapes(1, size=96)[0]
    one = taken(scene, scene.annotations.run_lengths[:1])
    assert data_engine.retrained(sam, [one], 1, 0.1, 2, tmp_path) is sam
    assert "1 masks of 1 pictures: the model stays as it is" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
