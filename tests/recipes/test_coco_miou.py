"""The COCO check that `samkit verify` names, run as a user runs it."""

from pathlib import Path

import numpy as np
import pytest

from recipes.coco_miou import MeanIoU, Visible
from samkit import Annotations, Frame, Masks, Sample
from samkit.ops import rle
from tests.recipes.test_instance_seg import run, summary


@pytest.mark.parametrize("prompt", ["box", "point"])
def test_on_shapes(tmp_path: Path, prompt: str) -> None:
    text = run("coco_miou", "--limit", 4, "--prompt", prompt, "--out", tmp_path)
    found = summary(tmp_path)
    assert found["samples"] == 4 and found["errors"] == 0 and "EfficientViT-SAM" in text
    metrics = found["metrics"]
    assert 0 <= metrics["mIoU_low"] <= metrics["mIoU"] <= metrics["mIoU_high"] < 1
    assert found["paper"]["mIoU"] == {"box": 0.774, "point": 0.584}[prompt]


def test_on_photographs_with_crowds(test_data: Path, tmp_path: Path) -> None:
    data = test_data / "coco_val2017_subset/annotations/instances_val2017.json"
    run("coco_miou", "--data", data, "--limit", 8, "--prompt", "point", "--out", tmp_path)
    assert summary(tmp_path)["errors"] == 0


def scene(areas: list[int]) -> Sample:
    """Objects of so many pixels, the first pixels of the picture."""
    masks = np.arange(64 * 64).reshape(64, 64) < np.array(areas)[:, None, None]
    truth = Annotations(
        (64, 64),
        np.zeros((len(areas), 4), np.float32),
        np.zeros(len(areas), np.int64),
        tuple(rle.encode(masks)),
        areas=np.array(areas, float),
    )
    return Sample(id=1, image=np.zeros((64, 64, 3), np.uint8), annotations=truth)


def test_the_mean_is_over_objects_and_by_size() -> None:
    sample = scene([100, 2000])
    found = rle.encode(np.arange(64 * 64).reshape(64, 64) < np.array([50, 2000])[:, None, None])
    masks = Masks(Frame((64, 64), (64, 64), 64), run_lengths=tuple(found))
    row = MeanIoU().score(sample.replace(masks=masks))
    metrics = MeanIoU().summarise([row, {"iou": [0.3], "area": [50.0]}])
    assert metrics["mIoU"] == pytest.approx((0.5 + 1 + 0.3) / 3)
    assert metrics["mIoUs"] == pytest.approx(0.4) and metrics["mIoUm"] == pytest.approx(1)
    assert metrics["mIoUl"] is None


def test_objects_without_a_pixel_are_left_out() -> None:
    [sample] = Visible()([scene([0, 7, 0, 1])])
    assert sample.annotations is not None and sample.annotations.areas.tolist() == [7, 1]
