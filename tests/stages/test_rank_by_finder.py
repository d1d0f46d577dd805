"""RankByFinder: masks that a small network would have drawn where they are gain."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import samkit
from samkit.clip import load_clip
from samkit.clip.finder import TextFinder, load_text_finder
from samkit.data.phrases import by_telling_caption
from samkit.stages import RankByFinder, RankByText, Top
from samkit.stages.rank_by_finder import agreement, probabilities
from samkit.stages.text_looks import Looks
from samkit.testing import check_stage
from samkit.types import Masks, Sample

CLIP = load_clip("tiny")
FINDER = load_text_finder()


def scenes(count: int) -> list[Sample]:
    return list(by_telling_caption(samkit.data.shapes(count, seed=8_500_000), False))


def with_true_masks(sample: Sample) -> Sample:
    """Every true object as a mask of every phrase, all scored alike."""
    count, phrases = len(sample.annotations.run_lengths), len(sample.phrases)
    true = Masks(
        samkit.types.Frame.fit(sample.image.shape[:2], 256),
        run_lengths=sample.annotations.run_lengths * phrases,
        class_ids=np.repeat(np.arange(phrases), count),
        predicted_iou=np.ones(count * phrases, np.float32),
        scores=np.full(count * phrases, 0.5, np.float32),
    )
    return sample.replace(masks=true)


def test_the_iou_expected_of_masks() -> None:
    """A phrase surely true of the left half, another with a chance of a third everywhere."""
    chances = np.zeros((2, 4, 8), np.float32)
    chances[0, :, :4], chances[1] = 1, 1 / 3
    left, corner = np.zeros((2, 4, 8), bool)
    left[:, :4] = corner[:2, :2] = True
    masks = Masks.from_binary(np.stack([left, corner, left, corner]))
    found = agreement(masks, np.array([0, 0, 1, 1]), chances)
    thirds = 16 / 3 / (16 + 32 / 3 - 16 / 3), 4 / 3 / (4 + 32 / 3 - 4 / 3)
    np.testing.assert_allclose(found, [1, 0.25, *thirds], rtol=1e-5)


def test_crops_count_half_beside_the_whole_picture() -> None:
    """Of 4 x 8 pixels the whole picture says 1, a crop of the left half -2: the mean is 0 there."""
    logits = torch.stack([torch.full((4, 4), 1.0), torch.full((4, 4), -2.0)])[None]
    seen = Looks([(0, 0, 8, 4), (0, 0, 4, 4)], logits, torch.ones(1, 2))
    expected = np.broadcast_to(np.repeat([0.5, 1 / (1 + np.exp(-1))], 4), (4, 8))
    np.testing.assert_allclose(probabilities(seen, (4, 8, 3))[0], expected, rtol=1e-5)


def test_true_objects_are_told_by_where_the_finder_sees_them() -> None:
    """All objects have one score; what the finder adds says more often than not which is meant."""
    right, asked, by_chance = 0, 0, 0.0
    for sample in map(with_true_masks, scenes(4)):
        [ranked] = RankByFinder(FINDER, CLIP, weight=1.0)([sample])
        gained = ranked.masks.scores - 0.5
        assert gained.min() >= 0 and gained.max() <= 1 and gained.max() > 0.5
        [best] = Top(1, per="class")([ranked])
        for mask, number in zip(best.masks.rle(), best.masks.class_ids, strict=True):
            true = sample.annotations.captions.index(sample.phrases[number])
            right += mask == sample.annotations.run_lengths[true]
        asked += len(sample.phrases)
        by_chance += len(sample.phrases) / len(sample.annotations.captions)
    assert right > 0.5 * asked > 3 * by_chance, (right, asked, by_chance)


def test_masks_that_phrases_share_are_the_same_as_copies() -> None:
    [sample] = map(with_true_masks, scenes(1))
    copies = tuple({**one} for one in sample.masks.rle())
    other = sample.replace(masks=sample.masks.replace(run_lengths=copies))
    [a], [b] = (RankByFinder(FINDER, CLIP)([one]) for one in (sample, other))
    np.testing.assert_allclose(a.masks.scores, b.masks.scores, rtol=1e-5)
    [none] = RankByFinder(FINDER, CLIP, weight=0)([sample])
    assert np.array_equal(none.masks.scores, sample.masks.scores)


def test_a_batch_is_as_one_by_one() -> None:
    some = [with_true_masks(sample) for sample in scenes(2)]
    check_stage(RankByFinder(FINDER, CLIP, crop_n_layers=0), samples=some)
    rank = RankByText(CLIP, ["red"], each="phrase") | RankByFinder(FINDER, CLIP, ["red"])
    [found] = rank([some[0].replace(phrases=None)])
    assert found.phrases == ("red",) and set(found.masks.class_ids.tolist()) == {0}
    empty = some[0].replace(masks=some[0].masks[:0], phrases=())
    assert len(RankByFinder(FINDER, CLIP)([empty])[0].masks) == 0


def test_bad_input_is_named() -> None:
    [sample] = map(with_true_masks, scenes(1))
    with pytest.raises(ValueError, match="was taught phrases of no CLIP"):
        RankByFinder(TextFinder(CLIP.width), CLIP)
    with pytest.raises(ValueError, match="weight is 0 or more, got nan"):
        RankByFinder(FINDER, CLIP, weight=float("nan"))
    with pytest.raises(ValueError, match="places among the 1 phrases"):
        RankByFinder(FINDER, CLIP, ["red"])([sample])
    with pytest.raises(ValueError, match="0 or more, got -1"):
        replace(RankByFinder(FINDER, CLIP), crop_n_layers=-1)
