"""data.lvis: both versions, their pictures, and the federated labels."""

import json

import numpy as np
import pytest
from PIL import Image

from samkit.data import coco, lvis

URL = "http://images.cocodataset.org"


def content(**images):
    """An LVIS file with the fields of `images` for image 42, and for image 7."""
    return {
        "images": [
            {
                "id": id,
                "height": 6,
                "width": 8,
                "neg_category_ids": [3] if id == 42 else [],
                "not_exhaustive_category_ids": [1] if id == 42 else [],
                **{key: value.format(id=id) for key, value in images.items()},
            }
            for id in (42, 7)
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 42,
                "category_id": 1,
                "bbox": [1, 1, 4, 3],
                "area": 12.0,
                "segmentation": [[1, 1, 5, 1, 5, 4, 1, 4]],
            }
        ],
        "categories": [
            {"id": id, "name": name, "frequency": frequency, "synonyms": [name]}
            for id, name, frequency in [(1, "acorn", "r"), (2, "bun", "c"), (3, "cow", "f")]
        ],
    }


def write(root, what, pictures, name="lvis_v1_val.json"):
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / name).write_text(json.dumps(what))
    for red, picture in enumerate(pictures):
        (root / picture).parent.mkdir(parents=True, exist_ok=True)
        # Lossless whatever its name, so that its colour tells which one was read.
        Image.new("RGB", (8, 6), (red, 0, 0)).save(root / picture, format="PNG")
    return root


def test_federated_labels_and_frequencies(tmp_path):
    what = content(coco_url=URL + "/val2017/{id:012d}.jpg")
    dataset = lvis(write(tmp_path, what, ["val2017/000000000042.jpg"]))
    assert dataset.name == "lvis(lvis_v1_val.json, 2 images)"
    assert dataset.ids == [7, 42]
    plain, truth = dataset[0].annotations, dataset[1].annotations
    assert (truth.negative_class_ids, truth.not_exhaustive_class_ids) == ((3,), (1,))
    assert (plain.negative_class_ids, plain.not_exhaustive_class_ids) == ((), ())
    assert truth.class_frequency == {1: "r", 2: "c", 3: "f"}
    assert truth.class_names[2] == "bun"
    assert truth.binary().sum() == 12
    assert not truth.is_crowd.any()


def test_version_1_has_pictures_in_both_of_cocos_folders(tmp_path):
    # The same name in the wrong folder must not be taken.
    what = content(coco_url=URL + "/train2017/{id:012d}.jpg")
    what["images"][1]["coco_url"] = f"{URL}/val2017/000000000007.jpg"
    names = [
        "val2017/000000000042.jpg",
        "train2017/000000000007.jpg",
        "train2017/000000000042.jpg",
        "val2017/000000000007.jpg",
    ]
    small, large = lvis(write(tmp_path, what, names))
    assert (small.image[0, 0, 0], large.image[0, 0, 0]) == (3, 2)


def test_version_05_pictures_go_by_url_or_id_never_by_file_name(tmp_path):
    # v0.5 names the file of 2014; even where such a file lies about it is another picture.
    what = content(coco_url=URL + "/val2017/{id:012d}.jpg", file_name="COCO_val2014_{id:012d}.jpg")
    names = ["COCO_val2014_000000000042.jpg", "val2017/000000000042.jpg"]
    assert lvis(write(tmp_path, what, names))[1].image[0, 0, 0] == 1
    for image in what["images"]:
        del image["coco_url"]
    assert lvis(write(tmp_path, what, names))[1].image[0, 0, 0] == 1


def test_pictures_in_one_folder(tmp_path):
    what = content(coco_url=URL + "/train2017/{id:012d}.jpg")
    root = write(tmp_path, what, ["photos/000000000042.jpg"])
    assert lvis(root, images=root / "photos")[1].image.shape == (6, 8, 3)
    with pytest.raises(FileNotFoundError, match=r"train2017/000000000007\.jpg .*images=FOLDER"):
        lvis(root)


def test_splits_go_by_the_end_of_the_name(tmp_path):
    what = content(coco_url=URL + "/val2017/{id:012d}.jpg")
    root = write(tmp_path, what, ["val2017/000000000042.jpg"])
    write(tmp_path, what, [], name="lvis_v1_train.json")
    assert lvis(root, split="val").name.startswith("lvis(lvis_v1_val.json")
    assert lvis(root, split="v1_train").name.startswith("lvis(lvis_v1_train.json")
    with pytest.raises(ValueError, match="one of 'v1_train', 'v1_val'"):
        lvis(root)


def test_coco_and_lvis_tell_each_other_apart(tmp_path):
    what = content(coco_url=URL + "/val2017/{id:012d}.jpg")
    root = write(tmp_path, what, ["val2017/000000000042.jpg"])
    with pytest.raises(ValueError, match=r"no file_name.*samkit\.data\.lvis"):
        coco(root / "annotations" / "lvis_v1_val.json")
    for category in what["categories"]:
        del category["frequency"]
    write(tmp_path, what, [])
    with pytest.raises(ValueError, match=r"no frequency.*samkit\.data\.coco"):
        lvis(root)


def test_the_real_subset(test_data):
    dataset = lvis(test_data / "lvis_v0.5_subset")
    truths = [sample.annotations for sample in dataset]
    assert (len(dataset), sum(map(len, truths)), len(dataset.class_names)) == (14, 96, 1230)
    occurring = np.unique(np.concatenate([truth.class_ids for truth in truths]))
    assert len(occurring) == 27
    assert {truths[0].class_frequency[c] for c in occurring.tolist()} == {"r", "c", "f"}
    assert any(truth.negative_class_ids for truth in truths)
    for sample in dataset:
        assert sample.image.shape[:2] == sample.annotations.size
