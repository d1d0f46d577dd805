"""CWFID: a plant is what of its outline is vegetation."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samkit.data import cwfid

YAML = """filename: 004_image.png
annotation:
- type: weed
  points: {x: [1.0, 5.0, 5.0, 1.0], y: [1.0, 1.0, 4.0, 4.0]}
- type: crop
  points: {x: 7.0, y: 7.0}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("images", "masks", "annotations"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (12, 10)).save(tmp_path / "images/004_image.png")
    vegetation = np.zeros((10, 12), bool)
    vegetation[2:9, 3:9] = True
    Image.fromarray(~vegetation).save(tmp_path / "masks/004_mask.png")
    (tmp_path / "annotations/004_annotation.yaml").write_text(YAML)
    return tmp_path


def test_outline_and_vegetation(root: Path) -> None:
    [sample] = cwfid(root)
    assert sample.id == "004" and sample.image.shape == (10, 12, 3)
    weed, point = sample.annotations.binary()
    expected = np.zeros((10, 12), bool)
    expected[2:4, 3:5] = True
    np.testing.assert_array_equal(weed, expected)
    # A plant told by one point encloses nothing.
    assert not point.any() and sample.annotations.class_ids.tolist() == [2, 1]


@pytest.mark.parametrize(
    "text",
    ["annotation: 5", "- a", "annotation: [{type: tree, points: {x: [1], y: [1]}}]", "{", ""],
)
def test_other_content_is_refused(root: Path, text: str) -> None:
    (root / "annotations/004_annotation.yaml").write_text(text)
    with pytest.raises(ValueError, match="004_annotation.yaml"):
        cwfid(root)[0]


def test_what_is_missing_is_named(root: Path) -> None:
    (root / "annotations/004_annotation.yaml").unlink()
    with pytest.raises(FileNotFoundError, match="004_annotation.yaml"):
        cwfid(root)[0]
    with pytest.raises(FileNotFoundError, match="NNN_image.png"):
        cwfid(root / "masks")


def test_the_plants_of_real_pictures(test_data: Path) -> None:
    dataset = cwfid(test_data / "cwfid")
    counts = {sample.id: len(sample.annotations) for sample in dataset}
    assert counts == {"001": 17, "002": 12, "003": 8, "005": 6}
    assert all((sample.annotations.areas > 1000).all() for sample in dataset)
