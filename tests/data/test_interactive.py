"""The four interactive sets and BBBC038v1: on small files in their layout, and on the real ones."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samkit.data import bbbc038v1, berkeley_interactive, coco_mval, davis_interactive, grabcut
from samkit.ops import rle

VALUES = np.zeros((6, 8), np.uint8)
VALUES[1:4, 2:7] = 128
VALUES[2, 3:6] = 255


def write(path: Path, pixels: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if mode == "P":
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.save(path)


def picture(height: int = 6, width: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)


def test_grabcut_ignores_the_band_and_takes_either_folder(tmp_path: Path) -> None:
    write(tmp_path / "GrabCut/data_GT/b.bmp", picture())
    write(tmp_path / "GrabCut/data_GT/a.JPG", picture())
    write(tmp_path / "GrabCut/boundary_GT/a.bmp", np.where(VALUES == 128, 0, VALUES))
    write(tmp_path / "GrabCut/boundary_GT/b.bmp", VALUES)
    data = grabcut(tmp_path)
    assert data.ids == ["a", "b"] and "2 images" in data.name
    assert [s.id for s in grabcut(tmp_path / "GrabCut", limit=1)] == ["a"]
    first, second = data
    assert first.annotations.ignored is None
    np.testing.assert_array_equal(rle.decode([second.annotations.ignored])[0], VALUES == 128)
    for sample in data:
        np.testing.assert_array_equal(sample.annotations.binary()[0], VALUES == 255)
        assert sample.annotations.boxes.tolist() == [[3, 2, 6, 3]]
        assert sample.image.shape == (6, 8, 3)


def test_berkeley_masks_are_grey_in_three_channels_with_soft_values(tmp_path: Path) -> None:
    soft = VALUES.copy()
    soft[2, 3], soft[5, 7] = 197, 60
    write(tmp_path / "images/12a.jpg", picture())
    write(tmp_path / "masks/12a.png", np.repeat(soft[..., None], 3, axis=2))
    [sample] = berkeley_interactive(tmp_path)
    np.testing.assert_array_equal(sample.annotations.binary()[0], soft > 128)
    np.testing.assert_array_equal(rle.decode([sample.annotations.ignored])[0], soft == 128)


def test_davis_and_coco_mval_take_every_value_for_the_object(tmp_path: Path) -> None:
    ids = np.zeros((6, 8), np.uint8)
    ids[1, 1], ids[3, 4] = 1, 2
    write(tmp_path / "DAVIS/img/007.jpg", picture())
    write(tmp_path / "DAVIS/gt/007.png", ids, "P")
    [sample] = davis_interactive(tmp_path)
    np.testing.assert_array_equal(sample.annotations.binary(), [ids > 0])
    assert sample.annotations.ignored is None
    write(tmp_path / "COCO_MVal/img/hot dog01_9.jpg", picture())
    write(tmp_path / "COCO_MVal/gt/hot dog01_9.png", (ids > 0) * np.uint8(255))
    [sample] = coco_mval(tmp_path)
    assert sample.id == "hot dog01_9" and sample.annotations.areas.tolist() == [2]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="GrabCut with data_GT/ and boundary_GT/"):
        grabcut(tmp_path)
    write(tmp_path / "DAVIS/img/007.jpg", picture())
    (tmp_path / "DAVIS/gt").mkdir()
    with pytest.raises(FileNotFoundError, match="no mask for 007"):
        davis_interactive(tmp_path)
    write(tmp_path / "DAVIS/gt/007.png", np.zeros((5, 8), np.uint8))
    [sample] = davis_interactive(tmp_path)
    with pytest.raises(ValueError, match=r"\(6, 8\).*\(5, 8\)"):
        sample.loaded()
    with pytest.raises(FileNotFoundError, match="stage1_train"):
        bbbc038v1(tmp_path)


def test_nuclei_one_file_each(tmp_path: Path) -> None:
    root = tmp_path / "stage1_train"
    for name in ("b0", "a1"):
        write(root / name / "images" / f"{name}.png", np.dstack([picture(), VALUES]))
        write(root / name / "masks/1.png", (VALUES == 255) * np.uint8(255))
        write(root / name / "masks/0.png", (VALUES == 128) * np.uint8(255))
    data = bbbc038v1(tmp_path)
    assert data.ids == ["a1", "b0"] and bbbc038v1(root, limit=1).ids == ["a1"]
    truth = data[0].annotations
    np.testing.assert_array_equal(truth.binary(), [VALUES == 128, VALUES == 255])
    np.testing.assert_array_equal(data[0].image, picture())
    write(root / "a1/masks/2.png", np.zeros((3, 3), np.uint8))
    with pytest.raises(ValueError, match=r"2.png is \(3, 3\)"):
        data[0]


def test_real_files(test_data: Path) -> None:
    counts = {grabcut: 25, berkeley_interactive: 52, davis_interactive: 50, coco_mval: 64}
    for reader, count in counts.items():
        data = reader(test_data / reader.__name__)
        assert len(data) == count
        sample = data[count // 2].loaded()
        assert len(sample.annotations) == 1 and sample.annotations.areas[0] > 100
    banded = sum(s.annotations.ignored is not None for s in grabcut(test_data / "grabcut"))
    assert 17 <= banded < 25  # of all fifty, eight masks have no band
    # Stray values of an anti-aliased mask are the object's.
    stray = {s.id: s for s in berkeley_interactive(test_data / "berkeley_interactive")}.get("8023")
    assert stray is None or stray.annotations.ignored is None
    nuclei = bbbc038v1(test_data / "bbbc038v1")
    assert len(nuclei) == 40 and nuclei[3].loaded().image.shape[2] == 3


@pytest.mark.slow
def test_all_nuclei(test_data: Path) -> None:
    data = bbbc038v1(test_data / "bbbc038v1")
    counts = [len(sample.loaded().annotations) for sample in data]
    assert (sum(counts), min(counts), max(counts)) == (2014, 1, 375)
