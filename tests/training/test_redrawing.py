"""What a mask refiner learns from."""

import numpy as np
import pytest
import torch

from samkit import load_sam
from samkit.clip import load_clip
from samkit.data import shapes
from samkit.ops import rle
from samkit.sam.mask_refiner import MaskRefiner
from samkit.training.found import Example, example, outer_box
from samkit.training.losses import true_iou
from samkit.training.redrawing import (
    CHOICE_WEIGHT,
    Shown,
    embedded,
    refiner_loss,
    shown,
    whole_iou,
)
from samkit.training.spoil import spoiled
from samkit.training.squares import CANDIDATES, MEANT


def test_a_picture_without_objects_teaches_nothing() -> None:
    empty = example(
        load_sam("tiny"),
        np.zeros((32, 32, 3), np.uint8),
        np.zeros((2, 32, 32), bool),
        np.random.default_rng(0),
    )
    assert not empty.objects and not empty.found
    with pytest.raises(ValueError, match="no picture with an object"):
        shown([], 4, 32, np.random.default_rng(0))


def test_spoiled_masks_are_near_their_objects_and_seldom_right() -> None:
    ious = []
    for scene in shapes(5, seed=7_900_000):
        objects = scene.annotations.binary()
        for place, target in enumerate(objects):
            others = np.delete(objects, place, axis=0)
            mask = spoiled(target, others, np.random.default_rng(place))
            again = spoiled(target, others, np.random.default_rng(place))
            np.testing.assert_array_equal(mask, again)
            if not mask.any():
                continue
            ious.append((mask & target).sum() / (mask | target).sum())
            x0, y0, x1, y1 = outer_box(target)
            reach = 0.45 * max(x1 - x0, y1 - y0) + 4
            left, top, right, bottom = outer_box(mask)
            assert min(left - x0, top - y0) >= -reach and max(right - x1, bottom - y1) <= reach
    assert 0.35 < np.mean(ious) < 0.8 and np.std(ious) > 0.1


def test_squares_show_picture_mask_and_object_in_the_same_place(
    examples: list[Example], monkeypatch
) -> None:
    perfect = [
        Example(
            np.dstack([rle.decode([e.objects[0]])[0] * np.uint8(255)] * 3),
            e.objects[:1],
            [],
            e.means,
        )
        for e in examples
    ]
    monkeypatch.setattr("samkit.training.redrawing.spoiled", lambda target, others, rng: target)
    some = shown(perfect, 12, 48, np.random.default_rng(0), told=1.0)
    pictures, masks, targets = some.pictures, some.masks, some.targets
    assert some.phrases == [""] * 12 and (some.shares == 1).all(), "no captions, nothing told"
    assert pictures.shape == (12, 3, 48, 48) and masks.shape == targets.shape == (12, 48, 48)
    torch.testing.assert_close(pictures.mean(dim=1), masks)
    torch.testing.assert_close((masks > 0.5).float(), targets)
    assert len({tuple(t.flatten().tolist()) for t in targets}) > 6, "turned, mirrored, nearer"


def test_what_is_told_is_drawn_or_not_there() -> None:
    """One object of each colour, its caption the colour: two overlap, the third is far away."""
    rows, names = [slice(4, 20), slice(16, 32), slice(180, 196)], ("red", "green", "blue")
    objects, image = np.zeros((3, 200, 64), bool), np.zeros((200, 64, 3), np.uint8)
    for place, row in enumerate(rows):
        objects[place, row, 8 + 12 * place : 24 + 12 * place] = True
        image[objects[place]] = np.eye(3, dtype=np.uint8)[place] * 255
    one = Example(image, rle.encode(objects), [], np.zeros(0, dtype=np.int64), names)
    some = shown([one], 200, 32, np.random.default_rng(0), told=0.5)
    untold = [row for row in range(200) if not some.phrases[row]]
    assert 70 < len(untold) < 130 and (some.shares[untold] > 0.3).all()
    said = [row for row in range(200) if some.phrases[row]]
    there = some.shares > 0.03
    seen = {(some.phrases[row], bool(there[row])) for row in said}
    assert seen >= {(name, there) for name in names for there in (True, False)}
    for row in said:
        colour = some.pictures[row, names.index(some.phrases[row])] > 0.9
        if there[row]:
            visible = colour & (some.targets[row] > 0.5)
            assert visible.sum() > 0.6 * some.targets[row].sum(), some.phrases[row]
        else:
            assert some.targets[row].mean() < 0.05


def test_a_phrase_is_what_clip_makes_of_it_and_none_is_zeros() -> None:
    clip = load_clip("tiny")
    rows = embedded(clip, ["a red disc", "", "a red disc", "a blue fence"])
    torch.testing.assert_close(rows[[0, 3]], clip.texts(["a red disc", "a blue fence"]))
    assert torch.equal(rows[0], rows[2]) and not rows[1].any()


def test_captions_are_chosen_for_among_masks_of_their_picture() -> None:
    """Ten squares in a row, each of its own grey and found once, but the first four times."""
    objects, image = np.zeros((10, 20, 200), bool), np.zeros((20, 200, 3), np.uint8)
    for place in range(10):
        objects[place, 4:16, 20 * place + 4 : 20 * place + 16] = True
        image[objects[place]] = 25 * (place + 1)
    means = np.array([0, 0, 0, *range(10)])
    found = [rle.encode(objects)[place] for place in means]
    names = tuple(f"grey {place}" for place in range(10))
    one = Example(image, rle.encode(objects), found, means, names)
    bare = Example(image, one.objects, found[:4], means[:4], names)
    some = shown([one, bare], 40, 16, np.random.default_rng(0), told=0.0, captions=3)
    assert some.captions == 3 and len(some.phrases) == 40
    assert some.phrases[24:] == [""] * 16 and (some.shares[24:] == 1).all()
    for group in range(3):
        rows = slice(CANDIDATES * group, CANDIDATES * (group + 1))
        [phrase] = set(some.phrases[rows])
        place = names.index(phrase)
        assert (some.shares[rows] == 1).sum() == (MEANT if place == 0 else 1)
        for row in range(rows.start, rows.stop):
            if some.shares[row] == 1:
                grey = some.pictures[row, 0][some.masks[row] > 0.99].median() * 255
                assert round(grey.item() / 25) - 1 == place
    alone = shown([bare], 6, 16, np.random.default_rng(0), told=0.0, captions=3)
    assert alone.captions == 0 and len(alone.phrases) == 6, "four masks are no choice"


def given(targets: torch.Tensor, shares: list[float], captions: int = 0) -> Shown:
    return Shown(targets, targets, targets, [""] * len(targets), torch.tensor(shares), captions)


def test_what_is_not_there_teaches_the_guess_alone() -> None:
    targets = torch.zeros(2, 4, 4)
    targets[0, :2] = 1
    logits, guess = torch.randn(2, 4, 4), torch.tensor([0.3, 0.6])
    both = refiner_loss(logits, guess, given(targets, [1.0, 0.0]))
    alone = refiner_loss(logits[:1], guess[:1], given(targets[:1], [1.0]))
    by_guess = 2 * (guess[0] - true_iou(logits[:1], targets[:1])[0]) ** 2
    torch.testing.assert_close(both, alone - by_guess / 2 + 0.6**2)


def test_an_object_that_is_half_in_the_square_is_half_drawn() -> None:
    targets = torch.zeros(3, 4, 4)
    targets[:, :2] = 1
    logits = targets * 2 - 1
    shares = torch.tensor([1.0, 0.5, 0.0])
    torch.testing.assert_close(whole_iou(logits, targets, shares), torch.tensor([1.0, 0.5, 0.0]))
    torch.testing.assert_close(
        whole_iou(logits, targets, shares[:1])[:1], true_iou(logits, targets)[:1]
    )


def test_the_loss_by_hand() -> None:
    targets = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    logits = torch.tensor([[[2.0, 2.0], [-2.0, -2.0]]])
    up = torch.tensor(2.0).sigmoid().item()
    pixels = (-2 * np.log(up) - 2 * np.log(1 - up)) / 4
    dice = 1 - (2 * (up + 1 - up) + 1) / (2 + 2 + 1)
    assert true_iou(logits, targets).item() == pytest.approx(1 / 3)
    expected = pixels + dice + 2 * (0.75 - 1 / 3) ** 2
    assert refiner_loss(
        logits, torch.tensor([0.75]), given(targets, [1.0])
    ).item() == pytest.approx(expected, 1e-5)


def test_guesses_are_to_choose_what_is_drawn_right() -> None:
    """Of a caption's drawings two are right; guesses as logits 0 but one of these, log 2."""
    targets = torch.zeros(CANDIDATES, 2, 2)
    targets[:2] = 1
    logits = torch.full_like(targets, 3.0)
    guess = torch.full((CANDIDATES,), 0.5)
    guess[0] = 2 / 3
    shares = [1.0, 1.0, *[0.0] * (CANDIDATES - 2)]
    alone = refiner_loss(logits, guess, given(targets, shares))
    choosing = refiner_loss(logits, guess, given(targets, shares, captions=1))
    expected = -CHOICE_WEIGHT * np.log(3 / (CANDIDATES + 1))
    assert (choosing - alone).item() == pytest.approx(expected, 1e-4)


def test_a_few_steps_teach_something(examples: list[Example]) -> None:
    torch.manual_seed(0)
    refiner = MaskRefiner(side=32, widths=(8, 16, 24), blocks=(0, 1, 1))
    optimizer = torch.optim.AdamW(refiner.parameters(), 1e-2)
    losses = []
    for step in range(30):
        some = shown(examples, 24, 32, np.random.default_rng(step))
        loss = refiner_loss(*refiner(some.pictures, some.masks), some)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
