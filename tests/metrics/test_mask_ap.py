"""MaskAP: equal to pycocotools, and every rule once by hand."""

import json
import random

import numpy as np
import pytest

from samkit.metrics import MaskAP
from samkit.types import Annotations, Sample
from tests.metrics.scenes import Thing, pycocotools_numbers, random_things, sample

A, B, C = (0, 0, 40, 40), (60, 0, 40, 40), (0, 60, 40, 40)


def summarise(metric, *samples):
    return metric.summarise([metric.score(one) for one in samples])


@pytest.mark.parametrize("class_agnostic", [False, True])
@pytest.mark.parametrize("iou_type", ["segm", "bbox"])
@pytest.mark.parametrize("seed", range(6))
def test_equals_pycocotools(seed, iou_type, class_agnostic):
    images = random_things(seed)
    metric = MaskAP(iou_type, class_agnostic=class_agnostic)
    ours = summarise(metric, *(sample(*image) for image in images))
    theirs = pycocotools_numbers(images, iou_type, class_agnostic)
    assert 0.02 < theirs["AP"] < 0.95  # A case that all or nothing solves would show nothing.
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_rows_survive_json_and_any_order():
    # Seed 1 has equal scores across images, where the order of images decides.
    metric, images = MaskAP(), random_things(1)
    rows = [metric.score(sample(*image)) for image in images]
    stored = json.loads(json.dumps(rows))
    assert stored == rows
    expected = metric.summarise(rows)
    for seed in range(3):
        random.Random(seed).shuffle(stored)
        assert metric.summarise(stored) == expected


def test_rows_hold_numbers_only():
    row = MaskAP().score(sample(1, [Thing(A)], [Thing(A, score=0.5), Thing(B, 3, 0.25)]))
    assert row == {
        "image_id": 1,
        "classes": [
            {
                "class_id": 2,
                "scores": [0.5],
                "areas": [1600.0],
                "true_areas": [1600.0],
                "crowd": [0],
                "iou": [[0, 0, 1.0]],
            },
            {
                "class_id": 3,
                "scores": [0.25],
                "areas": [1600.0],
                "true_areas": [],
                "crowd": [],
                "iou": [],
            },
        ],
    }


def test_the_answer_may_be_perfect_half_nothing_or_undefined():
    assert summarise(MaskAP(), sample(1, [Thing(A)], [Thing(A)]))["AP"] == pytest.approx(1)
    assert summarise(MaskAP(), sample(1, [Thing(A)], [Thing(B)]))["AP"] == 0
    assert summarise(MaskAP(), sample(1, [Thing(A)], []))["AR100"] == 0
    assert summarise(MaskAP(), sample(1, [], [Thing(A)]))["AP"] == -1
    # The wrong one ranks first: at every recall the precision is a half.
    wrong_first = sample(1, [Thing(A)], [Thing(B, score=0.9), Thing(A, score=0.8)])
    assert summarise(MaskAP(), wrong_first)["AP"] == pytest.approx(0.5)


def test_classes_must_fit_unless_agnostic():
    mixed_up = sample(1, [Thing(A, 2)], [Thing(A, 3)])
    assert summarise(MaskAP(), mixed_up)["AP"] == 0
    assert summarise(MaskAP(class_agnostic=True), mixed_up)["AP"] == pytest.approx(1)


@pytest.mark.parametrize(("crowd", "ap"), [(True, 1.0), (False, 0.5)])
def test_what_lies_in_a_crowd_costs_nothing(crowd, ap):
    true = [Thing(A), Thing((50, 50, 60, 60), crowd=crowd)]
    inside = [Thing((52, 52, 9, 9), score=0.9), Thing((70, 70, 9, 9), score=0.8)]
    if not crowd:
        true = true[:1]
    found = sample(1, true, [*inside[:1], Thing(A, score=0.5)])
    assert summarise(MaskAP(), found)["AP"] == pytest.approx(ap)
    # One crowd takes in any number.
    if crowd:
        many = sample(1, true, [*inside, Thing(A, score=0.5)])
        assert summarise(MaskAP(), many)["AP"] == pytest.approx(1)


def test_size_bins_use_the_stated_area_of_the_truth_and_the_mask_of_the_found():
    # 1600 pixels, but the dataset says it is large: the answer counts as large, matched as it is.
    stated = summarise(MaskAP(), sample(1, [Thing(A, area=20000.0)], [Thing(A)]))
    assert (stated["APs"], stated["APm"], stated["APl"]) == (-1, -1, pytest.approx(1))
    # A wrong small mask costs nothing among the medium ones, a wrong medium one does.
    for wrong, ap in [((60, 60, 9, 9), 1.0), ((60, 60, 40, 40), 0.5)]:
        found = sample(1, [Thing(A)], [Thing(wrong, score=0.9), Thing(A, score=0.8)])
        assert summarise(MaskAP(), found)["APm"] == pytest.approx(ap)


@pytest.mark.parametrize(("wrong_ones", "recall"), [(99, 1.0), (100, 0.0)])
def test_coco_counts_the_best_hundred_of_a_class(wrong_ones, recall):
    found = [Thing(B, score=0.9)] * wrong_ones + [Thing(C, 3, score=0.8), Thing(A, score=0.1)]
    summary = summarise(MaskAP(), sample(1, [Thing(A)], found))
    assert (summary["AR100"], summary["AR10"]) == (recall, 0)


@pytest.mark.parametrize(("wrong_ones", "recall"), [(299, 1.0), (300, 0.0)])
def test_lvis_counts_the_best_three_hundred_of_an_image(wrong_ones, recall):
    # Those that are nobody's concern take up room too: lvis-api cuts before it drops them.
    found = [Thing(B, 3, score=0.9)] * wrong_ones + [Thing(A, score=0.1)]
    one = sample(1, [Thing(A)], found, class_frequency={2: "f"})
    assert summarise(MaskAP(lvis=True), one)["AR@300"] == recall


@pytest.mark.parametrize(
    ("labels", "ap"),
    [
        ({}, 1.0),  # Nobody looked for class 2 in the second image: its detection is dropped.
        ({"negative_class_ids": (2,)}, 0.5),  # It is certainly not there: an error.
    ],
)
def test_lvis_counts_errors_only_of_classes_that_were_looked_for(labels, ap):
    frequency = {2: "r", 3: "f"}
    right = sample(1, [Thing(A)], [Thing(A, score=0.5)], class_frequency=frequency)
    wrong = sample(2, [], [Thing(A, score=0.9)], class_frequency=frequency, **labels)
    summary = summarise(MaskAP(lvis=True), right, wrong)
    assert summary["AP"] == pytest.approx(ap)
    assert summary["APr"] == pytest.approx(ap)
    assert (summary["APc"], summary["APf"]) == (-1, -1)


@pytest.mark.parametrize(("classes", "ap"), [((), 0.5), ((2,), 1.0)])
def test_lvis_forgives_what_may_be_unmarked(classes, ap):
    found = [Thing(B, score=0.9), Thing(A, score=0.5)]
    labels = {"not_exhaustive_class_ids": classes, "class_frequency": {2: "c"}}
    summary = summarise(MaskAP(lvis=True), sample(1, [Thing(A)], found, **labels))
    assert summary["APc"] == pytest.approx(ap)


def test_bbox_compares_boxes_around_masks():
    ring = np.ones((1, 40, 40), dtype=bool)
    ring[0, 5:35, 5:35] = False
    one = sample(1, [Thing(A)], [Thing(A)])
    pixels = np.zeros((1, *one.annotations.size), dtype=bool)
    pixels[:, :40, :40] = ring
    hollow = type(one.masks).from_binary(pixels, [1.0]).replace(class_ids=np.array([2]))
    assert summarise(MaskAP("bbox"), one.replace(masks=hollow))["AP"] == pytest.approx(1)
    assert summarise(MaskAP("segm"), one.replace(masks=hollow))["AP"] == 0


def bare(one):
    return one.replace(masks=one.masks.replace(class_ids=None))


@pytest.mark.parametrize(
    ("metric", "change", "message"),
    [
        (MaskAP(), lambda s: s.replace(annotations=None), "no annotations"),
        (MaskAP(), lambda s: s.replace(masks=None), "needs a Segment"),
        (MaskAP(), bare, r"class_agnostic=True"),
        (MaskAP(lvis=True), lambda s: s, "samkit.data.lvis"),
    ],
)
def test_what_is_missing_is_named(metric, change, message):
    with pytest.raises(ValueError, match=message):
        metric.score(change(sample(1, [Thing(A)], [Thing(A)])))


def test_masks_without_classes_do_when_agnostic():
    metric = MaskAP(class_agnostic=True)
    assert summarise(metric, bare(sample(1, [Thing(A)], [Thing(A)])))["AP"] == pytest.approx(1)


def test_a_detectors_own_numbering_is_refused():
    one = sample(1, [Thing(A)], [Thing(A, 0)], class_names={2: "bicycle", 3: "car"})
    with pytest.raises(
        ValueError, match=r"classes that the dataset has not: \[0\].*by their names"
    ):
        MaskAP().score(one)


def test_masks_of_another_size_and_truth_without_masks_are_refused():
    one = sample(1, [Thing(A)], [Thing(A)])
    small = Annotations((9, 9), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    with pytest.raises(ValueError, match=r"\(120, 130\).*\(9, 9\)"):
        MaskAP().score(one.replace(annotations=small))
    boxes = Annotations(one.annotations.size, one.annotations.boxes, one.annotations.class_ids)
    with pytest.raises(ValueError, match="boxes only"):
        MaskAP().score(Sample(1, one.image, boxes, masks=one.masks))
    assert summarise(MaskAP("bbox"), one.replace(annotations=boxes))["AP"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"iou_type": "mask"}, "'segm' or 'bbox'"),
        ({"lvis": True, "class_agnostic": True}, "MaskAR"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MaskAP(**settings)
