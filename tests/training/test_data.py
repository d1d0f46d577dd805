"""Batches: the same for the same step, and masks that fit their pictures."""

import numpy as np
import pytest
import torch

from samkit.training import augment
from samkit.training.data import LEAST_PIXELS, Feed, Mixture, make_batch
from samkit.training.loader import batches
from samkit.training.sources import mixture
from samkit.training.step import Batch
from tests.training.small import SIMULATION, scenes, small_feed

SIZE = 64


def same(a: Batch, b: Batch) -> bool:
    return all(
        torch.equal(getattr(a, name), getattr(b, name))
        for name in ("images", "targets", "which", "draws")
    ) and (a.box_share, a.clicks) == (b.box_share, b.clicks)


def red_square(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A red square anywhere on blue: what is red is the mask, whatever is done to both."""
    image = np.zeros((48, 96, 3), np.uint8)
    image[..., 2] = 200
    y, x = rng.integers(0, 24), rng.integers(0, 72)
    image[y : y + 24, x : x + 24] = (255, 0, 0)
    return image, (image[..., 0] > 0)[None]


def nothing(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    image, _ = red_square(rng)
    return image, np.ones((1, *image.shape[:2]), bool)  # all of the image: the paper drops it


def test_a_step_is_the_same_whoever_makes_it() -> None:
    feed = small_feed()
    [_, loaded] = list(batches(scenes(), feed, 5, 3, 5, workers=0))
    assert same(loaded, make_batch(scenes(), feed, 5, 4))
    assert not torch.equal(loaded.images, make_batch(scenes(), feed, 5, 3).images)
    assert not torch.equal(loaded.images, make_batch(scenes(), feed, 6, 4).images)


def test_processes_share_the_batch_of_one() -> None:
    whole = make_batch(scenes(), small_feed(images=4), 0, 7)
    parts = [make_batch(scenes(), small_feed(images=2), 0, 7, rank) for rank in range(2)]
    for name in ("images", "targets", "draws"):
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, getattr(whole, name))
    assert parts[0].clicks == parts[1].clicks == whole.clicks


def test_cells_are_taught_by_more_masks_than_are_asked_for_and_know_what_is_unknown() -> None:
    def four_corners(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        masks = np.zeros((4, SIZE, SIZE), bool)
        for i in range(4):
            masks[i, 32 * (i // 2) :, 32 * (i % 2) :][:16, :16] = True
        return np.zeros((SIZE, SIZE, 3), np.uint8), masks

    still = augment.NO_AUGMENTATION
    for photograph in (False, True):
        source = Mixture([four_corners], [1.0], [photograph])
        batch = make_batch(source, Feed(SIZE, 2, 1, dense=True, augmentation=still), 0, 0)
        assert batch.dense is not None and batch.dense.shape == (2, 11, 16, 16)
        assert len(batch.targets) == 2 and (batch.targets.flatten(1).sum(1) == 256).all()
        assert (batch.dense[:, 9].flatten(1).sum(1) == 4 * 16).all()  # inside: all four objects
        assert bool(batch.dense[:, 10].all()) != photograph
    assert make_batch(source, Feed(SIZE, 2, 1), 0, 0).dense is None


def test_masks_stay_on_their_objects() -> None:
    """Cropped, resized, mirrored, pasted upon: what is red is still the mask."""
    red = Mixture([red_square], [1.0], [False])
    how = augment.Augmentation(zoom=(0.5, 3), colour=0)
    batch = make_batch(red, Feed(SIZE, 40, 1, augmentation=how), 0, 0)
    looks_red = batch.images[..., 0].float() - batch.images[..., 2].float() > 27
    inside_square = (batch.images != torch.tensor([124, 116, 104])).any(-1)  # not the padding
    wrong = ((looks_red & inside_square) != batch.targets).flatten(1).float().mean(1)
    assert wrong.max() < 0.03
    areas = batch.targets.flatten(1).sum(1)
    assert areas.min() >= LEAST_PIXELS and areas.float().std() > 100


def test_the_pasted_object_is_asked_for_and_hides_what_it_covers() -> None:
    rng = np.random.default_rng(0)
    image = np.zeros((60, 80, 3), np.uint8)
    masks = np.ones((1, 60, 80), bool)
    lent = np.full((40, 40, 3), 250, np.uint8)
    cut_out = np.zeros((40, 40), bool)
    cut_out[10:30, 5:35] = True
    pasted, found = augment.paste(image, masks, lent, cut_out, rng)
    assert len(found) == 2 and not (found[0] & found[1]).any() and (found[0] | found[1]).all()
    assert ((pasted[..., 0] > 125) == found[1]).all() and found[1].sum() > 100
    assert image.max() == 0  # the given picture is left as it was


def test_large_objects_come_first_and_boxes_too() -> None:
    feed = Feed(SIZE, 1, 1, (1.0, 0.0), (0.9, 0.5), 100)
    at = [
        (feed.between(feed.large_first, s), feed.between(feed.boxes_first, s)) for s in (0, 50, 900)
    ]
    assert at == [pytest.approx(pair) for pair in [(1, 0.9), (0.5, 0.7), (0, 0.5)]]

    def large_and_small(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        masks = np.zeros((2, SIZE, SIZE), bool)
        masks[0, :45, :45], masks[1, 50:60, 50:60] = True, True
        return np.zeros((SIZE, SIZE, 3), np.uint8), masks

    both = Mixture([large_and_small], [1.0], [False])
    feed = Feed(SIZE, 60, 1, (1.0, 0.0), (0.9, 0.5), 100, augmentation=augment.NO_AUGMENTATION)
    large = [
        int((make_batch(both, feed, 0, step).targets.flatten(1).sum(1) > 1000).sum())
        for step in (0, 100)
    ]
    assert large[0] > 52 and 18 < large[1] < 42  # of 60; 95 % and half expected


def test_masks_that_nobody_could_learn_are_refused() -> None:
    with pytest.raises(ValueError, match="200 pictures in a row had no mask"):
        make_batch(Mixture([nothing], [1.0], [False]), Feed(SIZE, 1, 1), 0, 0)


def test_colours_change_pixel_by_pixel_and_grey_is_grey() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image[0] = image[1]
    changed = augment.change_colours(image, grey=False, rng=rng)
    assert (changed[0] == changed[1]).all() and (changed != image).any()
    grey = augment.change_colours(image, grey=True, rng=rng)
    assert (grey[..., 0] == grey[..., 2]).all()


def test_shares_of_a_mixture() -> None:
    both = Mixture([red_square, nothing], [3.0, 1.0], [False, True])
    rng = np.random.default_rng(0)
    full = [both.draw(rng)[1].all() for _ in range(400)]
    assert 60 < sum(full) < 140
    assert all(both.lend(rng)[1].all() for _ in range(5))


def test_training_never_meets_the_scenes_of_an_evaluation() -> None:
    from samkit.data.shapes import render_scene

    first, _, complete = mixture(["shapes"], SIZE, seed=0).draw(np.random.default_rng(0))
    for seed in (0, 8_000_000):
        assert not any((render_scene(seed, i, SIZE).image == first).all() for i in range(5))
    assert complete
    other, _, _ = mixture(["shapes"], SIZE, seed=1).draw(np.random.default_rng(0))
    assert (other != first).any()


def test_draws_are_enough_for_the_papers_rounds() -> None:
    batch = make_batch(scenes(), small_feed(simulation=SIMULATION), 0, 0)
    assert batch.draws.shape == (6, SIMULATION.draws) and batch.which.tolist() == [0] * 3 + [1] * 3
    assert batch.images.dtype == torch.uint8 and batch.targets.dtype == torch.bool
