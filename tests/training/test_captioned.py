"""Scenes whose captions are asked."""

import numpy as np
import pytest
import torch

from samkit.data import shapes
from samkit.data.shapes.phrases import held_out, unique
from samkit.training.captioned import Captioned, view
from samkit.training.simulate import Simulation

SIDE = 128
SIMULATION = Simulation(corrections=1, extra_rounds=0)


def batches(seed: int = 7, pool: int = 6, least: float = 0.005) -> Captioned:
    return Captioned(seed, SIDE, pool, 3, 2, 2.0, least, SIMULATION)


def test_a_view_holds_the_captions_that_fit_one_object() -> None:
    for scene in shapes(6, seed=7, size=SIDE):
        truth = scene.annotations
        image, masks, captions = view(scene, 1.0, np.random.default_rng(0))
        rows = [i for i in unique(truth.captions) if not held_out(truth.captions[i])]
        assert list(captions) == [truth.captions[i] for i in rows]
        mirrored = not np.array_equal(image, scene.image)
        turn = slice(None, None, -1 if mirrored else 1)
        np.testing.assert_array_equal(image, scene.image[:, turn])
        np.testing.assert_array_equal(masks, truth.binary()[rows][:, :, turn])


def test_a_piece_is_enlarged_and_shows_most_of_what_is_asked() -> None:
    shown = 0
    for number, scene in enumerate(shapes(8, seed=7, size=SIDE)):
        whole = dict(zip(scene.annotations.captions, scene.annotations.areas, strict=True))
        image, masks, captions = view(scene, 4.0, np.random.default_rng(number))
        assert image.shape == (SIDE, SIDE, 3) and masks.shape[1:] == (SIDE, SIDE)
        assert len(masks) == len(captions)
        for mask, caption in zip(masks, captions, strict=True):
            # A piece is at most 4 times enlarged, 16 times in area.
            assert 0.25 * whole[caption] < mask.sum() < 17 * whole[caption]
            shown += mask.sum() > 1.2 * whole[caption]
    assert shown > 3


def test_batches_follow_from_seed_and_step() -> None:
    (one, said), (again, same) = batches()(5), batches()(5)
    assert said == same and torch.equal(one.images, again.images)
    assert torch.equal(one.targets, again.targets) and torch.equal(one.draws, again.draws)
    _, other = batches()(6)
    assert said != other
    assert one.images.shape == (3, SIDE, SIDE, 3) and one.images.dtype == torch.uint8
    assert len(said) == len(one.targets) == len(one.which) == len(one.draws)
    assert 3 <= len(said) <= 6 and sorted(set(one.which.tolist())) == [0, 1, 2]
    assert one.targets.float().mean(dim=(1, 2)).min() >= 0.005 and one.clicks == (True,)
    assert not any(held_out(caption) for caption in said)


def test_a_pool_renders_its_scenes_once() -> None:
    source = batches(pool=2)
    for step in range(4):
        source(step)
    assert sorted(source.kept) == [0, 1]
    endless = batches(pool=0)
    endless(0)
    assert not endless.kept
    with pytest.raises(ValueError, match="no object over 200"):
        batches(least=2.0)(0)
