"""draw: what a picture shows of a sample."""

import numpy as np
import pytest

from samkit.drawing import draw
from samkit.ops import rle
from samkit.testing import example_samples
from samkit.types import Annotations, Masks, Prompts, Sample

GREY = np.full((200, 300, 3), 120, dtype=np.uint8)
BOX = (slice(40, 120), slice(50, 150))


@pytest.fixture
def masks():
    binary = np.zeros((2, 200, 300), dtype=bool)
    binary[(0, *BOX)] = binary[1, 130:180, 200:280] = True
    return Masks.from_binary(binary, [0.91, 0.42]).replace(class_ids=np.array([1, 2]))


def pixels(sample, **settings):
    return np.asarray(draw(sample, scale=1, **settings)).astype(int)


def changed(sample, **settings):
    """Where the drawing differs from the picture."""
    return (pixels(sample, **settings) != sample.image).any(axis=2)


def test_masks_are_tinted_in_their_own_colours_and_the_rest_is_left(masks):
    sample = Sample(1, GREY, masks=masks)
    picture = pixels(sample, labels=False)
    inside = masks.binary()
    first, second = (picture[mask] for mask in inside)
    assert changed(sample, labels=False)[inside.any(axis=0)].mean() > 0.99
    far = ~inside.any(axis=0)
    far[35:125, 45:155] = far[125:185, 195:285] = False
    np.testing.assert_array_equal(picture[far], 120)
    assert np.abs(np.median(first, axis=0) - np.median(second, axis=0)).max() > 50
    np.testing.assert_array_equal(sample.image, 120)


def test_outlines_are_stronger_than_the_inside(masks):
    picture = pixels(Sample(1, GREY, masks=masks), labels=False)
    edge, middle = picture[80, 50] - 120, picture[80, 100] - 120
    assert np.abs(edge).sum() > 1.5 * np.abs(middle).sum()
    outline = pixels(Sample(1, GREY, masks=masks), labels=False, opacity=0)
    np.testing.assert_array_equal(outline[80, 100], 120)
    np.testing.assert_array_equal(outline[80, 50], picture[80, 50])


def test_labels_tell_class_and_score(masks):
    named = Annotations(
        (200, 300), np.zeros((0, 4)), np.zeros(0, int), class_names={1: "cat", 2: "zebra"}
    )
    sample = Sample(1, GREY, annotations=named, masks=masks)
    above = (slice(15, 38), slice(50, 140))
    assert changed(sample)[above].any()
    assert not changed(sample, labels=False)[above].any()
    renamed = sample.replace(annotations=Annotations((200, 300), *[named.boxes, named.class_ids]))
    rescored = sample.replace(masks=masks.replace(scores=np.array([0.5, 0.42], np.float32)))
    for other in (renamed, rescored):
        assert (pixels(other)[above] != pixels(sample)[above]).any()


def test_many_masks_go_without_labels_unless_asked_for(masks):
    many = Sample(1, GREY, masks=masks[[0] * 41])
    np.testing.assert_array_equal(pixels(many), pixels(many, labels=False))
    assert (pixels(many, labels=True) != pixels(many)).any()


def test_points_are_green_and_red(masks):
    prompts = Prompts(points=[[[60, 60], [250, 20]], [[10, 190]]], labels=[[1, 0], [1]])
    picture = pixels(Sample(1, GREY, prompts=prompts))
    for (x, y), channel in [((60, 60), 1), ((250, 20), 0), ((10, 190), 1)]:
        assert picture[y, x].argmax() == channel
        assert picture[y, x].max() > 150
    np.testing.assert_array_equal(picture[100, 150], 120)


def test_boxes_have_the_colour_of_their_mask(masks):
    prompts = Prompts(boxes=[[200, 130, 280, 180], None, [20, 20, 190, 170], [5, 5, 9, 9]])
    found = masks.replace(prompt_index=np.array([2, 0]))
    picture = pixels(Sample(1, GREY, masks=found, prompts=prompts), labels=False)
    np.testing.assert_array_equal(picture[170, 100], picture[80, 50])
    assert picture[7, 5].argmax() == 1
    assert tuple(picture[7, 5]) != (120, 120, 120)


def test_the_truth_is_drawn_where_no_masks_were_made(masks):
    [landscape, *_] = example_samples()
    truth = landscape.annotations.binary().any(axis=0)
    assert changed(landscape, labels=False)[truth].mean() > 0.95
    boxes = Annotations((200, 300), np.array([[50, 40, 150, 120]], np.float32), np.array([1]))
    outline = changed(Sample(1, GREY, annotations=boxes), labels=False)
    assert outline[80, 50]
    assert not outline[80, 100]
    assert not changed(Sample(1, GREY)).any()
    as_found = Masks.from_binary(rle.decode(landscape.annotations.run_lengths))
    np.testing.assert_array_equal(
        pixels(landscape, labels=False),
        pixels(landscape.replace(masks=as_found, annotations=None), labels=False),
    )


def test_small_pictures_are_enlarged_and_large_ones_not(masks):
    assert draw(Sample(1, GREY, masks=masks)).size == (900, 600)
    large = np.zeros((480, 640, 3), dtype=np.uint8)
    assert draw(Sample(1, large)).size == (640, 480)
    # What is drawn grows with the picture.
    enlarged = np.asarray(draw(Sample(1, GREY, masks=masks), labels=False, scale=2)).astype(int)
    once = pixels(Sample(1, GREY, masks=masks), labels=False)
    np.testing.assert_array_equal(enlarged[160, 200], once[80, 100])
    np.testing.assert_array_equal(enlarged[60, 200], 120)
    # A point names a pixel; its dot sits in the middle of the enlarged one.
    dot = np.asarray(draw(Sample(1, GREY, prompts=Prompts.from_points([[100, 80]])), scale=3))
    assert np.argwhere((dot != 120).any(axis=2)).mean(axis=0).tolist() == [241, 301]


def test_every_example_can_be_drawn_with_everything_and_with_nothing():
    for sample in example_samples():
        height, width = sample.image.shape[:2]
        truth = sample.annotations
        masks = Masks.from_binary(truth.binary())
        prompts = Prompts.from_boxes(truth.boxes)
        scale = draw(sample).size[0] // width
        for drawn in (
            sample.replace(masks=masks, prompts=prompts),
            sample.replace(masks=masks[:0], prompts=prompts[:0]),
            sample.replace(prompts=Prompts()),
            sample.replace(masks=Masks.from_binary(np.zeros((2, height, width), bool))),
        ):
            assert draw(drawn).size == (width * scale, height * scale)
