"""Readers answer or refuse whatever lies in a file; they never crash, hang or fill the memory."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from samkit import load_sam
from samkit.data import coco
from samkit.evaluation.rows import read_rows
from samkit.ops import rle
from samkit.sam import embedding_file
from samkit.sam.embedding_file import DamagedFileError
from samkit.sam.hub import HUB_POSITIONS, hub_names
from samkit.sam.model import Sam
from samkit.stages import BoxesFromFile
from samkit.types import Frame, ImageEmbedding
from tests.fuzz.readers import READERS
from tests.fuzz.tensor_readers import SMALLEST
from tests.fuzz.valid import BOXES, INSTANCES, ROWS

ROOT = Path(__file__).parents[2]


def fuzz(cases: int, first_seed: int, *readers: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz.readers", str(cases), str(first_seed), *readers]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=3000
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_a_few_mutated_files() -> None:
    fuzz(50, 0, *READERS)  # in one process: starting it takes longer than the cases


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_ten_thousand_mutated_files(reader: str) -> None:
    fuzz(10_000, 1000, reader)


# What follows was found so: it crashed, hung or took gigabytes once.


@pytest.mark.parametrize(
    ("segmentation", "told"),
    [
        ([[1e9, 0, -1e9, 5, 1e9, 9]], "corners are pixels of its image"),
        ([[0, 0, 9e6, 0, 0, 9e6]], "outline is .* pixels long"),
        ([[float("nan"), 0, 1, 0, 1, 1]], "corners are pixels of its image"),
        ([[float("inf"), 0, 1, 0, 1, 1]], "corners are pixels of its image"),
        ([[1, 1, 5, 1, 5, 4, 1]], "in pairs"),
        ([[1, 1, 5, 1, 5, "4"]], "flat list of numbers"),
        ([[1, 1, 5, 1, 5, [4]]], "flat list of numbers"),
        (["abcdef"], "in pairs"),
        ("abcdef", "list of polygons, or run lengths"),
        (None, "list of polygons, or run lengths"),
        ({"size": [10**6, 10**6], "counts": "0"}, r"size \[1000000, 1000000\], its image \[6, 8\]"),
        ({"size": [6, 8], "counts": [2**31, -(2**31)]}, "run lengths are from 0 to 48"),
        ({"size": [6, 8], "counts": [-1, 49]}, "run lengths are from 0 to 48.*got -1"),
        ({"size": [6, 8], "counts": [40]}, "add up to 40, its image has 48 pixels"),
        ({"size": [6, 8], "counts": []}, "add up to 0"),
        ({"size": [6, 8], "counts": [10**30]}, "flat list of numbers"),
        ({"size": [6, 8], "counts": "9"}, "add up to 9"),
        ({"size": [6, 8], "counts": "0P"}, "no compressed run lengths"),
        ({"size": [6, 8], "counts": "oooooooooooooo1"}, "no compressed run lengths"),
        ({"size": [6, 8], "counts": "!!"}, "no compressed run lengths"),
        ({"size": [6, 8], "counts": "ü"}, "ASCII"),
        ({"size": [6, 8], "counts": 48}, "a text or a list of numbers, got 48"),
        ({"size": "68", "counts": "0"}, "size '68'"),
        ({"size": [6, 8]}, "size and counts"),
    ],
)
def test_hostile_segmentations(segmentation: Any, told: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ValueError, match=told):
        rle.from_coco(segmentation, 6, 8)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("run_lengths", "told"),
    [
        ({"size": [10**6, 10**6], "counts": "0"}, 'mask 1: expected {"size"'),
        ({"size": [6, 8], "counts": b"06T10"}, 'mask 1: expected {"size"'),
        ({"size": [6, 8], "counts": [48]}, 'mask 1: expected {"size"'),
        ({"size": [6], "counts": "06T10"}, 'mask 1: expected {"size"'),
        ({"size": [6.0, 8], "counts": "06T10"}, 'mask 1: expected {"size"'),
        ({"counts": "06T10"}, 'mask 1: expected {"size"'),
        (None, 'mask 1: expected {"size"'),
        ({"size": [6, 8], "counts": "0P"}, "compressed run lengths|cannot read these|exceed"),
        ({"size": [6, 8], "counts": "oo"}, "compressed run lengths|the coder cannot read these"),
    ],
)
def test_run_lengths_that_no_reader_has_checked(run_lengths: Any, told: str) -> None:
    both = [{"size": [6, 8], "counts": "06T10"}, run_lengths]
    for function in (rle.areas, rle.boxes_xywh, rle.decode, lambda given: rle.iou(given, both[:1])):
        with pytest.raises(ValueError, match=told):
            function(both)


def test_a_mask_that_fills_the_memory_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    few_bytes = {"size": [40_000, 40_000], "counts": "PPf^]m1"}
    with pytest.raises(ValueError, match="40000 x 40000 has more than .*SAMKIT_MAX_PIXELS"):
        rle.decode([few_bytes])
    monkeypatch.setenv("SAMKIT_MAX_PIXELS", "47")
    with pytest.raises(ValueError, match="6 x 8 has more than 47 pixels"):
        rle.decode([{"size": [6, 8], "counts": "06T10"}])
    with pytest.raises(ValueError, match="decoded together have one size"):
        rle.decode([{"size": [6, 8], "counts": "06T10"}, {"size": [8, 6], "counts": "06T10"}])


@pytest.mark.parametrize(
    "change",
    [
        {"dtypes": {"map": "save"}},
        {"dtypes": {"map": " "}},
        {"dtypes": {"map": 0.5}},
        {"dtypes": {}},
        {"frame": {}},
        {"frame": None},
        {
            "frame": {
                "original_size": [0, 4],
                "resized_size": [4, 4],
                "model_size": 4,
                "crop_box": None,
            }
        },
        {"key": 5},
    ],
)
def test_an_embedding_that_misleads_with_a_right_checksum(tmp_path: Path, change: Any) -> None:
    embedding = ImageEmbedding({"map": torch.ones(2, 2)}, Frame.fit((4, 4), 4))
    whole = embedding_file.to_bytes(embedding, "key")
    (tmp_path / "whole").write_bytes(whole)
    assert torch.equal(
        embedding_file.read(tmp_path / "whole", "key", "cpu")["map"], embedding["map"]
    )
    length, tensors = int.from_bytes(whole[:8], "little"), load(whole)
    about = json.loads(json.loads(whole[8 : 8 + length])["__metadata__"]["about"])
    text = json.dumps({**about, **change})
    metadata = {"about": text, "checksum": embedding_file._checksum(text, tensors)}
    (tmp_path / "odd").write_bytes(save(tensors, metadata))
    with pytest.raises(DamagedFileError):
        embedding_file.read(tmp_path / "odd", "key", "cpu")


def test_a_mask_that_no_32_bit_number_counts() -> None:
    with pytest.raises(ValueError, match="at most 2147483647 pixels"):
        rle.from_coco([], 10**6, 10**6)


@pytest.mark.parametrize(
    ("where", "key", "value", "told"),
    [
        ("images", "id", [4], "image .4.: id is a whole number or a text"),
        ("images", "id", "a", "numbers and some that are texts"),
        ("images", "height", "6", "image 4: height is a whole number above 0, got '6'"),
        ("images", "width", 0, "width is a whole number above 0, got 0"),
        ("images", "height", 10**9, "1000000000 x 8, more than .* SAMKIT_MAX_PIXELS"),
        ("images", "file_name", 5, "file_name is a text, got 5"),
        ("annotations", "image_id", {}, "annotation 9: image_id is a whole number or a text"),
        ("annotations", "category_id", True, "category_id is a whole number, got True"),
        ("annotations", "bbox", [1, 1, -4, 3], r"bbox is \[x, y, width, height\]"),
        ("annotations", "bbox", [1, 1, float("nan"), 3], r"bbox is \[x, y, width, height\]"),
        ("annotations", "bbox", [1, 1, 1e300, 3], r"bbox is \[x, y, width, height\]"),
        ("annotations", "area", "12", "area is a number"),
        ("annotations", "iscrowd", [], "iscrowd is 0 or 1"),
        ("categories", "name", None, "category 17: name is a text"),
    ],
)
def test_values_of_another_kind(
    tmp_path: Path, where: str, key: str, value: Any, told: str
) -> None:
    content = json.loads(json.dumps(INSTANCES))
    content[where][0][key] = value
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=told) as caught:
        coco(path)
    assert str(path) in str(caught.value)


def test_file_names_that_no_disk_holds(tmp_path: Path) -> None:
    content = json.loads(json.dumps(INSTANCES))
    content["images"][0]["file_name"] = "a" * 5000
    content["images"][1]["file_name"] = "\x00"
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    with pytest.raises(FileNotFoundError, match="no picture aaaa"):
        coco(path)


def test_brackets_without_end(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    path.write_text("[" * 200_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        coco(path)
    with pytest.raises(ValueError, match="nested too deeply"):
        BoxesFromFile(path)([])
    path.write_text("[" * 200_000 + "\n")
    with pytest.raises(ValueError, match="line 1 is damaged .it is nested too deeply"):
        read_rows(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("category_id", float("inf")),
        ("category_id", 10**30),
        ("bbox", [1, 1, 1e300, 1]),
        ("score", 1e300),
        ("score", float("nan")),
        ("image_id", True),
        ("image_id", [4]),
    ],
)
def test_boxes_of_another_kind(tmp_path: Path, key: str, value: Any) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps([BOXES[0], {**BOXES[1], key: value}]))
    with pytest.raises(ValueError, match=rf"boxes\.json, record 1: .*{key.partition('_')[0]}"):
        BoxesFromFile(path)([])


@pytest.mark.parametrize(
    ("line", "change", "told"),
    [
        (1, {"samples": "2"}, "line 1 is damaged .it says that there are '2' samples"),
        (1, {"resumed": [5]}, "line 1 is damaged .it says that it was resumed"),
        (2, {"index": None}, "line 2 is damaged .its index is None of 2 samples"),
        (2, {"index": 2}, "its index is 2 of 2 samples"),
        (2, {"index": True}, "its index is True"),
        (2, {"row": 5}, "neither a row nor an error"),
        (3, {"error": None}, "line 3 is damaged .it has neither"),
        (3, {"seconds": None}, "its seconds are None"),
        (3, {"seconds": {"data": "1"}}, "its seconds are"),
    ],
)
def test_rows_of_another_kind(tmp_path: Path, line: int, change: Any, told: str) -> None:
    rows = [{**row, **change} if i == line else row for i, row in enumerate(ROWS, start=1)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ValueError, match=told):
        read_rows(path)


def test_run_lengths_that_fill_too_little_are_no_endless_loop() -> None:
    good, short = {"size": [6, 8], "counts": "06T10"}, {"size": [6, 8], "counts": "0"}
    for act in (lambda: rle.iou([short], [good]), lambda: rle.union([good, short])):
        with pytest.raises(ValueError, match="mask [01]: run lengths add up to 0"):
            act()


def test_a_hub_file_whose_matrix_of_positions_is_sparse(tmp_path: Path) -> None:
    tensors = hub_names(Sam(SMALLEST).state_dict())
    tensors[HUB_POSITIONS[0]] = tensors[HUB_POSITIONS[0]].to_sparse()
    torch.save(tensors, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=r"positional_encoding_gaussian_matrix holds .*sparse"):
        load_sam(tmp_path / "weights.pth", device="cpu")
