"""Merge: near-duplicates and contained masks, by their pixels; and RankByQuality."""

import numpy as np
import pytest
import torch

from samkit.stages import Merge, NonMaxSuppression, RankByQuality, Top
from samkit.testing import check_stage
from samkit.types import Frame, Masks, Sample
from tests.stages.test_filter import left, rectangles, true_masks

NAN = float("nan")


def found(binary, scores, **more):
    masks = Masks.from_binary(binary, scores).replace(**more)
    return Sample("s", np.zeros((*binary.shape[1:], 3), np.uint8), masks=masks)


@pytest.fixture
def nested():
    """A whole, it again a row shorter and better ranked, a part of it, and something beside it."""
    boxes = [(0, 0, 9, 9), (0, 0, 9, 8), (2, 2, 5, 5), (12, 12, 15, 15)]
    return found(rectangles(*boxes), [0.8, 0.9, 0.95, 0.3])


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (Merge(), [1, 2, 3]),
        (Merge(0.89), [1, 2, 3]),
        (Merge(0.9), [0, 1, 2, 3]),  # 90 of 100: not above
        (Merge(None), [0, 1, 2, 3]),
        (Merge(None, inside=0.9), [0, 3]),  # into the largest, whatever the ranks
        (Merge(0.8, inside=0.9), [1, 3]),
        (Merge(0.0), [2, 3]),  # whatever overlaps is one
    ],
)
def test_what_is_left(stage, expected, nested):
    assert left(stage, nested) == expected


def test_masks_with_the_same_box_are_told_apart():
    # A frame and what it frames: boxes alone cannot see the difference.
    frame, picture = rectangles((0, 0, 19, 19), (1, 1, 18, 18))
    sample = found(np.stack([frame & ~picture, picture]), [0.9, 0.8])
    assert left(NonMaxSuppression(0.7), sample) == [0]
    assert left(Merge(0.7), sample) == [0, 1]


def test_union_takes_in_what_is_merged():
    boxes = [(0, 0, 9, 9), (1, 0, 10, 9), (8, 8, 11, 9), (12, 12, 15, 15)]
    sample = found(rectangles(*boxes), [0.8, 0.9, 0.5, 0.3])
    [answer] = Merge(0.8, inside=0.6, union=True)([sample])
    assert answer.masks.prompt_index.tolist() == [1, 3]
    # Both versions, 110 pixels, and 2 x 1 of the third stick out; it lay in the kept one by 6 of 8.
    assert answer.masks.areas().tolist() == [112, 16]
    assert answer.masks.scores.tolist() == pytest.approx([0.9, 0.3])
    assert answer.masks.logits is None and answer.masks.stability is None


def test_logits_stay_where_nothing_is_united():
    logits = torch.full((2, 4, 4), 5.0)
    logits[1, 0] = -5.0
    masks = Masks(Frame((8, 8), (8, 8), 8), logits=logits)
    [answer] = Merge(0.7)([Sample("s", np.zeros((8, 8, 3), np.uint8), masks=masks)])
    assert answer.masks.logits.tolist() == logits[:1].tolist()


def test_chains_end_in_one_mask():
    boxes = [(4, 4, 7, 7), (2, 2, 9, 9), (0, 0, 12, 12)]
    sample = found(rectangles(*boxes), [0.3, 0.2, 0.1])
    assert left(Merge(None, inside=1.0), sample) == [2]
    # The smallest lies in the largest by less than asked, but in the middle one, which lies in it.
    boxes = [(0, 0, 9, 9), (0, 1, 9, 11), (0, 2, 9, 13)]
    chained = found(rectangles(*boxes), [0.3, 0.2, 0.1])
    assert left(Merge(None, inside=0.85), chained) == [2]


def test_union_takes_in_all_of_a_chain():
    boxes = [(0, 0, 9, 9), (0, 1, 9, 11), (0, 2, 9, 13), (0, 3, 9, 15)]
    chained = found(rectangles(*boxes), [0.4, 0.3, 0.2, 0.1])
    [answer] = Merge(None, inside=0.85, union=True)([chained])
    assert answer.masks.areas().tolist() == [160]
    # What doubles a part goes with the part into its whole.
    boxes = [(0, 0, 9, 9), (5, 5, 10, 10), (6, 5, 11, 10)]
    [answer] = Merge(0.7, inside=0.69, union=True)([found(rectangles(*boxes), [0.1, 0.3, 0.2])])
    assert answer.masks.prompt_index.tolist() == [0]
    assert answer.masks.areas().tolist() == [100 + 11 + 6]


def test_empty_masks_stay_and_none_pass():
    empty = found(rectangles((5, 5, 4, 4), (5, 5, 4, 4)), [0.5, 0.4])
    assert left(Merge(0.5, inside=0.5), empty) == [0, 1]
    assert left(Merge(0.5, inside=0.5, union=True), empty) == [0, 1]
    assert left(Merge(), empty.replace(masks=empty.masks[:0])) == []


@pytest.mark.parametrize("settings", [{"iou_threshold": 1.1}, {"inside": -0.1}])
def test_thresholds_are_shares(settings):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Merge(**settings)


def test_quality_is_the_mean_of_predicted_iou_and_stability(nested):
    masks = nested.masks.replace(
        predicted_iou=np.array([0.9, 0.5, 1.1, 0.8], np.float32),
        stability=np.array([0.7, 1.0, 0.9, NAN], np.float32),
    )
    [answer] = RankByQuality()([nested.replace(masks=masks)])
    assert answer.masks.scores.tolist() == pytest.approx([0.8, 0.75, 1.0, 0.0])
    assert answer.masks.scores.dtype == np.float32
    assert left(RankByQuality() | Top(2), nested.replace(masks=masks)) == [2, 0]
    with pytest.raises(ValueError, match="no masks"):
        RankByQuality()([nested.replace(masks=None)])


@pytest.mark.parametrize(
    "stage", [Merge(0.1), Merge(inside=0.5), Merge(0.1, inside=0.5, union=True)]
)
def test_laws(stage):
    check_stage(stage, samples=true_masks())


def test_laws_of_ranking():
    samples = [
        s.replace(masks=s.masks.replace(stability=np.full(len(s.masks), 0.7, np.float32)))
        for s in true_masks()
    ]
    check_stage(RankByQuality(), samples=samples)
