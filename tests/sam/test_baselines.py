"""The classical baselines behind encode and decode: they find what is easy, and enter the same tables."""

import numpy as np
import pytest

from samkit import Prompts, Sample, evaluate
from samkit.data.masks import annotations_from_masks
from samkit.metrics import ClickIoU
from samkit.ops.masks import pair_iou
from samkit.sam.grabcut import GrabCut
from samkit.sam.random_walker import RandomWalker
from samkit.stages import Clicks, Embed
from samkit.testing import check_stage

HEIGHT, WIDTH = 60, 90
DISC = np.hypot(*np.ogrid[-30:30, -40:50]) < 15


def picture() -> np.ndarray:
    image = np.random.default_rng(0).integers(90, 130, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    image[DISC] = (220, 40, 30)
    return image


def sample(id: str = "disc") -> Sample:
    return Sample(id, picture(), annotations_from_masks(DISC[None], {1: "disc"}))


def test_grabcut_cuts_a_disc_out_of_its_box() -> None:
    pytest.importorskip("cv2")
    model = GrabCut()
    [embedding] = model.encode([picture()])
    boxes = Prompts.from_boxes([[25, 15, 55, 45], [0, 0, WIDTH, HEIGHT]])
    [masks] = model.decode([embedding], [boxes])
    disc, all_of_it = masks.binary()
    assert pair_iou(disc, DISC) > 0.97
    assert all_of_it.all()  # no background to tell it from
    [again] = model.decode([embedding], [boxes])
    np.testing.assert_array_equal(masks.binary(), again.binary())
    with pytest.raises(ValueError, match="boxes alone"):
        model.decode([embedding], [Prompts.from_points([[30, 30]])])
    with pytest.raises(ValueError, match="outside"):
        model.decode([embedding], [Prompts.from_boxes([[200, 200, 210, 210]])])


def test_the_walker_stays_where_colours_are_alike() -> None:
    model = RandomWalker(beta=2000, side=60, radius=2)
    [embedding] = model.encode([picture()])
    [masks] = model.decode([embedding], [Prompts.from_points([[40, 30], [5, 30]])])
    disc, beside = masks.binary()
    assert pair_iou(disc, DISC) > 0.85  # made small, its outline is a pixel and a half wide
    assert beside[30, 5] and not beside[30, 40]
    # A background click takes away what lies around it.
    both = Prompts(points=[[[40, 30], [48, 30]]], labels=[[1, 0]])
    [less] = model.decode([embedding], [both])
    assert not less.binary()[0, 30, 48] and disc[30, 48]
    with pytest.raises(ValueError, match="points alone"):
        model.decode([embedding], [Prompts.from_boxes([[0, 0, 9, 9]])])


def test_clicks_fall_on_their_own_pixels() -> None:
    """The probability is highest around the click, at whatever size the image is."""
    for size in ((40, 100), (300, 128), (64, 64)):
        model = RandomWalker(side=64, radius=0, threshold=0.3)
        [embedding] = model.encode([np.full((*size, 3), 128, np.uint8)])
        xy = np.array([0.6 * size[1], 0.4 * size[0]])
        [[mask]] = [m.binary() for m in model.decode([embedding], [Prompts.from_points([xy])])]
        y, x = np.argwhere(mask).mean(axis=0)
        assert abs(x - xy[0]) <= max(size) / 64 and abs(y - xy[1]) <= max(size) / 64


def test_pixels_and_lines() -> None:
    for size in ((1, 1), (1, 7), (2, 2)):
        model = RandomWalker()
        [embedding] = model.encode([np.zeros((*size, 3), np.uint8)])
        [masks] = model.decode([embedding], [Prompts.from_points([[0, 0]])])
        assert masks.binary().shape == (1, *size) and masks.binary()[0, 0, 0]


def test_laws_and_tables() -> None:
    pytest.importorskip("cv2")
    box = Clicks(GrabCut(), (1,), first="box")
    check_stage(box, before=Embed(box.sam))
    walk = Clicks(RandomWalker(side=32), (1, 2), "none")
    check_stage(walk, before=Embed(walk.sam))
    for stage in (box, walk):
        pipeline = Embed(stage.sam) | stage
        summary = evaluate([sample()], pipeline, ClickIoU(), progress=False)
        assert summary["metrics"]["mIoU@1"] > 0.5 and stage.sam.name in summary["run"]["sam"]
