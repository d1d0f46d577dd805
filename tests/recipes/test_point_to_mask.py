"""Clicks to masks, run as a user runs it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.recipes.test_instance_seg import run, summary


def test_without_arguments_it_clicks_on_shapes(tmp_path: Path) -> None:
    text = run("point_to_mask", "--limit", 2, "--clicks", "1,3", "--out", tmp_path)
    found = summary(tmp_path)
    assert found["samples"] == 2 and found["errors"] == 0 and "23 datasets" in text
    metrics = found["metrics"]
    assert 0.1 < metrics["mIoU@1"] <= metrics["oracle"] < 1 and metrics["mIoU@3"] > 0.1
    assert metrics["mIoU@1_low"] < metrics["mIoU@1"] < metrics["mIoU@1_high"]
    assert found["paper"]["mIoU@1"] == 0.581


def test_a_folder_of_pictures_and_masks_by_the_random_walker(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(90, 130, (40, 60, 3)).astype(np.uint8)
    picture[10:30, 20:45] = (220, 40, 30)
    values = np.zeros((40, 60), np.uint8)
    values[10:30, 20:45] = 1
    (tmp_path / "photos/masks").mkdir(parents=True)
    Image.fromarray(picture).save(tmp_path / "photos/a.png")
    Image.fromarray(values).save(tmp_path / "photos/masks/a.png")
    folder = tmp_path / "photos"
    walker = ("--sam", "random_walker", "--feedback", "none", "--clicks", 1, "--out", tmp_path)
    run("point_to_mask", "--data", folder, "--masks", folder / "masks", *walker)
    assert summary(tmp_path)["metrics"]["objects"] == 1
    assert summary(tmp_path)["metrics"]["mIoU@1"] > 0.2


@pytest.mark.slow
def test_number_of_clicks_beside_ritms(test_data: Path, tmp_path: Path) -> None:
    data = ("--data", "grabcut", "--root", test_data, "--limit", 2, "--out", tmp_path)
    text = run("point_to_mask", *data, "--clicks", "1,20")
    found = summary(tmp_path)
    assert found["paper"] == {"NoC@85": 1.46, "NoC@90": 1.56} and "RITM" in text
    assert 1 <= found["metrics"]["NoC@85"] <= found["metrics"]["NoC@90"] <= 20


def test_boxes_first_on_photographs(test_data: Path, tmp_path: Path) -> None:
    data = ("--data", "coco_mval", "--root", test_data, "--limit", 2, "--out", tmp_path)
    run("point_to_mask", *data, "--first", "box", "--clicks", 1)
    found = summary(tmp_path)
    assert found["metrics"]["objects"] == 2 and "first='box'" in found["run"]["pipeline"]
