"""Data as the world sends it: a clear error before the run, or an error row in it; runs always end."""

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samkit import evaluate, load_sam
from samkit.data import coco, folder
from samkit.pipeline import Stage
from samkit.stages import BoxesFromFile, Embed, Grid, GroundTruthBoxes, Segment
from samkit.types import Sample

NAMES = "abcdef"
SIZE = (24, 32)


@dataclass(frozen=True)
class CountMasks:
    """How many masks a sample got: enough to see who was scored."""

    def score(self, sample: Sample) -> dict[str, Any]:
        assert sample.masks is not None
        return {"masks": len(sample.masks), "pixels": int(sample.masks.areas().sum())}

    def summarise(self, rows: list[dict[str, Any]]) -> dict[str, float]:
        return {"masks": float(sum(row["masks"] for row in rows))}


def content() -> dict[str, Any]:
    """Six images with one object each."""
    boxes = {letter: [4, 5, 10, 8] for letter in NAMES}
    return {
        "images": [
            {"id": i, "file_name": f"{letter}.png", "height": SIZE[0], "width": SIZE[1]}
            for i, letter in enumerate(NAMES)
        ],
        "annotations": [
            {
                "id": 10 + i,
                "image_id": i,
                "category_id": 1,
                "bbox": boxes[letter],
                "segmentation": [[4, 5, 14, 5, 14, 13, 4, 13]],
                "area": 80,
                "iscrowd": 0,
            }
            for i, letter in enumerate(NAMES)
        ],
        "categories": [{"id": 1, "name": "thing"}],
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A COCO folder that is in order."""
    root = tmp_path / "data"
    (root / "annotations").mkdir(parents=True)
    (root / "val2017").mkdir()
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(content()))
    rng = np.random.default_rng(0)
    for letter in NAMES:
        pixels = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "val2017" / f"{letter}.png")
    return root


@pytest.fixture(scope="module")
def pipeline() -> Stage:
    sam = load_sam("tiny", device="cpu")
    return GroundTruthBoxes() | Embed(sam) | Segment(sam, multimask_output=False)


def run(samples: Any, pipeline: Stage, out: Path) -> tuple[dict[str, Any], dict[Any, str]]:
    """The summary, and the errors by sample id as the row file has them."""
    summary = evaluate(samples, pipeline, CountMasks(), out=out, batch_size=2, progress=False)
    lines = (out / "rows.jsonl").read_text().splitlines()[1:]
    rows = [json.loads(line) for line in lines]
    assert len(rows) == summary["samples"] == len(samples)
    return summary, {row["id"]: row["error"] for row in rows if "error" in row}


def corrupt_jpeg(path: Path) -> None:
    Image.new("RGB", SIZE[::-1], (9, 9, 9)).save(path, "JPEG")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "corrupt jpeg": (corrupt_jpeg, r"ValueError: cannot read .*b\.png as a picture"),
    "zero bytes": (lambda path: path.write_bytes(b""), r"ValueError: cannot read .*b\.png"),
    "text": (lambda path: path.write_text("not a picture"), r"cannot read .*it is none of JPEG"),
    "missing": (Path.unlink, r"FileNotFoundError: no picture b\.png"),
    "another size": (
        lambda path: Image.new("RGB", (5, 6)).save(path),
        r"ValueError: .*b\.png is \(6, 5\).*its annotations are \(24, 32\)",
    ),
    "a bomb": (
        lambda path: Image.new("1", (12_000, 12_000)).save(path),
        r"has more than 89478485 pixels.*SAMKIT_MAX_PIXELS",
    ),
}


@pytest.mark.filterwarnings("ignore:Image size")  # Pillow's own, said before our refusal
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_picture_is_an_error_row(
    data: Path, tmp_path: Path, pipeline: Stage, fault: str
) -> None:
    spoil, told = BROKEN[fault]
    spoil(data / "val2017" / "b.png")
    summary, errors = run(coco(data), pipeline, tmp_path / "out")
    assert (summary["errors"], summary["metrics"]["masks"]) == (1, 5)
    assert list(errors) == [1]
    assert re.search(told, errors[1])


def test_a_mended_picture_is_tried_again(data: Path, tmp_path: Path, pipeline: Stage) -> None:
    path = data / "val2017" / "b.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert run(coco(data), pipeline, tmp_path / "out")[0]["errors"] == 1
    path.write_bytes(whole)
    mended, _ = run(coco(data), pipeline, tmp_path / "out")
    unbroken, _ = run(coco(data), pipeline, tmp_path / "other")
    assert mended["errors"] == 0
    assert mended["metrics"] == unbroken["metrics"]


def test_nothing_but_broken_pictures_says_so(data: Path, tmp_path: Path, pipeline: Stage) -> None:
    for path in (data / "val2017").iterdir():
        path.write_bytes(b"")
    with pytest.raises(RuntimeError, match=r"all 6 samples failed, the first .0. with ValueError"):
        run(coco(data), pipeline, tmp_path / "out")


def test_a_folder_of_pictures(data: Path, tmp_path: Path) -> None:
    sam = load_sam("tiny", device="cpu")
    corrupt_jpeg(data / "val2017" / "c.jpg")
    (data / "val2017" / "d.png").write_text("text")
    asked = Grid(2) | Embed(sam) | Segment(sam, multimask_output=False)
    summary, errors = run(folder(data / "val2017"), asked, tmp_path / "out")
    assert (summary["samples"], summary["errors"]) == (7, 2)
    assert sorted(errors) == ["c.jpg", "d.png"]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda c: c["annotations"][2].update(category_id=7), "annotation 12 has category_id 7"),
        (lambda c: c["annotations"][2].update(image_id=77), "annotation 12 has image_id 77"),
        (lambda c: c["annotations"][2].update(id=10), "annotation ids 10 more than once"),
        (lambda c: c["images"][2].update(id=1), "image ids 1 more than once"),
        (lambda c: c["images"].clear(), "has image_id 0, which the file's images do not list"),
        (lambda c: c["annotations"][2].update(bbox=[1, 2]), "annotation 12: bbox is .x, y"),
    ],
)
def test_a_file_that_contradicts_itself_is_told_before_the_run(
    data: Path, spoil: Callable[[dict[str, Any]], Any], told: str
) -> None:
    wrong = copy.deepcopy(content())
    spoil(wrong)
    (data / "annotations" / "instances_val2017.json").write_text(json.dumps(wrong))
    with pytest.raises(ValueError, match=told):
        coco(data)


def test_a_missing_annotation_file_is_told_before_the_run(data: Path) -> None:
    (data / "annotations" / "instances_val2017.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no instances\*\.json in"):
        coco(data)
    with pytest.raises(FileNotFoundError, match="neither a JSON file nor a dataset's folder"):
        coco(data / "annotations" / "instances_val2017.json")


@pytest.mark.parametrize(
    ("box", "error"),
    [
        ([-3, -2, 40, 30], None),  # beyond all four borders: passed on as it stands
        ([31, 23, 5, 5], None),
        ([100, 100, 9, 9], "prompt 0 of image 0 lies wholly outside it: box .100.0, 100.0, 109.0"),
        ([-50, 5, 20, 8], "lies wholly outside it"),
    ],
)
def test_boxes_outside_the_image(
    data: Path, tmp_path: Path, pipeline: Stage, box: list[float], error: str | None
) -> None:
    outside = content()
    outside["annotations"][2]["bbox"] = box
    (data / "annotations" / "instances_val2017.json").write_text(json.dumps(outside))
    summary, errors = run(coco(data), pipeline, tmp_path / "out")
    assert summary["errors"] == len(errors) == (error is not None)
    assert summary["metrics"]["masks"] == 6 - len(errors)
    if error is not None:
        assert re.search(error, errors[2])


def test_a_detectors_box_outside_the_image(data: Path, tmp_path: Path) -> None:
    boxes = [
        {"image_id": i, "category_id": 1, "bbox": [4 + 100 * (i == 3), 5, 10, 8], "score": 0.5}
        for i in range(5)
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    sam = load_sam("tiny", device="cpu")
    asked = BoxesFromFile(tmp_path / "boxes.json") | Embed(sam) | Segment(sam)
    summary, errors = run(coco(data), asked, tmp_path / "out")
    assert list(errors) == [3]
    assert (summary["samples"], summary["errors"]) == (6, 1)


def test_a_broken_mask_is_an_error_row(data: Path, tmp_path: Path, pipeline: Stage) -> None:
    wrong = content()
    wrong["annotations"][4]["segmentation"] = {"size": [10**6, 10**6], "counts": "0"}
    (data / "annotations" / "instances_val2017.json").write_text(json.dumps(wrong))
    summary, errors = run(coco(data), pipeline, tmp_path / "out")
    assert summary["errors"] == 1
    assert "annotation 14: its mask has size [1000000, 1000000]" in errors[4]
