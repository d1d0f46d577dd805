"""What a CLIP pair is taught from: objects, phrases, and what of them fits."""

import numpy as np
import torch

from samkit import Masks
from samkit.data import shapes
from samkit.data.shapes.phrases import held_out
from samkit.ops import rle
from samkit.training import captions


def test_nothing_held_out_is_learned_from() -> None:
    learned = [one for sample in shapes(6) for one in captions.examples(sample)]
    assert learned and not any(held_out(one.caption) for one in learned)
    phrases = {captions.asked("a red striped disc", np.random.default_rng(i)) for i in range(600)}
    assert {"a disc", "red disc", "the red object", "a striped disc"} <= phrases


def test_which_captions_a_phrase_fits() -> None:
    said = ["a disc", "a red disc", "a striped object"]
    truth = captions.fitting(said, ["a red striped disc", "a blue disc", "a red mug"])
    assert truth.tolist() == [[1, 1, 1], [1, -1, -1], [-1, -1, -1]]


def test_found_masks_are_objects_or_nothing() -> None:
    """The object itself, the half of it, two together, the ground; what a held-out caption has is left out."""
    samples = [sample for sample in shapes(12) if len(captions.examples(sample)) > 1]
    sample = samples[0]
    truth = sample.annotations
    pixels = rle.decode(truth.run_lengths)
    large = [
        i for i in range(len(pixels)) if truth.areas[i] > 300 and not held_out(truth.captions[i])
    ]
    one = pixels[large[0]]
    half = one & (np.cumsum(one.any(axis=0)) < 0.3 * one.any(axis=0).sum())
    ground = ~pixels.any(axis=0)
    found = captions.found_examples(sample, Masks.from_binary(np.stack([one, half, ground])))
    assert [example.caption for example in found] == [truth.captions[large[0]], None, None]
    assert all(example.found for example in found)
    [x0, y0, x1, y1] = found[0].box
    assert one[int(y0) : int(y1), int(x0) : int(x1)].sum() == one.sum(), (
        "the box ends behind the mask"
    )
    rng = np.random.default_rng(0)
    assert all((captions.crop(found[0], 32, 0.0, rng) == 0).all(-1).any() for _ in range(20)), (
        "alone"
    )
    kept_out = next(s for s in shapes(60) if any(map(held_out, s.annotations.captions)))
    number = next(i for i, c in enumerate(kept_out.annotations.captions) if held_out(c))
    alone = Masks.from_binary(rle.decode([kept_out.annotations.run_lengths[number]]))
    assert not captions.found_examples(kept_out, alone)


def test_what_has_no_caption_fits_nothing_and_tells_no_attribute() -> None:
    assert captions.fitting(["a disc"], ["a red disc", None]).tolist() == [[1], [-1]]
    head, features = captions.Described(2), torch.eye(2)
    both = head.loss(torch.cat([features, 9 * features]), ["a red disc", "a blue mug", None, None])
    assert torch.equal(both, head.loss(features, ["a red disc", "a blue mug"]))


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
