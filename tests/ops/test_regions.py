"""Label maps, containment, unions and crops."""

import numpy as np
import pytest
from PIL import Image

from samkit import draw
from samkit.data import sa1b_content, shapes
from samkit.data.folder import read_mask
from samkit.ops import rle
from samkit.ops.containment import mask_levels, mask_parents, shares_inside
from samkit.ops.crops import crop_masks
from samkit.ops.label_map import label_map
from samkit.types import Masks, Sample


def rectangles(*boxes, size=(20, 30)):
    """Run lengths of x0, y0 to x1, y1, the last column and row outside."""
    masks = np.zeros((len(boxes), *size), dtype=bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    return rle.encode(masks)


CAR, WHEEL, HUB, SIGN = (0, 0, 20, 15), (2, 8, 10, 15), (4, 10, 7, 13), (22, 0, 30, 9)


def test_the_smallest_mask_owns_a_pixel_and_of_equal_ones_the_first():
    labels = label_map(rectangles(WHEEL, CAR, HUB, SIGN, SIGN), (20, 30))
    assert labels.dtype == np.uint16
    assert [int(labels[y, x]) for x, y in [(0, 0), (2, 8), (5, 11), (25, 5), (25, 15)]] == [
        2,
        1,
        3,
        4,
        0,
    ]
    assert 5 not in labels  # the doubled sign shows nowhere, and its number is nobody else's
    assert [(labels == i).sum() for i in (1, 2, 3)] == [56 - 9, 300 - 56, 9]


def test_a_priority_decides_otherwise():
    masks = rectangles(WHEEL, CAR, HUB)
    assert set(np.unique(label_map(masks, (20, 30), [0.1, 0.9, 0.5]))) == {0, 2}
    assert set(np.unique(label_map(masks, (20, 30), [0.5, 0.5, 0.5]))) == {0, 1, 2}


def test_a_label_map_is_a_png_that_the_folder_reader_understands(tmp_path):
    masks = rectangles(
        *[(x, y, x + 1, y + 1) for y in range(20) for x in range(30)]
    )  # 600 > 8 bits
    Image.fromarray(label_map(masks, (20, 30))).save(tmp_path / "labels.png")
    truth = read_mask(tmp_path / "labels.png")
    assert truth.ids.tolist() == list(range(1, 601))
    assert list(truth.run_lengths) == masks


def test_no_masks_make_an_empty_map():
    assert not label_map([], (4, 5)).any() and label_map([], (4, 5)).shape == (4, 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((rectangles(CAR), (9, 9)), r"the map is \[9, 9\]"),
        ((rectangles(CAR), (20, 30), [1, 2]), r"shape \(1,\)"),
        ((rectangles(CAR) * 65_536, (20, 30)), "65535 masks"),
    ],
)
def test_maps_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        label_map(*arguments)


def test_parents_are_the_smallest_that_hold_a_mask():
    masks = rectangles(HUB, CAR, SIGN, WHEEL)
    parents = mask_parents(masks)
    assert parents.tolist() == [3, -1, -1, 1]
    assert mask_levels(parents).tolist() == [2, 0, 0, 1]
    # Below subparts there is no further name.
    deeper = mask_parents(rectangles(HUB, CAR, (5, 11, 6, 12), WHEEL))
    assert mask_levels(deeper).tolist() == [2, 0, 2, 1]


def test_two_versions_of_an_object_are_siblings():
    again = (2, 8, 10, 14)  # 48 of the wheel's 56 pixels, all inside
    masks = rectangles(CAR, WHEEL, again, HUB)
    assert mask_parents(masks).tolist() == [-1, 0, 0, 2]
    assert mask_parents(masks, largest=0.9).tolist() == [-1, 0, 1, 2]


def test_the_tree_of_made_up_scenes_is_the_true_one():
    truths = [sample.annotations for sample in shapes(4)]
    right = np.concatenate([mask_parents(t.run_lengths) == t.parents for t in truths])
    assert len(right) > 20 and right.mean() > 0.95
    assert sum((t.parents >= 0).sum() for t in truths) > 5


def test_sticking_out_a_little_is_inside_enough():
    masks = rectangles(CAR, (19, 5, 29, 6), (11, 5, 21, 6))  # 10 % and 90 % inside
    assert mask_parents(masks).tolist() == [-1, -1, 0]
    assert mask_parents(masks, inside=0.95).tolist() == [-1, -1, -1]


def test_empty_masks_and_none():
    masks = rectangles(CAR, (3, 3, 3, 3))
    assert mask_parents(masks).tolist() == [-1, -1]
    assert mask_parents([]).tolist() == [] and mask_levels(mask_parents([])).tolist() == []
    assert shares_inside(masks, masks).tolist() == [[1, 0], [0, 0]]


def test_union():
    assert rle.areas([rle.union(rectangles(CAR, WHEEL, SIGN))]).tolist() == [300 + 72]
    with pytest.raises(ValueError, match="no masks to unite"):
        rle.union([])


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


def test_crops_are_the_masks_boxes(image):
    car, hub = crop_masks(image, rectangles(CAR, HUB))
    np.testing.assert_array_equal(car, image[:15, :20])
    np.testing.assert_array_equal(hub, image[10:13, 4:7])
    car[:] = 0
    assert image[:15, :20].any(), "a crop is a copy"


def test_a_margin_ends_at_the_picture(image):
    # A quarter of 8 pixels on each side; the sign lies in a corner.
    wheel, sign = crop_masks(image, rectangles(WHEEL, SIGN), margin=0.25)
    np.testing.assert_array_equal(wheel, image[6:17, 0:12])
    np.testing.assert_array_equal(sign, image[0:11, 20:30])


def test_a_background_hides_what_is_not_the_mask(image):
    mask = np.zeros((1, 20, 30), dtype=bool)
    mask[0, 5:9, 5:9] = np.eye(4, dtype=bool)
    [crop] = crop_masks(image, rle.encode(mask), margin=0.25, background=(9, 8, 7))
    seen = np.pad(np.eye(4, dtype=bool), 1)
    np.testing.assert_array_equal(crop[seen], image[4:10, 4:10][seen])
    assert (crop[~seen] == (9, 8, 7)).all()


@pytest.mark.parametrize(
    ("masks", "margin", "message"),
    [
        (rectangles((3, 3, 3, 3)), 0.0, "mask 0 is empty"),
        (rectangles(CAR, size=(20, 31)), 0.0, r"mask 0 is \[20, 31\]"),
        (rectangles(CAR), -0.1, "not negative"),
    ],
)
def test_crops_that_cannot_be(image, masks, margin, message):
    with pytest.raises(ValueError, match=message):
        list(crop_masks(image, masks, margin))


def test_every_output_holds_no_masks_at_all():
    masks = Masks.from_binary(np.zeros((0, 20, 30), dtype=bool))
    sample = Sample("nothing", np.zeros((20, 30, 3), np.uint8), masks=masks)
    assert masks.to_coco(1) == [] and len(masks.to_detections()) == 0
    assert sa1b_content(sample, "nothing.jpg")["annotations"] == []
    assert not label_map(masks.rle(), (20, 30)).any()
    assert mask_parents(masks.rle()).tolist() == []
    assert list(crop_masks(sample.image, masks.rle())) == []
    assert draw(sample).size == (660, 440)
