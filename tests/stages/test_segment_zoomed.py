"""Boxes to masks, each in a crop of its own."""

import numpy as np
import pytest

from samkit import Masks, Prompts, Sample, load_sam
from samkit.data import shapes
from samkit.ops import rle
from samkit.ops.zoom import crop_around, shared_crop_around
from samkit.stages import (
    AverageScores,
    Embed,
    FavourLarge,
    GroundTruthBoxes,
    MaskBoxes,
    Refine,
    Segment,
    SegmentZoomed,
)
from samkit.testing import check_stage


@pytest.fixture(scope="module")
def sam():
    return load_sam("tiny", device="cpu")


@pytest.fixture(scope="module")
def boxed() -> Sample:
    [sample] = GroundTruthBoxes()([shapes(1)[0]])
    return sample.replace(prompts=sample.prompts[:4])


def test_the_laws(sam) -> None:
    check_stage(SegmentZoomed(sam), before=GroundTruthBoxes())
    check_stage(SegmentZoomed(sam, shared=True), before=GroundTruthBoxes())
    check_stage(MaskBoxes(), before=Embed(sam) | GroundTruthBoxes() | Segment(sam))


@pytest.mark.parametrize(
    ("box", "context", "expected"),
    [
        ([40, 40, 60, 50], 2.0, (30, 25, 70, 65)),  # around the middle, as long as twice the longer
        ([40, 40, 50, 50], 1.0, (33, 33, 57, 57)),  # never fewer than 24 pixels
        ([0, 0, 30, 30], 2.0, (0, 0, 45, 45)),  # ends where the picture does
        ([-50, -50, -40, -40], 1.0, (0, 0, 1, 1)),  # and never empty
    ],
)
def test_crops_around_boxes(box, context, expected) -> None:
    assert crop_around(box, context, (100, 100)) == expected


def test_shared_crops_are_few_and_hold_their_boxes() -> None:
    rng = np.random.default_rng(0)
    low, sides = rng.uniform(0, 150, (400, 2)), rng.uniform(2, 50, (400, 2))
    boxes = np.concatenate([low, low + sides], axis=1)
    for context in (4 / 3, 2.0):
        own = [crop_around(box, context, (200, 200)) for box in boxes]
        crops = [shared_crop_around(box, context, (200, 200)) for box in boxes]
        assert len(set(crops)) < len(set(own)) / 2
        found = np.array(crops)
        assert (found[:, :2] <= boxes[:, :2]).all() and (found[:, 2:] >= boxes[:, 2:]).all()
        inside = (found[:, :2] > 0).all(axis=1) & (found[:, 2:] < 200).all(axis=1)
        times = (found[:, 2:] - found[:, :2]).max(axis=1)[inside] / sides.max(axis=1)[inside]
        large = sides.max(axis=1)[inside] > 24 / context
        assert (times[large] >= context).all() and (times[large] < 2 * context + 1).all()


def test_shared_crops_answer_each_box_as_its_crop_alone(sam, boxed) -> None:
    near = np.concatenate([boxed.prompts.boxes, boxed.prompts.boxes + 0.5])
    asked = boxed.replace(prompts=Prompts.from_boxes(near, scores=np.arange(8) / 8))
    [found] = SegmentZoomed(sam, shared=True)([asked])
    crops = found.masks.crop_boxes
    assert len(np.unique(crops, axis=0)) < 8
    assert found.masks.prompt_index.tolist() == list(range(8))
    np.testing.assert_array_equal(found.masks.scores, asked.prompts.scores)
    for row, (x0, y0, x1, y1) in enumerate(crops.astype(int).tolist()):
        own = Prompts.from_boxes([near[row] - np.array([x0, y0, x0, y0])])
        [alone] = (Embed(sam) | Segment(sam))([Sample(0, boxed.image[y0:y1, x0:x1], prompts=own)])
        assert (found.masks[row].binary()[0, y0:y1, x0:x1] != alone.masks.binary()[0]).mean() < 1e-4
        assert found.masks.logits is None
        np.testing.assert_allclose(
            found.masks.stability[row], alone.masks.stability_score[0], atol=1e-3
        )


def test_a_box_answers_as_in_a_picture_of_its_crop(sam, boxed) -> None:
    [found] = SegmentZoomed(sam, context=2.0)([boxed])
    assert found.masks.prompt_index.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(found.masks.class_ids, boxed.prompts.class_ids)
    for row, box in enumerate(boxed.prompts.boxes):
        x0, y0, x1, y1 = crop_around(box, 2.0, boxed.image.shape[:2])
        own = Prompts.from_boxes([box - np.array([x0, y0, x0, y0])])
        [alone] = (Embed(sam) | Segment(sam))([Sample(0, boxed.image[y0:y1, x0:x1], prompts=own)])
        whole = np.zeros(boxed.image.shape[:2], dtype=bool)
        whole[y0:y1, x0:x1] = alone.masks.binary()[0]
        assert (found.masks[row].binary()[0] != whole).mean() < 1e-4 and whole.any()
        np.testing.assert_allclose(
            found.masks.predicted_iou[row], alone.masks.predicted_iou[0], atol=1e-4
        )
        assert found.masks.crop_boxes[row].tolist() == [x0, y0, x1, y1]


def test_logits_lie_in_their_crops(sam, boxed) -> None:
    [found] = SegmentZoomed(sam, keep_logits=True)([boxed])
    [plain] = SegmentZoomed(sam)([boxed])
    assert found.masks.rle() == plain.masks.rle()
    parts = list(found.masks.by_crop())
    assert sum(map(len, parts)) == 4 and len(parts) > 1
    for part in parts:
        assert part.replace(run_lengths=None).rle() == part.rle()
    with pytest.raises(ValueError, match="lie in crops; put it straight behind Segment"):
        Refine(sam)(Embed(sam)([found]))


def test_small_objects_gain_by_it(sam) -> None:
    """What it is for: true boxes of objects under 1 % of their picture."""
    whole, zoomed = [], []
    for sample in GroundTruthBoxes()(list(shapes(6, seed=8_200_000))):
        truth = sample.annotations
        small = np.flatnonzero(rle.areas(truth.run_lengths) < 0.01 * sample.image[..., 0].size)
        asked = sample.replace(prompts=sample.prompts[small])
        wanted = [truth.run_lengths[i] for i in small]
        for find, ious in ((Embed(sam) | Segment(sam), whole), (SegmentZoomed(sam), zoomed)):
            ious += np.diag(rle.iou(find([asked])[0].masks.rle(), wanted)).tolist()
    assert len(whole) >= 10 and np.mean(zoomed) > np.mean(whole) + 0.1


def test_masks_ask_with_their_boxes() -> None:
    pixels = np.zeros((3, 20, 30), dtype=bool)
    pixels[0, 2:5, 4:9] = pixels[2, 19, 29] = True
    masks = Masks.from_binary(pixels, [0.5, 0.9, 0.25]).replace(class_ids=np.array([7, 8, 9]))
    [sample] = MaskBoxes()([Sample(0, np.zeros((20, 30, 3), np.uint8), masks=masks)])
    assert sample.prompts.boxes.tolist() == [[4, 2, 9, 5], [29, 19, 30, 20]]
    assert sample.prompts.class_ids.tolist() == [7, 9]  # the empty one asks for nothing
    assert sample.prompts.scores.tolist() == [0.5, 0.25]


def test_a_second_look_counts_as_much_as_the_first() -> None:
    masks = Masks.from_binary(np.ones((3, 4, 4), dtype=bool)).replace(
        scores=np.array([0.5, 0.75, 0.25], np.float32),
        predicted_iou=np.array([1.0, 0.25, np.nan], np.float32),
    )
    [sample] = AverageScores()([Sample(0, np.zeros((4, 4, 3), np.uint8), masks=masks)])
    assert sample.masks.scores.tolist() == [0.75, 0.5, 0.125]
    np.testing.assert_array_equal(sample.masks.predicted_iou, masks.predicted_iou)


def test_a_masks_size_may_count() -> None:
    pixels = np.zeros((3, 20, 20), dtype=bool)
    pixels[0, :2, :2] = pixels[1, :10, :10] = True
    sample = Sample(0, np.zeros((20, 20, 3), np.uint8), masks=Masks.from_binary(pixels, [0.5] * 3))
    [found] = FavourLarge(0.1)([sample])
    expected = 0.5 + 0.1 * np.log([4, 100, 1])
    np.testing.assert_allclose(found.masks.scores, expected, rtol=1e-6)
    with pytest.raises(ValueError, match="weight is a number"):
        FavourLarge(float("nan"))


def test_what_cannot_be_zoomed_in_on_is_refused(sam, boxed) -> None:
    points = Prompts.concat([Prompts.from_boxes([[1, 1, 9, 9]]), Prompts.from_points([[3, 3]])])
    with pytest.raises(ValueError, match=r"prompt 1 has no box.*put Segment and MaskBoxes before"):
        SegmentZoomed(sam)([boxed.replace(prompts=points)])
    [fed] = (Embed(sam) | Segment(sam))([boxed])
    with pytest.raises(ValueError, match="cannot be asked in a crop"):
        SegmentZoomed(sam)(
            [fed.replace(prompts=fed.prompts.replace(masks=tuple(fed.masks.logits)))]
        )
    with pytest.raises(ValueError, match=r"context is 1.*got 0.5"):
        SegmentZoomed(sam, context=0.5)
    with pytest.raises(ValueError, match=r"from a context of 4/3 on; got 1.25"):
        SegmentZoomed(sam, context=1.25, shared=True)
    [none] = SegmentZoomed(sam)([boxed.replace(prompts=boxed.prompts[:0])])
    assert len(none.masks) == 0 and none.masks.binary().shape == (0, *boxed.image.shape[:2])
