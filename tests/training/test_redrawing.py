"""What a mask refiner learns from."""

from pathlib import Path

import numpy as np
import pytest
import torch

from samkit import load_sam
from samkit.data import shapes
from samkit.ops import rle
from samkit.sam.mask_refiner import MaskRefiner
from samkit.training.losses import true_iou
from samkit.training.redrawing import (
    Example,
    example,
    outer_box,
    refiner_loss,
    shown,
    spoiled,
)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    sam = load_sam("tiny")
    return [
        example(sam, scene.image, scene.annotations.binary(), np.random.default_rng(i))
        for i, scene in enumerate(shapes(3, seed=7_900_000))
    ]


def test_what_was_found_means_the_object_it_overlaps_most(
    examples: list[Example], tmp_path: Path
) -> None:
    for one in examples:
        assert len(one.found) > len(one.objects), "a box and a click, three masks each"
        table = rle.iou(one.found, one.objects)
        np.testing.assert_array_equal(table.argmax(axis=1), one.means)
        assert (table.max(axis=1) >= 0.08).all()
    assert np.mean([np.mean(rle.iou(e.found, e.objects).max(axis=1)) for e in examples]) > 0.3
    examples[0].save(tmp_path / "one.npz")
    again = Example.load(tmp_path / "one.npz")
    assert again.objects == examples[0].objects and again.found == examples[0].found
    np.testing.assert_array_equal(again.image, examples[0].image)
    np.testing.assert_array_equal(again.means, examples[0].means)


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
    pictures, masks, targets = shown(perfect, 12, 48, np.random.default_rng(0))
    assert pictures.shape == (12, 3, 48, 48) and masks.shape == targets.shape == (12, 48, 48)
    torch.testing.assert_close(pictures.mean(dim=1), masks)
    torch.testing.assert_close((masks > 0.5).float(), targets)
    assert len({tuple(t.flatten().tolist()) for t in targets}) > 6, "turned, mirrored, nearer"


def test_the_loss_by_hand() -> None:
    targets = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    logits = torch.tensor([[[2.0, 2.0], [-2.0, -2.0]]])
    up = torch.tensor(2.0).sigmoid().item()
    pixels = (-2 * np.log(up) - 2 * np.log(1 - up)) / 4
    dice = 1 - (2 * (up + 1 - up) + 1) / (2 + 2 + 1)
    assert true_iou(logits, targets).item() == pytest.approx(1 / 3)
    expected = pixels + dice + 2 * (0.75 - 1 / 3) ** 2
    assert refiner_loss(logits, torch.tensor([0.75]), targets).item() == pytest.approx(
        expected, 1e-5
    )


def test_a_few_steps_teach_something(examples: list[Example]) -> None:
    torch.manual_seed(0)
    refiner = MaskRefiner(side=32, widths=(8, 16, 24), blocks=(0, 1, 1))
    optimizer = torch.optim.AdamW(refiner.parameters(), 1e-2)
    losses = []
    for step in range(30):
        pictures, masks, targets = shown(examples, 24, 32, np.random.default_rng(step))
        loss = refiner_loss(*refiner(pictures, masks), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
