"""Results from outside: every number that the official evaluators gave for the reference files."""

import json

import numpy as np
import pytest

from samkit.data import coco, lvis
from samkit.metrics import MaskAP, evaluate_results
from samkit.types import Frame, Masks

VAL2014 = "eval_reference_coco/cocoapi_val2014_100"
VAL2017 = "eval_reference_coco/generated_on_val2017_subset"
COCO_TRUTH = "coco_val2017_subset/annotations/instances_val2017.json"
LVIS_TRUTH = "lvis_v0.5_subset/annotations/lvis_val_subset.json"
LVIS_RESULTS = "eval_reference_lvis/results_perturbed_gt.json"


@pytest.mark.parametrize("iou_type", ["segm", "bbox"])
@pytest.mark.parametrize(
    ("expected", "truth", "results"),
    [
        (
            VAL2014,
            f"{VAL2014}/instances_val2014_100.json",
            f"{VAL2014}/instances_val2014_fake{{}}100_results.json",
        ),
        (VAL2017, COCO_TRUTH, f"{VAL2017}/results_perturbed_gt.json"),
        ("eval_reference_lvis", LVIS_TRUTH, LVIS_RESULTS),
    ],
)
def test_reproduces_the_official_numbers(test_data, expected, truth, results, iou_type):
    numbers = json.loads((test_data / expected / "expected.json").read_text())
    summary = evaluate_results(
        test_data / truth, test_data / results.format(iou_type), iou_type, lvis="lvis" in truth
    )
    assert summary == pytest.approx(numbers["stats"][iou_type], abs=1e-6)
    others = [name for name in numbers if name.startswith(("asserted", "printed"))]
    for name in others:
        digits = 5e-4 if name.startswith("printed") else 1e-6
        assert summary == pytest.approx(numbers[name][iou_type], abs=digits)


@pytest.mark.parametrize(
    ("dataset", "truth", "results", "by_lvis"),
    [
        (coco, COCO_TRUTH, f"{VAL2017}/results_perturbed_gt.json", False),
        (lvis, LVIS_TRUTH, LVIS_RESULTS, True),
    ],
)
def test_samples_give_what_their_results_file_gives(
    test_data, tmp_path, dataset, truth, results, by_lvis
):
    records = json.loads((test_data / results).read_text())
    for record in records:
        del record["bbox"]
    by_mask = tmp_path / "results.json"
    by_mask.write_text(json.dumps(records))

    metric, rows = MaskAP(lvis=by_lvis), []
    for sample in dataset(test_data / truth):
        here = [record for record in records if record["image_id"] == sample.id]
        masks = Masks(
            Frame(sample.annotations.size, sample.annotations.size, 1024),
            run_lengths=tuple(record["segmentation"] for record in here),
            scores=np.array([record["score"] for record in here], dtype=np.float32),
            class_ids=np.array([record["category_id"] for record in here], dtype=np.int64),
        )
        rows.append(metric.score(sample.replace(masks=masks)))
    summary = metric.summarise(rows)
    assert summary == pytest.approx(
        evaluate_results(test_data / truth, by_mask, lvis=by_lvis), abs=1e-12
    )
    # With boxes the size bins are those of the boxes, and the numbers others.
    by_box = evaluate_results(test_data / truth, test_data / results, lvis=by_lvis)
    assert summary["AP"] == pytest.approx(by_box["AP"], abs=1e-12)
    assert any(abs(summary[name] - by_box[name]) > 0.001 for name in ("APs", "APm", "APl"))


TRUTH = {
    "images": [{"id": 7, "height": 40, "width": 60}],
    "annotations": [
        {
            "id": 1,
            "image_id": 7,
            "category_id": 3,
            "bbox": [10, 10, 20, 20],
            "area": 400,
            "iscrowd": 0,
            "segmentation": [[10, 10, 30, 10, 30, 30, 10, 30]],
        }
    ],
    "categories": [{"id": 3, "name": "car"}],
}
RESULT = {"image_id": 7, "category_id": 3, "score": 0.5, "bbox": [10, 10, 20, 20]}


@pytest.fixture
def answer(tmp_path):
    def evaluate(results, truth=TRUTH, **settings):
        (tmp_path / "truth.json").write_text(json.dumps(truth))
        text = results if isinstance(results, str) else json.dumps(results)
        (tmp_path / "results.json").write_text(text)
        return evaluate_results(tmp_path / "truth.json", tmp_path / "results.json", **settings)

    return evaluate


def test_a_lone_box_is_the_mask_that_fills_it(answer):
    assert answer([RESULT])["AP"] == pytest.approx(1)
    assert answer([RESULT], iou_type="bbox")["AP"] == pytest.approx(1)
    assert answer([{**RESULT, "bbox": [30, 10, 20, 20]}])["AP"] == 0


def test_no_results_are_no_error(answer):
    assert answer([])["AP"] == 0


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([{**RESULT, "image_id": 8}], r"image_id values that the images have not: 8 \(record 0\)"),
        ([RESULT, {**RESULT, "image_id": "7"}], r"that the images have not: 7 \(record 1\)"),
        ([{**RESULT, "category_id": 0}], "category_id values that the categories have not: 0"),
        ([{**RESULT, "image_id": [7]}], r"results\.json, result 0: image_id is a whole number or"),
        ([{**RESULT, "category_id": 3.5}], "result 0: category_id is a whole number, got 3.5"),
        ([{"image_id": 7, "category_id": 3, "bbox": [1, 1, 1, 1]}], "result 0 has no score"),
        ([RESULT, {**RESULT, "bbox": []}], r"results\.json, result 1 has no segmentation and"),
        ([{"image_id": 7, "category_id": 3, "score": 0.5}], "no segmentation and no bbox; give it"),
        (
            [RESULT, {**RESULT, "bbox": [], "segmentation": [[0, 0, 9, 0, 9, 9]]}],
            "result 1: it has no bbox, but the first result has one; give all results a bbox, or",
        ),
        (
            [RESULT, {**RESULT, "segmentation": {"size": [60, 40], "counts": [2400]}}],
            r"result 1 \(of image 7\): its mask has size \[60, 40\], its image \[40, 60\].*masks are",
        ),
        ([{**RESULT, "segmentation": {"size": [40, 60], "counts": "0"}}], "result 0 .*add up to 0"),
        ([{**RESULT, "segmentation": 5}], "result 0 .*list of polygons, or run lengths"),
        ([{**RESULT, "bbox": [1, 1, -4, 4]}], r"result 0: bbox is \[x, y, width, height\]"),
        ([{**RESULT, "bbox": [1, 1, float("inf"), 4]}], "result 0: bbox is"),
        (
            [{**RESULT, "score": float("nan")}],
            r"result 0: score is a finite number .drop the result.*got nan",
        ),
        ([{**RESULT, "score": float("inf")}], "result 0: score is a finite number .*got inf"),
        ([{**RESULT, "score": "0.5"}], "score is a finite number .*got '0.5'"),
        ([{**RESULT, "score": None}], "score is a finite number .*got None"),
        ([5], "result 0: a record is an object, got 5"),
        ({"annotations": []}, "no results file"),
        ("image_id,score", "no JSON file"),
    ],
)
def test_results_that_do_not_fit_are_refused(answer, results, message):
    with pytest.raises(ValueError, match=message):
        answer(results)


def test_annotations_must_be_annotations(answer):
    with pytest.raises(ValueError, match="no COCO file"):
        answer([RESULT], truth=[RESULT])


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("images", {"height": 0}, r"truth\.json, image 0: height is a whole number above 0"),
        ("images", {"width": "60"}, "image 0: width is a whole number above 0, got '60'"),
        ("images", {"id": {}}, "image 0: id is a whole number or a text"),
        ("images", {"id": 8}, r"annotations have image_id values that the images have not: 7"),
        ("images", {"neg_category_ids": 5}, "image 0: neg_category_ids is a list"),
        ("categories", {"id": "3"}, "category 0: id is a whole number, got '3'"),
        ("categories", {"id": 4}, "annotations have category_id values .*: 3 .record 0"),
        ("annotations", {"area": float("nan")}, "annotation 0: area is a finite number, got nan"),
        ("annotations", {"iscrowd": "no"}, "annotation 0: iscrowd is 0 or 1"),
        ("annotations", {"segmentation": [[1, 2, 3]]}, r"annotation 0 \(of image 7\): a polygon"),
        ("annotations", {"segmentation": [], "bbox": []}, "annotation 0 has no segmentation"),
    ],
)
def test_annotations_of_another_kind(answer, kind, change, message):
    with pytest.raises(ValueError, match=message):
        answer([RESULT], truth={**TRUTH, kind: [{**TRUTH[kind][0], **change}]})


def test_images_are_listed_once(answer):
    with pytest.raises(ValueError, match="has the image ids 7 more than once"):
        answer([RESULT], truth={**TRUTH, "images": TRUTH["images"] * 2})
