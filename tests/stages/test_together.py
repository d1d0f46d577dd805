"""Masks of several ways side by side."""

import numpy as np
import pytest

from samkit import load_sam
from samkit.clip import load_clip
from samkit.data import shapes
from samkit.ops import rle
from samkit.stages import (
    Embed,
    GroundTruthBoxes,
    Proposals,
    RankByText,
    Segment,
    TextPrompt,
    Together,
    Top,
    text_sam,
)
from samkit.testing import check_stage

PHRASES = ["a red disc", "a blue mug"]
ALL = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}


def test_all_ways_answer_one_after_the_other() -> None:
    sam = load_sam("tiny")
    boxes = GroundTruthBoxes() | Embed(sam) | Segment(sam)
    grid = Embed(sam) | Proposals(sam, points_per_side=4, **ALL)
    samples = list(shapes(2))
    both = Together([boxes, grid])
    assert set(both.reads) == {"image", "annotations"} and both.writes == ("masks",)
    for sample, found in zip(samples, both(samples), strict=True):
        [by_box], [by_grid] = boxes([sample]), grid([sample])
        assert found.masks.rle() == by_box.masks.rle() + by_grid.masks.rle()
        scores = np.concatenate([by_box.masks.scores, by_grid.masks.scores])
        np.testing.assert_allclose(found.masks.scores, scores, rtol=1e-6)
        assert found.masks.class_ids is None and found.masks.stability is None, "boxes' alone"
        answered = found.masks.prompt_index
        assert answered[: len(by_box.masks)].max() < answered[len(by_box.masks) :].min()
        assert found.embedding is None and found.prompts is None
    check_stage(both)


def test_phrases_asked_by_two_routes_mean_the_same() -> None:
    sam, clip = load_sam("tiny"), load_clip("tiny")
    reader = text_sam(sam)
    grid = Embed(sam) | Proposals(sam, points_per_side=4, **ALL)
    rank = grid | RankByText(clip, PHRASES, each="phrase") | Top(3, per="class")
    ask = Embed(reader) | TextPrompt(clip, PHRASES) | Segment(reader)
    find = Together([ask, rank]) | RankByText(clip, each="own")
    [found] = find(list(shapes(1)))
    assert found.phrases == tuple(PHRASES)
    assert found.masks.class_ids.tolist() == [0, 1, 0, 0, 0, 1, 1, 1]
    assert rle.areas(found.masks.rle()).min() > 0
    other = Embed(reader) | TextPrompt(clip, PHRASES[:1]) | Segment(reader)
    with pytest.raises(ValueError, match="different phrases"):
        Together([ask, other])(list(shapes(1)))


def test_ways_find_masks() -> None:
    with pytest.raises(ValueError, match="at least one way"):
        Together([])
    with pytest.raises(ValueError, match="GroundTruthBoxes.* writes no masks"):
        Together([GroundTruthBoxes()])
