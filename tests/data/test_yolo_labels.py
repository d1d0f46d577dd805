"""data.yolo_labels: boxes and polygons in, masks out and in again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from samkit.data import mask_label, yolo_labels
from samkit.data.yolo_labels import read_labels
from samkit.ops import rle


@pytest.fixture
def root(tmp_path):
    for name in ("a/cat.png", "dog.png"):
        path = tmp_path / "set" / "images" / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 20)).save(path)
    return tmp_path / "set"


def write(root, text, name="a/cat.txt"):
    path = root / "labels" / "train" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_boxes_of_the_folder_beside_the_images(root):
    write(root, "2 0.5 0.5 0.25 0.5\n\n0 0.1 0.1 0.2 0.2\n")
    dataset = yolo_labels(root / "images" / "train", class_names={0: "cat", 2: "dog"})
    assert dataset.ids == ["a/cat.png", "dog.png"]
    assert dataset.name == "yolo_labels(train, 2 images)"
    cat, dog = (sample.annotations for sample in dataset)
    np.testing.assert_allclose(cat.boxes, [[15, 5, 25, 15], [0, 0, 8, 4]], atol=1e-5)
    assert cat.class_ids.tolist() == [2, 0] and cat.run_lengths is None
    assert cat.class_names == {0: "cat", 2: "dog"} and cat.size == (20, 40)
    assert len(dog) == 0  # no label file: no objects


def test_polygons_are_masks(root):
    write(root, "1 0.25 0.25 0.5 0.25 0.5 0.75 0.25 0.75\n", "dog.txt")
    truth = yolo_labels(root / "images" / "train")[1].annotations
    expected = np.zeros((20, 40), dtype=bool)
    expected[5:15, 10:20] = True
    np.testing.assert_array_equal(truth.binary(), expected[None])
    assert truth.boxes.tolist() == [[10, 5, 20, 15]]


def test_the_folder_of_labels_may_be_given(root):
    path = write(root, "1 0.5 0.5 1 1\n", "dog.txt")
    elsewhere = root / "other"
    path.parent.rename(elsewhere)
    truth = yolo_labels(root / "images" / "train", labels=elsewhere)[1].annotations
    assert truth.boxes.tolist() == [[0, 0, 40, 20]]
    with pytest.raises(FileNotFoundError, match="label files at .*labels/train"):
        yolo_labels(root / "images" / "train")
    (root / "images").rename(root / "pictures")
    with pytest.raises(ValueError, match="give labels=FOLDER"):
        yolo_labels(root / "pictures" / "train")


@given(arrays(bool, (19, 23), elements=st.booleans()).filter(np.any))
def test_a_mask_is_the_very_same_after_its_label(mask):
    [run_lengths] = rle.encode(mask[None])
    words = mask_label(3, run_lengths).split()
    shares = np.array(words[1:], dtype=float).reshape(-1, 2)
    assert words[0] == "3" and shares.min() >= 0 and shares.max() <= 1
    assert rle.from_coco([(shares * (23, 19)).ravel().tolist()], 19, 23) == run_lengths


def test_a_large_picture_keeps_its_pixels():
    mask = np.zeros((1501, 2003), dtype=bool)
    mask[701:1402, 1001:1702] = True
    mask[901:933, 1111:1234] = False
    [run_lengths] = rle.encode(mask[None])
    shares = np.array(mask_label(3, run_lengths).split()[1:], dtype=float).reshape(-1, 2)
    assert rle.from_coco([(shares * (2003, 1501)).ravel().tolist()], 1501, 2003) == run_lengths


def test_an_empty_mask_is_no_label():
    with pytest.raises(ValueError, match="no label"):
        mask_label(0, rle.encode(np.zeros((1, 4, 4), bool))[0])


@pytest.mark.parametrize(
    "line",
    ["cat 0.5 0.5 1 1", "1 0.5 0.5 1", "1 0.5 0.5 0.5 0.5 0.5", "1 nan 0.5 1 1", "1 200 80 20 30",
     "-1 0.5 0.5 1 1", "1", "1 0.5 0.5 1 1 0.9 0.9 0.9"],
)  # fmt: skip
def test_what_is_no_label_is_named(root, line):
    path = write(root, f"0 0.5 0.5 1 1\n{line}\n")
    with pytest.raises(ValueError, match="cat.txt, line 2"):
        read_labels(path)
    with pytest.raises(ValueError, match="cat.txt, line 2"):
        yolo_labels(root / "images" / "train")[0]


def test_what_is_no_text_is_named(root):
    path = write(root, "")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="cat.txt is no text"):
        read_labels(path)
