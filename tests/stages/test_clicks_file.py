"""Masks of another method, from a file: measured like those that were clicked for."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from samkit import Sample, evaluate
from samkit.data.masks import annotations_from_masks
from samkit.metrics import ClickIoU
from samkit.ops import rle
from samkit.stages import ClicksFromFile
from samkit.testing import check_stage, example_samples


def block(width: int) -> np.ndarray:
    mask = np.zeros((6, 8), bool)
    mask[1:4, :width] = True
    return mask


def sample(*masks: np.ndarray) -> Sample:
    truth = annotations_from_masks(np.stack(masks), {1: "block"})
    return Sample("a", np.zeros((6, 8, 3), np.uint8), truth)


def record(number: int, mask: np.ndarray, **more: float) -> dict[str, object]:
    return {
        "image_id": "a",
        "annotation_id": number,
        "segmentation": rle.encode(mask[None])[0],
        **more,
    }


def file(path: Path, records: object) -> Path:
    path.write_text(json.dumps(records))
    return path


def test_by_hand(tmp_path: Path) -> None:
    truth = sample(block(4), np.zeros((6, 8), bool), block(8))
    records = [
        record(0, block(2), score=0.7),
        record(0, block(3), clicks=3),
        record(2, block(8)),
        record(2, block(4), clicks=3),
    ]
    path = file(tmp_path / "other.json", records)
    [done] = ClicksFromFile(path, (1, 3))([truth])
    np.testing.assert_allclose(done.clicks.iou, [[0.5, 0.5, 0.75], [1, 1, 0.5]])
    assert done.clicks.objects.tolist() == [0, 2] and done.clicks.skipped.tolist() == [1]
    assert done.clicks.predicted_iou[0, 0] == 0.7
    metrics = evaluate([truth], ClicksFromFile(path, (1, 3)), ClickIoU(), progress=False)["metrics"]
    assert metrics["mIoU@1"] == 0.75 and metrics["mIoU@3"] == 0.625 and metrics["oracle"] == 0.75


def test_annotation_ids_where_the_data_has_them_and_ignored_pixels(tmp_path: Path) -> None:
    truth = sample(block(4))
    [rest] = rle.encode((block(8) & ~block(4))[None])
    truth = truth.replace(annotations=replace(truth.annotations, ids=np.array([77]), ignored=rest))
    [done] = ClicksFromFile(file(tmp_path / "o.json", [record(77, block(8))]))([truth])
    assert done.clicks.iou.tolist() == [[1.0]]


def test_laws(tmp_path: Path) -> None:
    records = [
        {"image_id": s.id, "annotation_id": int(id), "segmentation": rle.encode(mask[None])[0]}
        for s in example_samples()
        for id, mask in zip(s.annotations.ids, s.annotations.binary(), strict=True)
    ]
    check_stage(ClicksFromFile(file(tmp_path / "all.json", records)))


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ClicksFromFile(tmp_path / "nowhere.json")
    few = ClicksFromFile(file(tmp_path / "few.json", [record(0, block(2))]))
    with pytest.raises(ValueError, match="annotation_id 1, clicks 1; every object needs one"):
        few([sample(block(4), block(5))])
    for content, told in (
        ({"a": 1}, "not a list"),
        ([{"image_id": "a"}], "record 0 lacks"),
        ([record(0, block(1)), record(0, block(2))], "record 1 is a second mask"),
    ):
        with pytest.raises(ValueError, match=told):
            ClicksFromFile(file(tmp_path / "bad.json", content))([sample(block(4))])
    small = ClicksFromFile(file(tmp_path / "small.json", [record(0, block(2)[:3])]))
    with pytest.raises(ValueError, match="size"):
        small([sample(block(4))])
