"""data.coco: what a COCO file says is what a sample knows, and a broken file says why."""

import copy
import json

import numpy as np
import pytest
from PIL import Image

from samkit.data import coco
from samkit.data.dataset import Dataset
from samkit.types import Sample

SQUARE = [[1, 1, 5, 1, 5, 4, 1, 4]]  # 4 x 3 pixels of a 6 x 8 image
COUNTS = [0, 6, 36, 6]  # first and last column
SMALL = {
    "images": [
        {"id": 30, "file_name": "c.png", "height": 6, "width": 8},
        {"id": 4, "file_name": "a.png", "height": 6, "width": 8},
        {"id": 12, "file_name": "b.png", "height": 6, "width": 8},
    ],
    "annotations": [
        {
            "id": 9,
            "image_id": 4,
            "category_id": 17,
            "segmentation": SQUARE,
            "bbox": [1, 1, 4, 3],
            "area": 11.5,
            "iscrowd": 0,
        },
        {
            "id": 5,
            "image_id": 4,
            "category_id": 3,
            "segmentation": {"size": [6, 8], "counts": COUNTS},
            "bbox": [0, 0, 8, 6],
            "area": 12,
            "iscrowd": 1,
        },
        {
            "id": 6,
            "image_id": 12,
            "category_id": 3,
            "segmentation": {"size": [6, 8], "counts": "06T10"},
            "bbox": [0, 0, 8, 6],
            "area": 12,
            "iscrowd": 0,
        },
    ],
    "categories": [{"id": 17, "name": "cat"}, {"id": 3, "name": "car"}],
}


@pytest.fixture
def small():
    return copy.deepcopy(SMALL)


@pytest.fixture
def write(tmp_path):
    """Writes content as a dataset's folder; returns the folder."""

    def write(content, name="instances_val2017.json", pictures="val2017", size=(8, 6)):
        (tmp_path / "annotations").mkdir(exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "annotations" / name).write_text(text)
        if pictures is not None:
            (tmp_path / pictures).mkdir(parents=True, exist_ok=True)
            for number, letter in enumerate("abc"):
                Image.new("RGB", size, (number, 0, 0)).save(tmp_path / pictures / f"{letter}.png")
        return tmp_path

    return write


def columns(*names):
    mask = np.zeros((6, 8), dtype=bool)
    mask[:, list(names)] = True
    return mask


def test_a_sample_knows_what_the_file_says(write, small):
    dataset = coco(write(small))
    assert isinstance(dataset, Dataset)
    assert dataset.name == "coco(instances_val2017.json, 3 images)"
    assert dataset.ids == [4, 12, 30]
    assert dataset.class_names == {17: "cat", 3: "car"}

    sample = dataset[0]
    assert isinstance(sample, Sample)
    assert (sample.id, sample.image.shape, sample.image[0, 0, 0]) == (4, (6, 8, 3), 0)
    truth = sample.annotations
    assert truth.size == (6, 8)
    assert truth.boxes.dtype == np.float32
    assert truth.boxes.tolist() == [[1, 1, 5, 4], [0, 0, 8, 6]]
    assert truth.class_ids.tolist() == [17, 3]
    assert truth.ids.tolist() == [9, 5]
    assert truth.areas.tolist() == [11.5, 12]  # the file's own, not the masks'
    assert truth.is_crowd.tolist() == [False, True]
    assert truth.class_names == {17: "cat", 3: "car"}


def test_polygons_and_both_kinds_of_run_lengths_become_the_same_masks(write, small):
    dataset = coco(write(small))
    square, crowd = dataset[0].annotations.binary()
    expected = np.zeros((6, 8), dtype=bool)
    expected[1:4, 1:5] = True
    assert np.array_equal(square, expected)
    assert np.array_equal(crowd, columns(0, 7))
    assert np.array_equal(dataset[1].annotations.binary()[0], columns(0, 7))


def test_several_polygons_are_one_object_and_slivers_are_nothing(write, small):
    # Four numbers alone would be taken for a box by COCO's own code.
    slivers = [[5, 0, 1, 6], [0, 0]]
    small["annotations"][0]["segmentation"] = [*slivers, *SQUARE, [6, 0, 8, 0, 8, 6, 6, 6]]
    small["annotations"][1]["segmentation"] = []
    union, nothing = coco(write(small))[0].annotations.binary()
    assert union.sum() == 12 + 12
    assert not nothing.any()


def test_an_image_without_objects_has_empty_annotations(write, small):
    truth = coco(write(small))[2].annotations
    assert len(truth) == 0
    assert truth.boxes.shape == (0, 4)
    assert truth.binary().shape == (0, 6, 8)


def test_what_the_file_leaves_out_is_read_off_the_mask(write, small):
    for key in ("bbox", "area", "iscrowd"):
        del small["annotations"][0][key]
    truth = coco(write(small))[0].annotations
    assert truth.boxes[0].tolist() == [1, 1, 5, 4]
    assert truth.areas[0] == 12
    assert not truth.is_crowd[0]


def test_boxes_only(write, small):
    for one in small["annotations"]:
        del one["segmentation"]
    truth = coco(write(small))[0].annotations
    assert truth.run_lengths is None
    assert truth.boxes.tolist() == [[1, 1, 5, 4], [0, 0, 8, 6]]


def test_limit_takes_the_first_by_id(write, small):
    dataset = coco(write(small), limit=2)
    assert dataset.ids == [4, 12]
    assert dataset.name == "coco(instances_val2017.json, 3 images)[0:2]"


@pytest.mark.parametrize("pictures", ["val2017", "images/val2017", "images", ".", "train2014"])
def test_pictures_are_found_beside_the_annotations(write, small, pictures):
    root = write(small, pictures=pictures)
    assert coco(root / "annotations" / "instances_val2017.json")[1].image[0, 0, 0] == 1


def test_file_names_with_folders_and_pictures_elsewhere(write, small):
    for image in small["images"]:
        image["file_name"] = f"elsewhere/{image['file_name']}"
    root = write(small, pictures="elsewhere")
    assert coco(root)[1].image[0, 0, 0] == 1
    assert coco(root, images=root / "elsewhere")[1].image[0, 0, 0] == 1


def test_missing_pictures(write, small):
    root = write(small, pictures=None)
    with pytest.raises(FileNotFoundError, match=r"a\.png in .*; give its folder by images="):
        coco(root)
    with pytest.raises(FileNotFoundError, match="nowhere is no folder"):
        coco(root, images=root / "nowhere")
    write(small)
    (root / "val2017" / "a.png").unlink()  # One of three: the others are still good.
    dataset = coco(root)
    assert dataset[1].image.shape == (6, 8, 3)
    with pytest.raises(FileNotFoundError, match=r"a\.png"):
        dataset[0].image  # noqa: B018


def test_a_picture_of_another_size_is_refused(write, small):
    dataset = coco(write(small, size=(6, 8)))
    with pytest.raises(ValueError, match=r"a\.png is \(8, 6\).*annotations are \(6, 8\)"):
        dataset[0].image  # noqa: B018


def test_pictures_are_not_read_before_they_are_wanted(write, small):
    root = write(small)
    for letter in "abc":
        (root / "val2017" / f"{letter}.png").write_text("no picture")
    sample = coco(root)[0]
    assert len(sample.annotations) == 2
    with pytest.raises(ValueError, match=r"cannot read .*a\.png"):
        sample.image  # noqa: B018


def test_several_splits_must_be_chosen_from(write, small):
    root = write(small)
    write({**small, "images": small["images"][1:2], "annotations": []}, "instances_train2017.json")
    with pytest.raises(ValueError, match="split=, one of 'train2017', 'val2017'"):
        coco(root)
    with pytest.raises(ValueError, match="0 files that fit"):
        coco(root, split="test2017")
    assert len(coco(root, split="train2017")) == 1
    assert len(coco(root, split="val2017")) == 3


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither a JSON file nor a dataset's folder"):
        coco(tmp_path / "missing.json")
    with pytest.raises(FileNotFoundError, match=r"no instances\*\.json in"):
        coco(tmp_path)


def double_image(content):
    content["images"].append(content["images"][0])


def double_annotation(content):
    content["annotations"].append(content["annotations"][0])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (double_image, "image ids 30 more than once"),
        (double_annotation, "annotation ids 9 more than once"),
        (lambda c: c.pop("annotations"), "no list 'annotations'.*evaluate_results"),
        (lambda c: c["annotations"][0].pop("id"), r"annotation \? has no id"),
        (lambda c: c["categories"][0].pop("name"), "category 17 has no name"),
        (lambda c: c["annotations"][0].update(category_id=99), "annotation 9 has category_id 99"),
        (lambda c: c["annotations"][0].update(image_id=99), "annotation 9 has image_id 99"),
        (lambda c: c["images"][0].pop("height"), "image 30 has no height"),
        (lambda c: c["images"][0].pop("file_name"), "image 30 has no file_name.*samkit.data.lvis"),
    ],
)
def test_a_file_that_contradicts_itself_says_so(write, small, spoil, message):
    spoil(small)
    with pytest.raises(ValueError, match=message):
        list(coco(write(small)))[2].image  # noqa: B018


def test_links_that_exporters_leave_empty(write, small):
    small["images"][0]["coco_url"], small["images"][1]["coco_url"] = None, ""
    assert len(coco(write(small))) == 3


@pytest.mark.parametrize("text", ["no JSON", "[]", "\x00"])
def test_what_is_no_instances_file(write, text):
    with pytest.raises(ValueError, match=r"instances_val2017\.json (is no JSON|has no list)"):
        coco(write(text))


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (
            {"size": [8, 6], "counts": COUNTS},
            r"annotation 9: its mask has size \[8, 6\], its image \[6, 8\]",
        ),
        ({"counts": COUNTS}, "annotation 9: a segmentation is a list of polygons, or run"),
        (None, "annotation 9: a segmentation is a list of polygons, or run"),
    ],
)
def test_a_broken_mask_names_its_annotation(write, small, segmentation, message):
    small["annotations"][0]["segmentation"] = segmentation
    dataset = coco(write(small))
    assert len(dataset[1].annotations) == 1
    with pytest.raises(ValueError, match=message):
        dataset[0]


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools on numpy 2
def test_real_annotations_agree_with_pycocotools(test_data):
    from pycocotools.coco import COCO

    path = test_data / "coco_val2017_subset"
    dataset = coco(path)
    theirs = COCO(path / "annotations" / "instances_val2017.json")
    assert dataset.ids == sorted(theirs.imgs)
    assert (len(dataset), len(dataset.class_names)) == (78, 80)
    crowds = count = 0
    for sample in dataset:
        truth = sample.annotations
        records = theirs.loadAnns(theirs.getAnnIds(imgIds=sample.id))
        assert truth.ids.tolist() == [record["id"] for record in records]
        for ours, record in zip(truth.binary(), records, strict=True):
            assert np.array_equal(ours, theirs.annToMask(record) > 0)
        crowds, count = crowds + truth.is_crowd.sum(), count + len(truth)
    assert (count, crowds) == (609, 5)
    assert all(dataset[i].image.shape[:2] == dataset[i].annotations.size for i in range(5))


def test_boxes_only_reads_a_file_in_which_some_have_masks(small, tmp_path):
    del small["annotations"][0]["segmentation"]
    small["annotations"][1]["segmentation"] = []
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(small))
    for name in "abc":
        Image.new("RGB", (8, 6)).save(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match="annotation 9 has no segmentation"):
        coco(path)[0]
    truth = coco(path, boxes_only=True)[0].annotations
    assert truth.run_lengths is None and truth.ids.tolist() == [9, 5]
    assert truth.boxes.tolist() == [[1, 1, 5, 4], [0, 0, 8, 6]]
    assert truth.areas.tolist() == [11.5, 12]
