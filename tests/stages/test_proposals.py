"""Everything mode: the laws, its own promises, and what is out of the ordinary."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch

from samkit import draw, load_sam, stored
from samkit.data import sa1b_content
from samkit.ops import rle
from samkit.ops.containment import mask_levels, mask_parents
from samkit.ops.crops import crop_masks
from samkit.ops.label_map import label_map
from samkit.pipeline import Pipeline
from samkit.sam.model import Sam
from samkit.stages import Embed, Filter, Merge, NonMaxSuppression, Proposals, RankByQuality, Top
from samkit.testing import check_stage, example_samples
from samkit.testing.differences import difference, pixels_apart
from samkit.types import Masks, Sample

# What of the shipped model's answers passes: some masks of each picture, not all.
LOOSE: dict[str, Any] = {"pred_iou_thresh": 0.05, "stability_score_thresh": 0.02}
ALL: dict[str, Any] = {"pred_iou_thresh": 0, "stability_score_thresh": 0}
CROPS: dict[str, Any] = {"crop_n_layers": 1, "crop_n_points_downscale_factor": 2}


@pytest.fixture(scope="module")
def sam() -> Sam:
    return load_sam("tiny", device="cpu")


@pytest.fixture(scope="module")
def embedded(sam: Sam) -> list[Sample]:
    return Embed(sam)(example_samples())


def masks_of(stage: Proposals, samples: list[Sample]) -> list[Masks]:
    return [sample.masks for sample in stage(samples)]


@pytest.mark.parametrize(
    "settings",
    [
        {"points_per_side": 3, **LOOSE},
        {"points_per_side": 3, "keep_logits": True, **ALL},
        {"points_per_side": 2, "keep_logits": True, "crop_n_layers": 1, **ALL},
        {"points_per_side": 2, "min_mask_region_area": 20, **CROPS, **LOOSE},
        {"points_per_side": 0},
    ],
    ids=["plain", "logits", "logits of crops", "crops", "no points"],
)
def test_the_laws(sam: Sam, settings: dict[str, Any]) -> None:
    samples = example_samples()
    # Every crop is encoded, and the laws take many calls.
    chosen = samples[-2:] if "crop_n_layers" in settings else samples
    check_stage(Proposals(sam, **settings), before=Embed(sam), samples=chosen)


def same(ours: list[Masks], theirs: list[Masks]) -> None:
    assert difference(ours, theirs, 1e-5) is None
    counts = [pixels_apart(a, b) for a, b in zip(ours, theirs, strict=True)]
    assert sum(apart for apart, _ in counts) <= 1e-4 * sum(total for _, total in counts)


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_points_per_batch_changes_nothing(sam: Sam, embedded: list[Sample], batch: int) -> None:
    settings = {"points_per_side": 5, **LOOSE}
    expected = masks_of(Proposals(sam, **settings), embedded)
    assert sum(map(len, expected)) > 10
    same(masks_of(Proposals(sam, points_per_batch=batch, **settings), embedded), expected)


def test_embeddings_come_from_disk_crops_too(sam: Sam, tmp_path: Path) -> None:
    kept = stored(sam, tmp_path)
    stage = Proposals(kept, points_per_side=4, **CROPS, **LOOSE)
    first = (Embed(kept) | stage)(example_samples())
    files = sorted(path.name for path in tmp_path.iterdir())
    assert len(files) > len(first)

    def refuse(images: Any) -> Any:
        raise AssertionError(f"{len(images)} pictures encoded that are on disk")

    sam_without_encoder = load_sam("tiny", device="cpu")
    sam_without_encoder.encode = refuse  # type: ignore[method-assign]
    again = stored(sam_without_encoder, tmp_path)
    second = (Embed(again) | Proposals(again, points_per_side=4, **CROPS, **LOOSE))(
        example_samples()
    )
    assert difference([s.masks for s in first], [s.masks for s in second]) is None


@pytest.mark.slow  # forty seconds
def test_photographs_do_not_depend_on_batches_either(sam: Sam, tmp_path: Path) -> None:
    names = ("astronaut", "chelsea", "coffee")
    samples = [Sample(id=name, image=getattr(skimage.data, name)()) for name in names]
    settings = {"points_per_side": 12, "min_mask_region_area": 100, **CROPS, **LOOSE}
    # A store rounds what it keeps, whether it was computed just now or read.
    for model, others in ((sam, [(17, 1), (300, 2)]), (stored(sam, tmp_path), [(64, 3), (5, 1)])):
        together = (Embed(model) | Proposals(model, **settings))(samples)
        expected = [sample.masks for sample in together]
        assert min(map(len, expected)) > 20
        for batch, at_once in others:
            stage = Proposals(model, points_per_batch=batch, **settings)
            found = (Embed(model) | stage).stream(samples, batch_size=at_once)
            same([sample.masks for sample in found], expected)


def test_each_mask_tells_its_point_and_crop(sam: Sam, embedded: list[Sample]) -> None:
    [masks] = masks_of(Proposals(sam, points_per_side=4, **CROPS, **LOOSE), embedded[-1:])
    assert masks.frame == embedded[-1].embedding.frame and len(masks) > 3
    assert masks.points.shape == (len(masks), 2) and masks.crop_boxes.shape == (len(masks), 4)
    assert (masks.points >= masks.crop_boxes[:, :2]).all()
    assert (masks.points <= masks.crop_boxes[:, 2:]).all()
    assert len({tuple(box) for box in masks.crop_boxes.tolist()}) > 1
    asked = np.concatenate([masks.points, masks.crop_boxes], axis=1)
    numbers = {tuple(row): number for row, number in zip(asked, masks.prompt_index, strict=True)}
    assert len(set(numbers.values())) == len(numbers), "one number for each point of each crop"
    assert 16 <= max(numbers.values()) < 16 + 4 * 4
    boxes = masks.boxes()
    assert (boxes[:, :2] >= masks.crop_boxes[:, :2]).all()
    assert (boxes[:, 2:] < masks.crop_boxes[:, 2:]).all()
    # Rows go together: a mask picked out keeps its own point.
    np.testing.assert_array_equal(masks[[2, 0]].points, masks.points[[2, 0]])


def test_logits_are_those_of_the_masks(sam: Sam, embedded: list[Sample]) -> None:
    for layers in (0, 1):
        find = Proposals(sam, points_per_side=4, keep_logits=True, crop_n_layers=layers, **ALL)
        for masks in masks_of(find, embedded):
            assert masks.logits is not None and len(masks.logits) == len(masks)
            parts = list(masks.by_crop())
            assert sum(map(len, parts)) == len(masks)
            assert masks.lie_in_crops == (len(np.unique(masks.crop_boxes, axis=0)) > 1)
            for part in parts:
                apart, total = pixels_apart(part.replace(run_lengths=None), part)
                assert apart <= 1e-4 * total
            assert (masks.areas() > 0).all()


def test_coverage_drops_what_fills_the_picture(sam: Sam, embedded: list[Sample]) -> None:
    settings = {"points_per_side": 4, "box_nms_thresh": 1.0, **ALL}
    [masks] = masks_of(Proposals(sam, **settings), embedded[-1:])
    share = masks.areas() / embedded[-1].image[..., 0].size
    bound = float(np.sort(share)[len(share) // 2])
    [fewer] = masks_of(Proposals(sam, max_coverage=bound, **settings), embedded[-1:])
    assert 0 < len(fewer) < len(masks)
    assert fewer.rle() == masks[share < bound].rle()


def test_small_regions_go_and_small_masks_if_asked(sam: Sam, embedded: list[Sample]) -> None:
    settings = {"points_per_side": 4, "min_mask_region_area": 60, **ALL}
    [kept] = masks_of(Proposals(sam, **settings), embedded[-1:])
    [dropped] = masks_of(Proposals(sam, drop_small_masks=True, **settings), embedded[-1:])
    assert len(dropped) and (dropped.areas() >= 60).all()
    assert len(dropped) < len(kept) and (kept.areas() < 60).any()


def test_progress_counts_points(sam: Sam, embedded: list[Sample]) -> None:
    calls: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        calls.append((done, total))

    stage = Proposals(sam, points_per_side=3, points_per_batch=4, progress=note)
    stage(embedded[:2])
    assert calls == [(4, 18), (8, 18), (9, 18), (13, 18), (17, 18), (18, 18)]
    assert repr(stage) == repr(Proposals(sam, points_per_side=3, points_per_batch=4))


HARMLESS: dict[str, dict[str, Any]] = {
    "no points": {"points_per_side": 0, **ALL},
    "no points of one's own": {"points_per_side": None, "point_grids": [np.zeros((0, 2))], **ALL},
    "nothing is that good": {"points_per_side": 2, "pred_iou_thresh": 2.0},
    "nothing is that stable": {"points_per_side": 2, **ALL, "stability_score_thresh": 2.0},
    "crops as well": {"points_per_side": 2, "crop_n_layers": 1, "pred_iou_thresh": 2.0},
    "cleaned": {"points_per_side": 2, "min_mask_region_area": 9, "pred_iou_thresh": 2.0},
    "logits": {"points_per_side": 2, "keep_logits": True, "pred_iou_thresh": 2.0},
}


@pytest.mark.parametrize("settings", HARMLESS.values(), ids=HARMLESS)
def test_an_empty_result_is_one(sam: Sam, embedded: list[Sample], settings: dict[str, Any]) -> None:
    for masks in masks_of(Proposals(sam, **settings), embedded[:2]):
        assert_empty(masks)


def assert_empty(masks: Masks) -> None:
    """Nothing was found, and every form that masks can take holds that."""
    height, width = masks.frame.original_size
    assert len(masks) == 0
    assert masks.binary().shape == (0, height, width)
    assert masks.rle() == [] and masks.to_coco(1) == [] and len(masks.to_detections()) == 0
    assert masks.boxes().shape == (0, 4) and masks.points.shape == (0, 2)
    assert masks.crop_boxes.shape == (0, 4) and masks.stability_score.shape == (0,)
    sample = Sample(id=1, image=np.zeros((height, width, 3), np.uint8), masks=masks)
    content = json.loads(json.dumps(sa1b_content(sample, "1.png"), allow_nan=False))
    assert content["annotations"] == []
    assert label_map(masks.rle(), (height, width)).tolist() == [[0] * width] * height
    assert mask_levels(mask_parents(masks.rle())).tolist() == []
    assert list(crop_masks(sample.image, masks.rle())) == []
    assert draw(sample).size[0] > 0
    choose = RankByQuality() | Filter(min_area=1, touching_border=False) | NonMaxSuppression()
    [after] = (choose | Merge(0.8, inside=0.9, union=True) | Top(5))([sample])
    assert after.masks is not None and len(after.masks) == 0


def test_one_point_black_pictures_and_few_pixels(sam: Sam) -> None:
    sizes = [(1, 1), (2, 5), (5, 2), (30, 40)]
    samples = [Sample(id=str(size), image=np.zeros((*size, 3), np.uint8)) for size in sizes]
    for settings in ({"points_per_side": 1}, {"points_per_side": 2, "crop_n_layers": 2}):
        for masks in masks_of(Proposals(sam, **settings, **ALL), Embed(sam)(samples)):
            assert masks.binary().shape == (len(masks), *masks.frame.original_size)


@pytest.mark.parametrize("settings", [{}, {"crop_n_layers": 1, "min_mask_region_area": 5}])
def test_logits_that_are_no_numbers(settings: dict[str, Any]) -> None:
    broken = load_sam("tiny", device="cpu")
    with torch.no_grad():
        for name, weight in broken.mask_decoder.named_parameters():
            if "hypernetworks" in name:
                weight.fill_(float("nan"))
    pipeline = Embed(broken) | Proposals(broken, points_per_side=2, **settings, **ALL)
    for sample in pipeline(example_samples()[:2]):
        assert sample.masks is not None
        assert_empty(sample.masks)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"points_per_side": None}, "points_per_side or point_grids"),
        ({"point_grids": [np.zeros((1, 2))]}, "the other as None"),
        ({"points_per_side": -1}, "points_per_side is at least 0"),
        ({"points_per_batch": 0}, "points_per_batch is at least 1"),
        ({"stability_score_offset": -1.0}, "stability_score_offset is at least 0"),
        ({"crop_n_points_downscale_factor": 0}, "downscale_factor is at least 1"),
        ({"drop_small_masks": True}, "min_mask_region_area"),
        (
            {"points_per_side": None, "point_grids": [np.zeros((1, 2))], "crop_n_layers": 1},
            "2 in all; got 1",
        ),
        ({"points_per_side": None, "point_grids": [np.zeros((2, 3))]}, r"got shape \(2, 3\)"),
        ({"points_per_side": None, "point_grids": [[[3.0, 0.5]]]}, "from 0 to 1"),
    ],
)
def test_settings_that_contradict(sam: Sam, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Proposals(sam, **settings)


def test_the_image_is_read_only_for_crops(sam: Sam) -> None:
    assert Pipeline([Proposals(sam)]).reads == ("embedding",)
    assert Pipeline([Proposals(sam, crop_n_layers=1)]).reads == ("image", "embedding")


def test_the_repr_tells_the_points(sam: Sam) -> None:
    grids = [np.array([[0.25, 0.5]])]
    assert "point_grids=(((0.25, 0.5),),)" in repr(
        Proposals(sam, points_per_side=None, point_grids=grids)
    )


def test_run_lengths_are_valid_for_other_tools(sam: Sam, embedded: list[Sample]) -> None:
    for masks in masks_of(Proposals(sam, points_per_side=4, **ALL), embedded):
        assert rle.encode(masks.binary()) == masks.rle()
