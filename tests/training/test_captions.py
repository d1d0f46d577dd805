"""What a CLIP pair is taught from: objects, phrases, and what of them fits."""

import itertools

import numpy as np
import pytest
import torch

from samkit.clip import load_clip
from samkit.data import shapes
from samkit.data.shapes import render_scene
from samkit.data.shapes.phrases import held_out
from samkit.training import captions
from samkit.training.sources import SeenShapes


def test_nothing_held_out_is_learned_from() -> None:
    learned = [one for sample in shapes(6) for one in captions.examples(sample)]
    assert learned and not any(held_out(one.caption) for one in learned)
    phrases = {captions.asked("a red striped disc", np.random.default_rng(i)) for i in range(600)}
    assert {"a disc", "red disc", "the red object", "a striped disc"} <= phrases


def test_held_out_combinations_are_never_masks_to_learn_text_from() -> None:
    draw, kept_out = SeenShapes(7, 64), 0
    for number in range(5):
        image, masks = draw(np.random.default_rng(number))
        scene = render_scene(7, int(np.random.default_rng(number).integers(2**31)), 64)
        kept = [not held_out(caption) for caption in scene.captions]
        np.testing.assert_array_equal(masks, scene.masks[kept])
        np.testing.assert_array_equal(image, scene.image)
        kept_out += kept.count(False)
    assert kept_out, "none of these scenes has a held-out object"


def test_the_bridge_leads_from_captions_to_their_pictures() -> None:
    pytest.importorskip("open_clip")
    clip, rng = load_clip("tiny", device="cpu"), np.random.default_rng(0)
    found = captions.bridge(clip, shapes(30, seed=5), 0.0095, rng)
    others = [one for scene in shapes(8, seed=6) for one in captions.examples(scene)]
    others = [one for one in others if one.area >= 0.0095 * 256 * 256]
    shown = clip.images([captions.crop(one, clip.image_size, rng, True) for one in others])
    said = clip.texts([one.caption for one in others])
    shifted = said + shown.mean(dim=0) - said.mean(dim=0)  # which has seen these very pictures
    bridged = said @ found["bridge"] + found["gap"]
    near = [torch.cosine_similarity(guess, shown).mean() for guess in (said, shifted, bridged)]
    assert len(others) > 20 and near[0] < near[1] < near[2]
    with pytest.raises(ValueError, match="no object covers 90.00% of its scene"):
        captions.bridge(clip, shapes(1), 0.9, rng)


def test_which_captions_a_phrase_fits() -> None:
    said = ["a disc", "a red disc", "a striped object"]
    truth = captions.fitting(said, ["a red striped disc", "a blue disc", "a red mug"])
    assert truth.tolist() == [[1, 1, 1], [1, -1, -1], [-1, -1, -1]]


def test_objects_come_scene_after_scene() -> None:
    scenes = [captions.examples(sample) for sample in shapes(8)]
    some = captions.drawn([[], *scenes], 60, np.random.default_rng(0))
    where = [next(i for i, own in enumerate(scenes) if any(o is one for o in own)) for one in some]
    changes = sum(a != b for a, b in itertools.pairwise(where))
    assert len(some) == 60 and changes < 20 and len(set(where)) > 3


def test_crops_as_the_paper_cuts_them_or_with_their_mask() -> None:
    scenes = [captions.examples(sample) for sample in shapes(8)]
    some = captions.drawn(scenes, 60, np.random.default_rng(0))
    plain = [captions.crop(one, 16, np.random.default_rng(i)) for i, one in enumerate(some)]
    black = [(cut == 0).all(-1).mean() > 0.2 for cut in plain]
    assert 0.25 < np.mean(black) < 0.75 and plain[0].shape == (16, 16, 3)
    for number, one in enumerate(some):
        cut = captions.crop(one, 32, np.random.default_rng(number), seen=True)
        share = (cut[..., 3] > 127).mean()
        side = max(one.box[2] - one.box[0], one.box[3] - one.box[1])
        assert one.area / (2.1 * side) ** 2 < share + 0.02 and share < one.area / side**2 + 0.1


def test_masks_as_if_found_stay_their_object_s() -> None:
    scenes = [captions.examples(sample) for sample in shapes(8)]
    moved = 0
    for number, one in enumerate(captions.drawn(scenes, 80, np.random.default_rng(0))):
        cut = captions.crop(one, 32, np.random.default_rng(number), seen=True)
        found = captions.found_roughly(cut, np.random.default_rng(number))
        assert found.shape == cut.shape and found.dtype == np.uint8
        turns = [np.rot90(cut, k) for k in range(4)]
        [same] = [t for t in turns if np.array_equal(t[..., :3], found[..., :3])][:1]
        was, now = same[..., 3] > 127, found[..., 3] > 127
        assert (was & now).sum() >= captions.LIKE_ENOUGH * (was | now).sum()
        moved += int((was != now).any())
    assert 15 < moved < 60


def test_the_thrown_away_head_reads_every_attribute() -> None:
    """Features that spell out the caption are read without error; those of another are not."""
    torch.manual_seed(0)
    head, said = captions.Described(2), ["a red striped disc", "a blue mug"]
    optimizer = torch.optim.Adam(head.parameters(), 0.1)
    for _ in range(200):
        optimizer.zero_grad()
        head.loss(torch.eye(2), said).backward()
        optimizer.step()
    assert head.loss(torch.eye(2), said) < 0.01
    assert head.loss(torch.eye(2).flip(0), said) > 1
