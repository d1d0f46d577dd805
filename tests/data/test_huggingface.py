"""data.huggingface: pictures with masks or boxes, in every form that the library stores."""

import json

import numpy as np
import pytest
from PIL import Image

from samkit import Prompts, evaluate, load_sam
from samkit.data import huggingface
from samkit.metrics import ClickIoU
from samkit.ops import rle
from samkit.stages import Clicks, Embed
from tests.data.sa23_layouts import LOW, RING, SIZE, SQUARE, SQUARE_XY, flat

datasets = pytest.importorskip("datasets")
MAP = np.where(SQUARE, 3, np.where(RING, 7, 0)).astype(np.uint8)


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def photo(red, size=SIZE):
    return Image.fromarray(np.full((*size, 3), (red, 60, 90), np.uint8))


def grey(pixels):
    return Image.fromarray(np.asarray(pixels).astype(np.uint8))


def table(columns, features=None):
    features = {
        "image": datasets.Image(),
        "mask": datasets.Image(),
        "masks": datasets.List(datasets.Image()),
        "image_id": datasets.Value("int64"),
        **(features or {}),
    }
    chosen = {name: features[name] for name in columns}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(chosen))


def with_map(count=2):
    images = [photo(red) for red in range(10, 10 + count)]
    ids = list(range(40, 40 + count))
    return table({"image": images, "mask": [grey(MAP)] * count, "image_id": ids})


def check_map(dataset, ids=(40, 41)):
    assert dataset.ids == list(ids)
    for red, sample in enumerate(dataset, start=10):
        assert sample.image[0, 0].tolist() == [red, 60, 90]
        truth = sample.annotations
        assert np.array_equal(truth.binary(), [SQUARE, RING])
        assert truth.ids.tolist() == [3, 7] and truth.class_ids.tolist() == [1, 1]


def test_an_object_of_the_library():
    check_map(huggingface(with_map()))
    both = datasets.DatasetDict({"train": with_map(), "test": with_map(1)})
    assert len(huggingface(both, split="test")) == 1
    with pytest.raises(ValueError, match="has the splits train, test; choose one by split="):
        huggingface(both)
    with pytest.raises(ValueError, match="has the splits train, test; choose one by split="):
        huggingface(both, split="val")
    with pytest.raises(ValueError, match="is one split, None; leave split= out"):
        huggingface(with_map(), split="train")
    assert huggingface(with_map(3), limit=2).ids == [40, 41]


@pytest.mark.parametrize("streaming", [False, True])
def test_parquet(tmp_path, streaming):
    with_map().to_parquet(tmp_path / "some.parquet")
    limit = 2 if streaming else None
    for source in (tmp_path / "some.parquet", str(tmp_path)):
        dataset = huggingface(source, streaming=streaming, limit=limit)
        check_map(dataset)
    assert dataset.name == f"huggingface({tmp_path.name}, train, 2 images)"
    if streaming:
        with pytest.raises(ValueError, match="read row by row; say how many by limit="):
            huggingface(tmp_path, streaming=True)
        assert huggingface(tmp_path, streaming=True, limit=9).ids == [40, 41]


def test_saved_to_disk(tmp_path):
    with_map().save_to_disk(tmp_path / "one")
    check_map(huggingface(tmp_path / "one"))
    datasets.DatasetDict({"train": with_map()}).save_to_disk(tmp_path / "dict")
    check_map(huggingface(tmp_path / "dict", split="train"))


def test_a_folder_of_pictures(tmp_path):
    folder = tmp_path / "photos/train"
    (folder / "masks").mkdir(parents=True)
    lines = []
    for red in (10, 11):
        photo(red).save(folder / f"{red}.png")
        grey(MAP).save(folder / f"masks/{red}.png")
        lines.append({"file_name": f"{red}.png", "mask_file_name": f"masks/{red}.png"})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    check_map(huggingface(tmp_path / "photos"), ids=(0, 1))


def test_a_generator_streamed():
    def rows():
        for number in range(5):
            yield {"image": photo(10 + number), "mask": grey(MAP), "image_id": 40 + number}

    features = with_map().features
    stream = datasets.IterableDataset.from_generator(rows, features=features)
    check_map(huggingface(stream, limit=2))
    unknown = datasets.IterableDataset.from_generator(rows)
    with pytest.raises(ValueError, match="does not tell its columns"):
        huggingface(unknown, limit=2)


def test_a_map_of_classes():
    dataset = huggingface(with_map(), masks_are="classes")
    assert dataset[0].annotations.class_ids.tolist() == [3, 7]


def test_a_picture_for_each_object():
    masks = [[grey(255 * mask) for mask in (SQUARE, RING)], []]
    [first, second] = huggingface(table({"image": [photo(1), photo(2)], "masks": masks}))
    assert np.array_equal(first.annotations.binary(), [SQUARE, RING])
    assert len(second.annotations) == 0 and second.annotations.size == SIZE
    assert second.image.shape == (*SIZE, 3)
    uneven = [[grey(SQUARE), grey(SQUARE[:5])]]
    dataset = huggingface(table({"image": [photo(1)], "masks": uneven}))
    with pytest.raises(ValueError, match=r"row 0: masks of several sizes.*\(5, 16\), \(12, 16\)"):
        dataset[0]


def detections(kind, objects, features):
    category = datasets.ClassLabel(names=["cat", "dog"])
    inner = {**features, "category": category}
    # Records of lists, or a list of records: both are usual.
    if kind == "records of lists":
        told = {key: [one[key] for one in objects] for key in inner}
        feature = {key: datasets.List(one) for key, one in inner.items()}
    else:
        told, feature = objects, datasets.List(inner)
    return table({"image": [photo(1)], "objects": [told]}, {"objects": feature})


@pytest.mark.parametrize("kind", ["records of lists", "list of records"])
def test_detections(kind):
    box = datasets.List(datasets.Value("float32"), length=4)
    objects = [{"bbox": [3, 2, 5, 4], "category": 1}, {"bbox": [1, 8, 4, 3], "category": 0}]
    made = detections(kind, objects, {"bbox": box})
    [sample] = huggingface(made, box_format="xywh")
    truth = sample.annotations
    assert truth.boxes.tolist() == [[3, 2, 8, 6], [1, 8, 5, 11]]
    assert truth.size == SIZE and truth.run_lengths is None
    assert [truth.class_names[c] for c in truth.class_ids] == ["dog", "cat"]
    assert huggingface(made, box_format="xyxy")[0].annotations.boxes[0].tolist() == [3, 2, 5, 4]
    assert Prompts.from_boxes(truth.boxes).boxes.shape == (2, 4)
    with pytest.raises(ValueError, match=r'boxes in objects.bbox are, by box_format="xyxy" or'):
        huggingface(made)
    assert huggingface(made, box_format="xywh").class_names == {0: "cat", 1: "dog"}


def test_polygons_and_run_lengths():
    number = datasets.Value("float32")
    polygons = datasets.List(datasets.List(number))
    square = {"segmentation": [flat(SQUARE_XY)], "category": 0}
    [sample] = huggingface(detections("list of records", [square], {"segmentation": polygons}))
    assert np.array_equal(sample.annotations.binary(), [SQUARE])
    single = {"segmentation": flat(SQUARE_XY), "category": 0}
    alone = detections("list of records", [single], {"segmentation": datasets.List(number)})
    assert np.array_equal(huggingface(alone)[0].annotations.binary(), [SQUARE])
    [ring] = rle.encode(RING[None])
    text = {"size": datasets.List(datasets.Value("int64")), "counts": datasets.Value("string")}
    for kind in ("list of records", "records of lists"):
        objects = [{"segmentation": ring, "category": 1}]
        made = detections(kind, objects, {"segmentation": text})
        assert np.array_equal(huggingface(made)[0].annotations.binary(), [RING])
    wrong = {"segmentation": {**ring, "size": [3, 3]}, "category": 1}
    made = detections("list of records", [wrong], {"segmentation": text})
    with pytest.raises(ValueError, match=r"row 0: objects.segmentation: .*\[3, 3\].*\[12, 16\]"):
        huggingface(made)[0]


def test_named_columns():
    columns = {"photo": [photo(9)], "other": [photo(8)], "leaf": [grey(LOW)], "key": ["a"]}
    features = {name: datasets.Image() for name in ("photo", "other", "leaf")}
    made = table(columns, {**features, "key": datasets.Value("string")})
    [sample] = huggingface(made, image="photo", masks="leaf", id="key")
    assert (sample.id, sample.image[0, 0, 0]) == ("a", 9)
    assert np.array_equal(sample.annotations.binary(), [LOW])
    present = "columns are photo, other, leaf, key"
    with pytest.raises(ValueError, match=f"2 columns could be the picture; {present}; .* image="):
        huggingface(made, masks="leaf")
    with pytest.raises(ValueError, match=f"no column 'bild' for image=; {present}"):
        huggingface(made, image="bild")
    with pytest.raises(ValueError, match=f"neither masks nor boxes found; {present}; .* masks= or"):
        huggingface(made, image="photo")
    with pytest.raises(ValueError, match="no picture column; columns are key; name it by image="):
        huggingface(made.select_columns(["key"]))


def test_columns_of_the_whole_picture_are_left_alone():
    """A small copy of the picture, and a class that is not of its objects."""
    columns = {"image": [photo(5)], "thumbnail": [photo(6)], "mask": [grey(MAP)], "label": [1]}
    features = {"thumbnail": datasets.Image(), "label": datasets.ClassLabel(names=["in", "out"])}
    [sample] = huggingface(table(columns, features))
    assert sample.image[0, 0, 0] == 5
    masks = {**columns, "masks": [[grey(SQUARE)]]}
    del masks["mask"]
    truth = huggingface(table(masks, features))[0].annotations
    assert truth.class_ids.tolist() == [1] and truth.class_names == {1: "object"}


def test_ids_that_occur_twice():
    made = table({"image": [photo(1)] * 2, "mask": [grey(MAP)] * 2, "image_id": [7, 7]})
    with pytest.raises(ValueError, match="has sample ids twice: 7"):
        huggingface(made)


def test_rows_that_cannot_be_read_are_told_by_their_number():
    cells = [{"bytes": b"no picture", "path": None}, None, photo(3, (9, 9))]
    dataset = huggingface(table({"image": cells, "mask": [grey(MAP)] * 3}))
    told = [
        "row 0: cannot read its bytes as a picture",
        "row 1: there is no picture",
        r"row 2: image is \(9, 9\) \(height, width\), mask is \(12, 16\)",
    ]
    for sample, text in zip(dataset, told, strict=True):
        assert len(sample.annotations) == 2
        with pytest.raises(ValueError, match=text):
            sample.image  # noqa: B018
    gone = table({"image": [photo(1)], "mask": [{"bytes": None, "path": "gone.png"}]})
    with pytest.raises(ValueError, match=r"row 0: .*gone.png"):
        huggingface(gone)[0]


def test_no_picture_is_decoded_before_it_is_asked_for(monkeypatch):
    opened = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **k: opened.append(1) or original(*a, **k))
    dataset = huggingface(with_map(3))
    assert not opened
    sample = dataset[1]
    assert len(opened) == 1
    sample.loaded()
    assert len(opened) == 2


def test_evaluate_runs_on_it(tmp_path):
    with_map().to_parquet(tmp_path / "some.parquet")
    sam = load_sam("tiny")
    dataset = huggingface(tmp_path / "some.parquet")
    pipeline = Embed(sam) | Clicks(sam, (1, 2))
    summary = evaluate(dataset, pipeline, ClickIoU(), out=tmp_path / "out", progress=False)
    assert (summary["samples"], summary["errors"]) == (2, 0)
    assert summary["metrics"]["objects"] == 4 and 0 <= summary["metrics"]["mIoU@1"] <= 1
