"""The data engine's annotator, on a model whose answers are known."""

import numpy as np
import pytest

from samkit import Masks, Sample
from samkit.ops import rle
from samkit.training.annotator import Labelled, annotate, taken
from tests.stages.test_clicks import Squares, scene, square


def test_clicks_are_spent_until_the_mask_is_good() -> None:
    # Squares answers 7 wide to one click and to two, 9 to three, 11 to four. This object is 11 wide.
    [done] = annotate(Squares(), [scene(square(15, 16, 5))], wanted_iou=0.6, patience=4)
    assert (done.clicks, done.masks, done.right) == (3, 1, 1)  # 81 / 121 = .67
    np.testing.assert_array_equal(done.sample.annotations.binary()[0], square(15, 16, 4))


def test_what_is_hopeless_is_given_up_and_its_clicks_counted() -> None:
    both = scene(square(15, 16, 15), square(15, 16, 3))
    [done] = annotate(Squares(), [both], wanted_iou=0.9, patience=3)
    assert done.clicks == 3 + 1 and done.masks == 1
    assert annotate(Squares(), [both], 0.9, 3)[0].sample.annotations.ids is None


def test_what_is_covered_already_is_not_clicked_on() -> None:
    both = scene(square(9, 9, 3), square(25, 25, 3))
    almost, wrong = square(25, 25, 2), square(3, 28, 2)  # 25 / 49 = .51
    filled = both.replace(masks=Masks.from_binary(np.stack([almost, wrong])))
    [done] = annotate(Squares(), [filled], wanted_iou=0.9, patience=3)
    assert done.clicks == 1
    expected = [almost, wrong, square(9, 9, 3)]
    np.testing.assert_array_equal(done.sample.annotations.binary(), expected)
    assert done.right == 2


def test_masks_nobody_clicked_for() -> None:
    truth = scene(square(9, 9, 3))
    done = taken(truth, rle.encode(np.stack([square(9, 9, 3), square(25, 25, 3)])))
    assert (done.clicks, done.masks, done.right) == (0, 2, 1)
    assert taken(truth, []).masks == 0
    with pytest.raises(ValueError, match="no true masks"):
        taken(Sample("a", truth.image), [])


def test_pictures_to_learn_from() -> None:
    samples = [scene(square(9, 9, half), id=str(half)) for half in (1, 2)]
    source = Labelled(samples)
    sizes = {source(np.random.default_rng(seed))[1].sum() for seed in range(20)}
    assert sizes == {9, 25}
