"""MaskAR: equal to pycocotools on a one-category truth, and every rule once by hand."""

import contextlib
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import samkit
from samkit.data import coco, lvis
from samkit.metrics import MaskAR
from samkit.metrics.paper import LVIS_PROPOSALS
from samkit.ops import rle
from samkit.ops.boxes import xyxy_to_xywh
from samkit.stages import Embed, Grid, Proposals, RankByQuality, Segment, Top
from samkit.types import Sample
from tests.metrics.scenes import HEIGHT, WIDTH, Thing, random_things, sample

A, B, C = (0, 0, 40, 40), (60, 0, 40, 40), (0, 60, 40, 40)
NAMES = {"": "all", "s": "small", "m": "medium", "l": "large"}


def pycocotools_recall(
    samples: Sequence[Sample], limit: int, iou_type: str = "segm", classes: Any = None
) -> dict[str, float]:
    """AR, ARs, ARm, ARl at `limit` with useCats = 0; all truth, or that of some classes.

    The proposals are given whatever category the truth has.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    content: dict[str, Any] = {"info": {}, "categories": [{"id": 1}], "annotations": []}
    content["images"] = [
        {"id": i, "height": s.annotations.size[0], "width": s.annotations.size[1]}
        for i, s in enumerate(samples)
    ]
    results = []
    for i, one in enumerate(samples):
        truth = one.annotations
        for n, box in enumerate(xyxy_to_xywh(truth.boxes).tolist()):
            if classes is None or int(truth.class_ids[n]) in classes:
                record = {"id": len(content["annotations"]) + 1, "image_id": i, "category_id": 1}
                record |= {"area": float(truth.areas[n]), "iscrowd": int(truth.is_crowd[n])}
                record |= {"bbox": box, "segmentation": truth.run_lengths[n]}
                content["annotations"].append(record)
        results += one.masks.replace(class_ids=None).to_coco(i, bbox=False)
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO()
        reference.dataset = content
        reference.createIndex()
        evaluator = COCOeval(reference, reference.loadRes(results), iou_type)
        evaluator.params.useCats = 0
        evaluator.params.maxDets = [1, limit]
        evaluator.evaluate()
        evaluator.accumulate()
    recall = evaluator.eval["recall"][:, 0, :, -1]
    means = [float(r[r > -1].mean()) if (r > -1).any() else -1.0 for r in recall.T]
    return dict(zip(NAMES, means, strict=True))


def summarise(metric: MaskAR, *samples: Sample) -> dict[str, float]:
    return metric.summarise([metric.score(one) for one in samples])


@pytest.mark.parametrize("iou_type", ["segm", "bbox"])
@pytest.mark.parametrize("seed", range(6))
def test_equals_pycocotools(seed: int, iou_type: str) -> None:
    # Crowds, stated areas on the borders of sizes, equal scores, images without objects.
    samples = [sample(*image) for image in random_things(seed)]
    metric = MaskAR((1, 5, 1000), iou_type)
    ours = summarise(metric, *samples)
    for limit in metric.limits:
        theirs = pycocotools_recall(samples, limit, iou_type)
        assert ours[f"AR@{limit}"] == pytest.approx(theirs[""], abs=1e-9)
    for size in "sml":
        assert ours[f"AR{size}@1000"] == pytest.approx(theirs[size], abs=1e-9)
    assert 0.05 < theirs[""] < 0.95  # A case that all or nothing solves would show nothing.


@pytest.mark.parametrize("seed", range(3))
def test_frequencies_are_subsets_of_the_truth(seed: int) -> None:
    letters = {2: "r", 3: "c", 5: "f", 8: "f"}
    samples = [sample(*image, class_frequency=letters) for image in random_things(seed)]
    ours = summarise(MaskAR((4, 7)), *samples)
    for letter in "fcr":
        classes = [c for c, frequency in letters.items() if frequency == letter]
        theirs = pycocotools_recall(samples, 7, classes=classes)
        assert ours[f"AR{letter}@7"] == pytest.approx(theirs[""], abs=1e-9)


SUBSETS = {"lvis": (lvis, "lvis_v0.5_subset"), "coco": (coco, "coco_val2017_subset")}


def same_as_pycocotools(samples: list[Sample], iou_type: str) -> None:
    ours = summarise(MaskAR((10, 1000), iou_type), *samples)
    for limit in (10, 1000):
        theirs = pycocotools_recall(samples, limit, iou_type)
        assert ours[f"AR@{limit}"] == pytest.approx(theirs[""], abs=1e-9)
    for size in "sml":
        assert ours[f"AR{size}@1000"] == pytest.approx(theirs[size], abs=1e-9)
    assert 0 < ours["AR@1000"] < 1


@pytest.fixture(scope="module", params=SUBSETS.values(), ids=SUBSETS)
def masks_of_tiny(request, test_data) -> list[Sample]:
    """Three photographs, one with a crowd where there are crowds, and a mask for each of 64 points."""
    reader, folder = request.param
    dataset = reader(test_data / folder)
    crowded = [s.id for s in dataset if s.annotations.is_crowd.any()][:1]
    chosen = [dataset[dataset.ids.index(id)] for id in [*crowded, *dataset.ids[:3]][:3]]
    sam = samkit.load_sam("tiny", device="cpu")
    found = (Grid(8) | Embed(sam) | Segment(sam))(chosen)
    return [sample.replace(masks=sample.masks.with_run_lengths()) for sample in found]


@pytest.mark.parametrize("iou_type", ["segm", "bbox"])
def test_equals_pycocotools_on_masks_of_tiny(masks_of_tiny, iou_type) -> None:
    same_as_pycocotools(masks_of_tiny, iou_type)


@pytest.mark.slow  # every photograph there is, five minutes
@pytest.mark.parametrize(("reader", "folder"), SUBSETS.values(), ids=SUBSETS)
def test_equals_pycocotools_on_all_proposals_of_tiny(reader, folder, test_data) -> None:
    sam = samkit.load_sam("tiny", device="cpu")
    find = Embed(sam) | Proposals(
        sam,
        points_per_side=16,
        pred_iou_thresh=0,
        stability_score_thresh=0,
        box_nms_thresh=0.9,
    )
    samples = list((find | RankByQuality() | Top(1000)).stream(reader(test_data / folder)))
    assert len(samples) == len(reader(test_data / folder)) and samples[0].masks.points is not None
    for iou_type in ("segm", "bbox"):
        same_as_pycocotools(samples, iou_type)


def test_the_names_are_those_of_the_papers_table() -> None:
    summary = summarise(MaskAR(), sample(1, [Thing(A)], [], class_frequency={2: "f"}))
    assert set(LVIS_PROPOSALS["SAM"]) <= set(summary)
    assert "ARf@1000" not in summarise(MaskAR(), sample(1, [Thing(A)], []))


def test_a_row_is_one_rank_per_object_threshold_and_subset() -> None:
    # Of 40 x 40 pixels: 38 rows have IoU .95, 26 rows .65; found as second and third.
    true = [Thing(A, 2), Thing(C, 3)]
    found = [
        Thing(B, score=0.9),
        Thing((0, 0, 40, 38), score=0.8),
        Thing((0, 60, 40, 26), score=0.7),
    ]
    row = MaskAR().score(sample(1, true, found, class_frequency={2: "r", 3: "f"}))
    first, second = [2] * 10, [3] * 4 + [0] * 6
    assert row == {
        "image_id": 1,
        "proposals": 3,
        "ranks": {
            "": [first, second],
            "s": [],
            "m": [first, second],
            "l": [],
            "f": [second],
            "c": [],
            "r": [first],
        },
    }
    assert json.loads(json.dumps(row)) == row
    summary = MaskAR((1, 2, 3)).summarise([row])
    assert [summary[f"AR@{k}"] for k in (1, 2, 3)] == pytest.approx([0, 0.5, 0.7])


def test_proposals_of_any_category_count() -> None:
    # The golden case. lvis-api drops the second and third: nobody looked for their classes here.
    true = [Thing(A, 2), Thing(B, 3), Thing(C, 5)]
    found = [Thing(A, 2, 0.5), Thing(B, 9, 0.9), Thing(C, 1_000_000, 0.7)]
    labels = {"class_frequency": {2: "f", 3: "c", 5: "r"}, "negative_class_ids": (8,)}
    summary = summarise(MaskAR(), sample(1, true, found, **labels))
    expected = ["AR@1000", "ARf@1000", "ARc@1000", "ARr@1000"]
    assert [summary[name] for name in expected] == [1, 1, 1, 1]
    # Nor does a class put one proposal before another: the order given does.
    equal = [Thing(B, 9, 0.5), Thing(A, 2, 0.5)]
    assert summarise(MaskAR((1,)), sample(1, [Thing(B)], equal))["AR@1"] == 1


def test_objects_outside_a_size_range_leave_their_matches_to_others() -> None:
    # One proposal, nearest to the large object: it matches the small one where only that counts.
    true = [Thing((0, 0, 30, 30)), Thing((0, 0, 36, 36), area=10_000.0)]
    summary = summarise(MaskAR(), sample(1, true, [Thing((0, 0, 35, 35))]))
    # IoU .73 with the small one: five thresholds, .50 to .70; .945 with the large one: nine.
    assert summary["ARs@1000"] == pytest.approx(0.5)
    assert summary["ARl@1000"] == pytest.approx(0.9)
    assert summary["AR@1000"] == pytest.approx(0.45)


def test_a_border_of_sizes_belongs_to_both() -> None:
    for area, sizes in [(1024.0, "sm"), (9216.0, "ml"), (1025.0, "m")]:
        row = MaskAR().score(sample(1, [Thing(A, area=area)], []))
        assert "".join(s for s in "sml" if row["ranks"][s]) == sizes


def test_a_crowd_is_no_object_to_find() -> None:
    true = [Thing(A), Thing((50, 50, 60, 60), crowd=True)]
    found = [Thing((50, 50, 60, 60), score=0.9), Thing((52, 52, 9, 9), score=0.8), Thing(A)]
    summary = summarise(MaskAR(), sample(1, true, found))
    assert summary["AR@1000"] == 1 and summary["proposals"] == 3


def test_more_than_a_thousand_proposals() -> None:
    noise = [Thing((int(x), 100, 3, 3), score=0.9) for x in np.arange(1200) % 100]
    one = sample(1, [Thing(A)], [*noise, Thing(A, score=0.5)])
    assert summarise(MaskAR((1000,)), one)["AR@1000"] == 0
    assert summarise(MaskAR((1201,)), one)["AR@1201"] == 1


def test_the_interval_is_of_images() -> None:
    hit, miss = sample(1, [Thing(A)], [Thing(A)]), sample(2, [Thing(A)], [])
    spread = summarise(MaskAR((9,)), *[hit] * 10, *[miss] * 10)
    assert spread["AR@9"] == 0.5 and 0.2 < spread["AR@9_low"] < 0.4 < spread["AR@9_high"] < 0.8
    sure = summarise(MaskAR((9,)), hit, sample(3, [], [Thing(A)]))
    assert sure["AR@9"] == sure["AR@9_low"] == sure["AR@9_high"] == 1


def test_masks_that_hold_nothing_find_nothing() -> None:
    one = sample(1, [Thing(A)], [])
    empty = rle.encode(np.zeros((2, HEIGHT, WIDTH), bool))
    masks = one.masks.from_binary(np.zeros((2, HEIGHT, WIDTH), bool))
    assert masks.rle() == empty
    assert summarise(MaskAR(), one.replace(masks=masks))["AR@10"] == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"iou_type": "mask"}, "'segm' or 'bbox'"),
        ({"limits": ()}, "from 1 up"),
        ({"limits": (100, 10)}, "rising"),
        ({"limits": (0, 10)}, "from 1 up"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        MaskAR(**settings)
