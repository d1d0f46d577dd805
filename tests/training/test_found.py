"""Pictures with what a SAM found in them."""

from pathlib import Path

import numpy as np

from samkit import Masks, load_sam
from samkit.data.shapes.phrases import held_out
from samkit.ops import rle
from samkit.training.found import Example, Pictures, example, with_found
from samkit.types import Frame


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
    assert again.captions == examples[0].captions == ()
    np.testing.assert_array_equal(again.image, examples[0].image)
    np.testing.assert_array_equal(again.means, examples[0].means)


def test_masks_of_another_origin_mean_objects_too_or_are_left_out(examples: list[Example]) -> None:
    one = examples[0]
    size = one.image.shape[:2]
    nowhere = np.zeros(size, dtype=bool)
    nowhere[: size[0] // 8, : size[1] // 8] = True
    away = rle.encode(nowhere[None])
    assert rle.iou(away, one.objects).max() < 0.08, "no object lies in that corner"
    last = len(one.objects) - 1
    more = Masks(Frame(size, size, max(size)), run_lengths=(*away, one.objects[last]))
    after = with_found(one, more)
    assert after.found == [*one.found, one.objects[last]]
    np.testing.assert_array_equal(after.means, [*one.means, last])
    assert with_found(one, more[:0]) is one, "nothing more was found"


def test_captions_come_with_made_up_scenes_that_are_asked_for_them() -> None:
    draw = Pictures(["shapes"], 128, objects=3, zoom=2.0, seed=5, captions=True)
    rng = np.random.default_rng(1)
    pictures = [draw(rng) for _ in range(6)]
    assert all(len(m) == len(c) <= 3 and i.shape == (128, 128, 3) for i, m, c in pictures)
    said = [caption for *_, captions in pictures for caption in captions]
    assert len(said) > 6 and not any(held_out(caption) for caption in said)
    one = example(load_sam("tiny"), *pictures[0][:2], rng, pictures[0][2])
    assert len(one.captions) == len(one.objects)
    silent = Pictures(["shapes"], 128, objects=3, zoom=2.0, seed=5, captions=False)
    assert silent(rng)[2] == ()
