"""What a CLIP pair is taught from: objects, phrases, and what of them fits."""

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
    shown = clip.images([captions.crop(one, clip.image_size, 0.0, rng) for one in others])
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


def test_easy_examples_are_large_and_cut_close() -> None:
    scenes = [captions.examples(sample) for sample in shapes(8)]
    rng = np.random.default_rng(0)
    first, later = (captions.drawn(scenes, 200, ease, rng) for ease in (1.0, 0.0))
    least = captions.LEAST_PIXELS + captions.EASY_PIXELS
    assert min(one.area for one in first) >= least > min(one.area for one in later)
    shares = [
        np.mean([(captions.crop(one, 16, ease, rng) == 0).all(-1).mean() for one in later])
        for ease in (1.0, 0.0)
    ]
    assert shares[0] > shares[1] + 0.1


def test_flat_crops_show_an_outline_and_nothing_else() -> None:
    [one] = captions.drawn([captions.examples(shapes(1)[0])], 1, 1.0, np.random.default_rng(0))
    flat = [captions.crop(one, 32, 0.0, np.random.default_rng(i), flat=1.0) for i in range(6)]
    for cut in flat:
        colours = np.unique(cut.reshape(-1, 3), axis=0)
        assert len(colours) == 2 and not colours[0].any() and colours[1].min() >= 128
    assert len({tuple(cut.max((0, 1))) for cut in flat}) == 6, "of any colour"
    plain, half = (captions.crop(one, 32, 0.0, np.random.default_rng(0), flat=f) for f in (0, 0.4))
    between = [np.abs(half.astype(int) - other).mean() for other in (plain, flat[0])]
    assert all(value < np.abs(plain.astype(int) - flat[0]).mean() for value in between)
    found = [captions.flatness(done, 0.6) for done in (0.0, 0.2, 0.4, 0.6, 1.0)]
    np.testing.assert_allclose(found, [1, 1, 0.5, 0, 0])
    assert captions.flatness(0.0, 0) == 0


def test_of_flat_crops_only_the_class_is_asked() -> None:
    torch.manual_seed(0)
    head = captions.Described(2)
    head.loss(torch.eye(2), ["a red striped disc", "a blue mug"], flat=1.0).backward()
    asked = {name: bool(part.weight.grad.any()) for name, part in head.heads.items()}
    assert asked == {"name": True, "colour": False, "second": False, "texture": False}


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
