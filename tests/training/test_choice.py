"""What a CLIP pair learns to choose from."""

from pathlib import Path

import numpy as np
import torch

from samkit import Masks
from samkit.data import shapes
from samkit.data.shapes.phrases import held_out, unique
from samkit.ops import rle
from samkit.ops.square_crops import mask_square, square_crop
from samkit.training.choice import choice, choice_loss


def found(number: int = 0):
    """A scene whose objects were all found, each with a quarter of its rows, and nothing beside them."""
    sample = shapes(12)[number]
    whole = rle.decode(sample.annotations.run_lengths)
    rows = whole & (np.arange(256)[:, None] % 4 == 0)
    masks = Masks.from_binary(np.concatenate([whole, rows, np.zeros((1, 256, 256), bool)]))
    worth = np.linspace(0.9, 0.1, len(masks), dtype=np.float32)
    return sample.replace(masks=masks.replace(predicted_iou=worth)), whole


def test_masks_are_objects_or_nothing_and_nothing_held_out_is_shown() -> None:
    kept_out = 0
    for number in range(12):
        sample, _ = found(number)
        captions = sample.annotations.captions
        one = choice(sample, 16, 1000, np.random.default_rng(0))
        asked = [i for i in unique(captions) if not held_out(captions[i])]
        if one is None:
            assert not asked
            continue
        assert one.phrases == tuple(captions[i] for i in asked)
        assert not any(caption and held_out(caption) for caption in one.of)
        table = rle.iou(sample.masks.rle(), sample.annotations.run_lengths)
        for row, (worth, caption) in enumerate(zip(one.predicted_iou, one.of, strict=True)):
            mask = int(np.abs(sample.masks.predicted_iou - worth).argmin())
            best = int(table[mask].argmax())
            assert caption == (captions[best] if table[mask, best] > 0.5 else None)
            np.testing.assert_allclose(one.iou[row], table[mask, asked], atol=1e-6)
        shown = {round(float(worth), 4) for worth in one.predicted_iou}
        empty = sample.masks.areas() == 0
        assert not shown & {round(float(v), 4) for v in sample.masks.predicted_iou[empty]}
        kept_out += sum(map(held_out, captions))
    assert kept_out, "none of these scenes has a held-out object"


def test_few_masks_are_half_objects_and_of_the_rest_the_surest_are_kept() -> None:
    sample, _ = found()
    one = choice(sample, 16, 6, np.random.default_rng(0))
    assert sum(caption is not None for caption in one.of) == 3 and len(one.of) == 6
    table = rle.iou(sample.masks.rle(), sample.annotations.run_lengths).max(axis=1)
    others = sample.masks.predicted_iou[(table <= 0.5) & (sample.masks.areas() > 0)]
    assert others.max() in one.predicted_iou
    some = one.some(2, np.random.default_rng(0))
    assert len(some.crops) == len(some.iou) == 2 and sum(map(bool, some.of)) == 1


def test_masks_found_for_a_phrase_are_chosen_by_it_alone(tmp_path: Path) -> None:
    sample, _ = found()
    captions = sample.annotations.captions
    asked = [captions[i] for i in unique(captions) if not held_out(captions[i])]
    phrases = (*asked[1:], asked[0])  # in another order than the scene's
    masks = sample.masks[np.arange(2 * len(captions)) % len(captions)]
    told = np.arange(len(masks)) % len(phrases)
    sample = sample.replace(phrases=phrases, masks=masks.replace(class_ids=told))
    one = choice(sample, 16, 1000, np.random.default_rng(0))
    one.save(tmp_path / "one.npz")
    one = type(one).load(tmp_path / "one.npz")
    for row, number in zip(one.own, one.told, strict=True):
        assert row.sum() == 1 and row[number]
    for worth, number in zip(one.predicted_iou, one.told, strict=True):
        same = np.isclose(masks.predicted_iou, worth)
        assert one.phrases[number] in {phrases[k] for k in told[same]}
    few = one.some(3, np.random.default_rng(1))
    assert len(few.told) == 3 and (few.told[0] == few.told[:2]).all(), "phrase after phrase"


def test_crops_are_what_ranking_sees_and_survive_a_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("samkit.training.choice.CONTEXT", (1.5, 1.5))
    sample, whole = found()
    one = choice(sample, 16, 1000, np.random.default_rng(0))
    one.save(tmp_path / "one.npz")
    again = type(one).load(tmp_path / "one.npz")
    assert again.of == one.of and again.phrases == one.phrases
    assert (one.told < 0).all() and one.own.all(), "found for nobody, so for all"
    for name in ("crops", "iou", "predicted_iou", "told"):
        np.testing.assert_array_equal(getattr(again, name), getattr(one, name))
    row = int(np.abs(one.predicted_iou - sample.masks.predicted_iou[1]).argmin())
    box = sample.annotations.boxes[1]
    around, mask = (square_crop(sample.image, box, 16, 1.5), mask_square(whole[1], box, 16, 1.5))
    np.testing.assert_array_equal(one.crops[row], np.dstack([around, mask]))


def test_the_loss_by_hand() -> None:
    scores = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])
    iou = torch.tensor(
        [[0.9, 0.1], [0.6, 0.2], [0.5, 0.3]]
    )  # of the second phrase there is no mask
    share = (np.e + 1) / (np.e + 1 + np.e**3)
    torch.testing.assert_close(choice_loss(scores, iou), torch.tensor(-np.log(share)).float())
    own = torch.tensor([[True, True], [True, True], [False, True]])
    alone = choice_loss(scores, iou, own)
    torch.testing.assert_close(alone, torch.tensor(0.0))
    assert float(choice_loss(scores, iou, ~own)) == 0, "its own masks are none of them right"
    scores.requires_grad_(True)
    choice_loss(scores, iou, own & False).backward()
    assert scores.grad.abs().sum() == 0
    choice_loss(scores, torch.zeros(3, 2)).backward()
    assert scores.grad.abs().sum() == 0
