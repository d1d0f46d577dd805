"""data.folder: one's own pictures, with one's own masks."""

import numpy as np
import pytest
from PIL import Image

from samkit.data import folder


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(path)


@pytest.fixture
def photos(tmp_path):
    for red, name in enumerate(["b.JPG", "a/z.png", "a/c.webp", "d.tiff"]):
        save(tmp_path / "photos" / name, np.full((4, 5, 3), red, dtype=np.uint8))
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    (tmp_path / "photos" / "._b.jpg").write_text("no picture either")
    return tmp_path / "photos"


def labels(dtype=np.uint8):
    values = np.zeros((4, 5), dtype=dtype)
    values[0, :2] = 7
    values[2:, 3:] = 2
    return values


def test_pictures_of_all_folders_in_order(photos):
    dataset = folder(photos)
    assert dataset.ids == ["a/c.webp", "a/z.png", "b.JPG", "d.tiff"]
    assert dataset.name == "folder(photos, 4 images)"
    assert [sample.image[0, 0, 0] for sample in dataset] == [2, 1, 0, 3]
    assert dataset[0].annotations is None
    assert folder(photos, limit=2).ids == ["a/c.webp", "a/z.png"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_value_of_a_mask_is_an_object(photos, dtype):
    for name in ["b", "a/z", "a/c", "d"]:
        save(photos / "masks" / f"{name}.png", labels(dtype))
    dataset = folder(photos, masks=photos / "masks")
    assert len(dataset) == 4  # What lies in masks/ is no picture.
    sample = dataset[1]
    truth = sample.annotations
    assert truth.ids.tolist() == [2, 7]
    assert np.array_equal(truth.binary(), np.stack([labels() == 2, labels() == 7]))
    assert truth.boxes.tolist() == [[3, 2, 5, 4], [0, 0, 2, 1]]
    assert truth.areas.tolist() == [4, 2]
    assert truth.class_ids.tolist() == [1, 1]
    assert dataset.class_names == {1: "object"}
    assert sample.image.shape == (4, 5, 3)


@pytest.mark.parametrize("pixels", [labels() > 0, (labels() > 0).astype(np.uint8) * 255])
def test_a_binary_mask_is_one_object_and_an_empty_one_none(tmp_path, pixels):
    save(tmp_path / "in" / "a.png", np.zeros((4, 5, 3), np.uint8))
    save(tmp_path / "in" / "b.png", np.zeros((4, 5, 3), np.uint8))
    save(tmp_path / "truth" / "a.png", pixels)
    save(tmp_path / "truth" / "b.png", np.zeros_like(pixels))
    one, none = folder(tmp_path / "in", masks=tmp_path / "truth")
    assert np.array_equal(one.annotations.binary(), (labels() > 0)[None])
    assert none.annotations.binary().shape == (0, 4, 5)
    assert none.annotations.boxes.shape == (0, 4)


def test_palette_masks_go_by_index(tmp_path):
    save(tmp_path / "in" / "a.png", np.zeros((4, 5, 3), np.uint8))
    (tmp_path / "truth").mkdir()
    picture = Image.fromarray(labels(), mode="P")
    picture.putpalette([value for index in range(256) for value in (index, 0, 255 - index)])
    picture.save(tmp_path / "truth" / "a.png")
    [sample] = folder(tmp_path / "in", masks=tmp_path / "truth")
    assert sample.annotations.ids.tolist() == [2, 7]


def test_masks_that_do_not_fit(photos, tmp_path):
    masks = tmp_path / "truth"
    save(masks / "b.png", labels())
    with pytest.raises(FileNotFoundError, match=r"3 of 4 pictures have no mask.*a/c\.webp"):
        folder(photos, masks=masks)
    save(masks / "a" / "c.png", labels()[:3])
    save(masks / "a" / "z.png", np.zeros((4, 5, 3), np.uint8))
    save(masks / "d.png", labels())
    dataset = folder(photos, masks=masks)
    with pytest.raises(ValueError, match=r"c\.webp is \(4, 5\).*\(3, 5\)"):
        dataset[0].image  # noqa: B018
    with pytest.raises(ValueError, match=r"z\.png has 3 channels"):
        dataset[1]


def test_one_picture(photos, tmp_path):
    save(tmp_path / "truth" / "d.png", labels())
    [alone] = dataset = folder(photos / "d.tiff", masks=tmp_path / "truth")
    assert dataset.ids == ["d.tiff"] and dataset.name == "folder(d.tiff, 1 images)"
    assert (alone.image[..., 0] == 3).all() and alone.annotations.ids.tolist() == [2, 7]
    with pytest.raises(FileNotFoundError, match=r"no pictures in .*notes\.txt; these are read"):
        folder(photos / "notes.txt")


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder at"):
        folder(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="no pictures in"):
        folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder at"):
        folder(tmp_path, masks=tmp_path / "missing")


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n"])
def test_a_mask_that_is_no_picture_names_its_file(tmp_path, content):
    save(tmp_path / "in" / "a.png", np.zeros((4, 5, 3), np.uint8))
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "a.png").write_bytes(content)
    dataset = folder(tmp_path / "in", masks=tmp_path / "truth")
    with pytest.raises(ValueError, match=r"cannot read .*truth.a\.png as a picture"):
        dataset[0]
