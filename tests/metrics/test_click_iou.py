"""IoU by number of clicks, NoC, intervals and comparisons, against numbers worked out by hand."""

import json

import numpy as np
import pytest

from samkit import Sample
from samkit.metrics import ClickIoU, mean_over_datasets, paired_difference
from samkit.metrics.bootstrap import bootstrap_means, interval
from samkit.metrics.click_iou import clicks_needed
from samkit.testing import example_samples
from samkit.types.clicks import ClickResults


def results(iou, num_clicks=(1, 2), oracle=None, predicted=None, agreement=None, skipped=()):
    iou = np.array(iou, dtype=float).reshape(-1, num_clicks[-1])
    count = len(iou)
    return ClickResults(
        num_clicks,
        np.arange(count),
        np.array(skipped, dtype=int),
        iou,
        iou if predicted is None else np.array(predicted, dtype=float),
        iou[:, 0] if oracle is None else np.array(oracle, dtype=float),
        np.full(count, np.nan) if agreement is None else np.array(agreement, dtype=float),
        np.zeros((*iou.shape, 2), dtype=np.float32),
        np.ones(iou.shape, dtype=int),
    )


def row(id, *args, **kwargs):
    """As a row file gives it back."""
    from samkit.evaluation.rows import plain

    sample = Sample(id, np.zeros((4, 4, 3), np.uint8), clicks=results(*args, **kwargs))
    return json.loads(json.dumps(plain(ClickIoU().score(sample))))


def test_means_are_over_objects_not_images():
    rows = [
        row(1, [[0.2, 0.4], [0.4, 0.6]], oracle=[0.5, 0.5], skipped=[7]),
        row(2, [[0.9, 0.8]], oracle=[0.9]),
        row(3, []),
    ]
    metrics = ClickIoU().summarise(rows)
    assert metrics["mIoU@1"] == pytest.approx(0.5) and metrics["mIoU@2"] == pytest.approx(0.6)
    assert metrics["oracle"] == pytest.approx(1.9 / 3)
    assert metrics["objects"] == 3 and metrics["skipped"] == 1
    assert metrics["mIoU@1_low"] <= 0.5 <= metrics["mIoU@1_high"]
    assert not any(name.startswith(("NoC", "failed")) for name in metrics)
    assert ClickIoU().summarise(rows[::-1]) == metrics
    assert ClickIoU().summarise([row(3, [], skipped=[0])]) == {"objects": 0, "skipped": 1}


def test_only_the_clicks_asked_for_are_told():
    metrics = ClickIoU().summarise([row(1, [[0.1, 0.2, 0.3]], num_clicks=(1, 3))])
    assert [name for name in metrics if name.startswith("mIoU") and "_" not in name] == [
        "mIoU@1",
        "mIoU@3",
    ]
    assert metrics["mIoU@3"] == pytest.approx(0.3)


def test_number_of_clicks_is_ritms():
    """RITM: the first click that reaches it, ties included; 20 for those that never do."""
    climb = np.minimum(0.05 * np.arange(1, 21), 0.9)  # .85 at the 17th, .9 at the 18th
    dip = np.array([0.9, *[0.1] * 19])
    low = np.full(20, 0.8)
    iou = np.array([climb, dip, low])
    assert clicks_needed(np.round(iou, 6), 0.85).tolist() == [17, 1, 20]
    metrics = ClickIoU().summarise([row("a", np.round(iou, 6), num_clicks=(1, 20))])
    assert metrics["NoC@85"] == pytest.approx(38 / 3)
    assert metrics["NoC@90"] == pytest.approx(39 / 3)
    assert metrics["failed@85"] == 1 and metrics["failed@90"] == 1
    # One that needs its 20th click has not failed.
    late = [[0.0] * 19 + [0.95]]
    metrics = ClickIoU().summarise([row("a", late, num_clicks=(20,))])
    assert metrics["NoC@90"] == 20 and metrics["failed@90"] == 0


def test_what_the_first_click_tells():
    iou = [[0.1, 0], [0.5, 0], [0.9, 0], [0.7, 0]]
    predicted = [[0.2, 0], [0.4, 0], [0.6, 0], [0.5, 0]]  # the same order
    first = row(1, iou, predicted=predicted, agreement=[0.2, 0.4, 0.6, np.nan])
    first["has_parts"] = [True, False, False, True]
    metrics = ClickIoU().summarise([first])
    assert metrics["spearman"] == pytest.approx(1.0)
    assert metrics["agreement"] == pytest.approx(0.4)
    assert metrics["agreement_parts"] == pytest.approx(0.2)


def test_which_objects_have_parts():
    sample = example_samples()[0]
    object.__setattr__(sample.annotations, "parents", np.array([-1, 0, -1]))
    scored = ClickIoU().score(sample.replace(clicks=results([[0.1, 0.2]] * 3)))
    assert scored["has_parts"].tolist() == [True, False, False]


def test_a_sample_without_clicks_is_refused():
    with pytest.raises(ValueError, match="no clicks"):
        ClickIoU().score(example_samples()[0])


def test_images_are_drawn_again_not_objects():
    # Two images, one good and one bad: means of resamplings are of both, of one or of the other.
    means = bootstrap_means([[9.0], [0.0]], [10, 10], resamplings=400)
    assert set(np.round(means[:, 0], 6)) == {0.0, 0.45, 0.9}
    assert 0.15 < (means == 0).mean() < 0.35
    np.testing.assert_array_equal(means, bootstrap_means([[9.0], [0.0]], [10, 10], 400))
    assert interval(means).ravel().tolist() == [0.0, 0.9]
    # The interval of many alike ones is that of the normal distribution.
    values = np.random.default_rng(0).normal(0.5, 0.1, 2000)
    low, high = interval(bootstrap_means(values[:, None], np.ones(2000)))[:, 0]
    assert high - low == pytest.approx(2 * 1.96 * 0.1 / np.sqrt(2000), rel=0.1)


def test_the_mean_over_datasets_counts_each_alike():
    first = ClickIoU().summarise([row(1, [[0.2, 0.4]] * 9)])
    second = ClickIoU().summarise([row(1, [[0.6, 0.8]])])
    mean = mean_over_datasets([first, second])
    assert mean == pytest.approx({"mIoU@1": 0.4, "mIoU@2": 0.6, "oracle": 0.4})
    with pytest.raises(ValueError, match="mIoU@2 is missing"):
        mean_over_datasets([first, {"mIoU@1": 0.1}])
    with pytest.raises(ValueError, match="no datasets"):
        mean_over_datasets([])


def test_a_paired_comparison_sees_what_two_intervals_hide():
    rng = np.random.default_rng(1)
    hard = rng.uniform(0.1, 0.8, 40)  # images differ far more than the runs do
    ours = [row(i, [[iou + 0.05, iou]]) for i, iou in enumerate(hard)]
    theirs = [row(i, [[iou, iou]]) for i, iou in enumerate(hard)]
    difference = paired_difference(ours, theirs[::-1])
    assert difference["mIoU@1"] == pytest.approx(0.05)
    assert difference["mIoU@1_low"] == pytest.approx(0.05)
    assert difference["mIoU@2"] == pytest.approx(0, abs=1e-12)
    alone = ClickIoU().summarise(ours)
    assert alone["mIoU@1_high"] - alone["mIoU@1_low"] > 0.1
    with pytest.raises(ValueError, match="40 and 39 images, 39 of them"):
        paired_difference(ours, theirs[1:])
    with pytest.raises(ValueError, match="different objects of image 0"):
        paired_difference(ours[:1], [row(0, [[0.1, 0.2], [0.3, 0.4]])])
    with pytest.raises(ValueError, match="tell"):
        paired_difference(ours[:1], [row(0, [[0.1, 0.2, 0.3]], num_clicks=(3,))])
