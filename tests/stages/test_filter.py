"""Filter, NonMaxSuppression, Top: which masks or prompts are left, and in which order."""

import numpy as np
import pytest
import torch

from samkit.stages import Filter, GroundTruthBoxes, NonMaxSuppression, Top
from samkit.testing import check_stage, example_samples
from samkit.types import Frame, Masks, Prompts, Sample

NAN = float("nan")


def rectangles(*boxes, size=(20, 20)):
    """Masks of x0, y0 to x1, y1, the last column and row inside."""
    masks = np.zeros((len(boxes), *size), dtype=bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0 : y1 + 1, x0 : x1 + 1] = True
    return masks


@pytest.fixture
def sample():
    """Five masks of 100, 100, 81, 4 and 0 pixels; the second overlaps the first."""
    binary = rectangles((0, 0, 9, 9), (1, 0, 10, 9), (11, 11, 19, 19), (0, 18, 1, 19), (9, 9, 8, 8))
    masks = Masks.from_binary(binary, [0.5, 0.9, 0.5, 0.7, 0.1]).replace(
        predicted_iou=np.array([0.9, 0.8, 0.7, 0.6, 0.5], dtype=np.float32),
        stability=np.array([0.95, 0.5, 0.99, 0.95, NAN], dtype=np.float32),
        class_ids=np.array([1, 2, 1, 1, 2]),
    )
    return Sample("s", np.zeros((20, 20, 3), np.uint8), masks=masks)


def left(stage, sample):
    """Which of the masks, by the prompt they answer, are left, in order."""
    [answer] = stage([sample])
    return answer.masks.prompt_index.tolist()


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (Filter(), [0, 1, 2, 3, 4]),
        (Filter(min_score=0.5), [0, 1, 2, 3]),
        (Filter(max_score=0.5), [0, 2, 4]),
        (Filter(min_score=0.5, max_score=0.7), [0, 2, 3]),
        (Filter(min_area=5), [0, 1, 2]),
        (Filter(min_area=4, max_area=81), [2, 3]),
        (Filter(max_area=99), [2, 3, 4]),
        (Filter(min_predicted_iou=0.65), [0, 1, 2]),
        (Filter(min_stability=0.95), [0, 2, 3]),
        (Filter(min_stability=0), [0, 1, 2, 3]),
        (Filter(min_area=50, min_stability=0.9, max_score=0.6), [0, 2]),
        (Filter(min_score=2), []),
        # Of 400 pixels.
        (Filter(min_coverage=0.2025, max_coverage=0.25), [0, 1, 2]),
        (Filter(max_coverage=0.01), [3, 4]),
        (Filter(max_aspect=1), [0, 1, 2, 3]),
        (Filter(touching_border=False), [4]),
        (Filter(touching_border=True), [0, 1, 2, 3]),
        # IoU of the first two boxes, as the official generator draws them: 72 / 90 = .8.
        (NonMaxSuppression(0.7, per_class=False), [1, 2, 3, 4]),
        (NonMaxSuppression(0.81, per_class=False), [0, 1, 2, 3, 4]),
        (NonMaxSuppression(0.7), [0, 1, 2, 3, 4]),
        (Top(2), [1, 3]),
        (Top(4), [1, 3, 0, 2]),
        (Top(9), [1, 3, 0, 2, 4]),
        (Top(0), []),
        (Top(1, per="class"), [1, 3]),
        (Top(2, per="class"), [1, 3, 0, 4]),
    ],
)
def test_what_is_left(stage, expected, sample):
    assert left(stage, sample) == expected


@pytest.mark.parametrize("axis", [0, 1])
def test_aspect_is_of_the_box_either_way_round(axis):
    thin = rectangles((3, 3, 12, 4), (3, 6, 12, 6), (3, 8, 11, 10))
    masks = thin.transpose(0, 2, 1) if axis else thin
    sample = Sample("s", np.zeros((20, 20, 3), np.uint8), masks=Masks.from_binary(masks))
    assert left(Filter(max_aspect=5), sample) == [0, 2]  # 10 : 2, 10 : 1, 9 : 3
    assert left(Filter(max_aspect=4.9), sample) == [2]


@pytest.mark.parametrize(("box", "touching"), [
    ((0, 5, 3, 8), True), ((5, 0, 8, 3), True), ((16, 5, 19, 8), True), ((5, 16, 8, 19), True),
    ((1, 1, 18, 18), False),
])  # fmt: skip
def test_every_side_of_the_picture_is_a_border(box, touching):
    masks = Masks.from_binary(rectangles(box))
    sample = Sample("s", np.zeros((20, 20, 3), np.uint8), masks=masks)
    assert left(Filter(touching_border=touching), sample) == [0]
    assert left(Filter(touching_border=not touching), sample) == []


def test_all_masks_are_one_class_where_no_class_is_known(sample):
    unnamed = sample.replace(masks=sample.masks.replace(class_ids=None))
    assert left(NonMaxSuppression(0.7), unnamed) == [1, 2, 3, 4]
    assert left(Top(1, per="class"), unnamed) == [1]


def test_equal_scores_keep_their_order():
    scores = np.random.default_rng(0).integers(0, 3, 200) / 2
    masks = Masks.from_binary(np.ones((200, 2, 2), dtype=bool), scores)
    sample = Sample("s", np.zeros((2, 2, 3), np.uint8), masks=masks)
    assert left(Top(200), sample) == sorted(range(200), key=lambda i: (-scores[i], i))


def test_stability_comes_from_logits_where_no_stage_gave_it():
    logits = torch.full((2, 4, 4), 5.0)
    logits[1, :2] = 0.5
    masks = Masks(Frame((8, 8), (8, 8), 8), logits=logits)
    sample = Sample("s", np.zeros((8, 8, 3), np.uint8), masks=masks)
    assert left(Filter(min_stability=0.9), sample) == [0]
    assert left(Filter(min_stability=0.4), sample) == [0, 1]


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (Filter(min_score=0.3, on="prompts"), [0, 1]),
        (Filter(min_area=20, max_area=100, on="prompts"), [0, 1]),
        (Filter(max_aspect=1.1, on="prompts"), [0, 2]),
        (NonMaxSuppression(0.5, on="prompts"), [0, 1, 2]),
        (NonMaxSuppression(0.5, per_class=False, on="prompts"), [0, 2]),
        (Top(1, on="prompts"), [0]),
        (Top(1, per="class", on="prompts"), [0, 1]),
    ],
)
def test_prompts_can_be_filtered_before_decoding(stage, expected, sample):
    boxes = np.array([[0, 0, 10, 10], [0, 0, 9, 10], [50, 50, 54, 54]], dtype=np.float32)
    prompts = Prompts.from_boxes(boxes, class_ids=[1, 2, 1], scores=[0.9, 0.3, 0.2])
    [answer] = stage([sample.replace(prompts=prompts)])
    np.testing.assert_array_equal(answer.prompts.boxes, boxes[expected])
    assert answer.masks is sample.masks
    assert (stage.reads, stage.writes) == (("prompts",), ("prompts",))


def test_on_is_part_of_the_source():
    stage = Filter(min_score=0.05, on="prompts") | Top(100, on="prompts") | NonMaxSuppression()
    assert stage.reads == ("prompts", "masks")
    assert repr(stage) == (
        "Filter(min_score=0.05, on='prompts') | Top(100, on='prompts') | NonMaxSuppression(0.7)"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Filter(min_area=5, max_area=4), "min_area 5 is above max_area 4"),
        (lambda: Filter(min_score=1, max_score=0), "min_score 1 is above max_score 0"),
        (lambda: Filter(min_stability=0.9, on="prompts"), "known of masks only"),
        (lambda: Filter(min_predicted_iou=0.9, on="prompts"), "known of masks only"),
        (lambda: Filter(touching_border=False, on="prompts"), "known of masks only"),
        (lambda: Filter(max_coverage=0.9, on="prompts"), "known of masks only"),
        (lambda: Filter(min_coverage=0.9, max_coverage=0.1), "min_coverage 0.9 is above"),
        (lambda: NonMaxSuppression(1.1), "between 0 and 1, got 1.1"),
        (lambda: Top(-1), "not negative"),
        (lambda: Top(1, per="prompt"), "got 'prompt'"),
        (lambda: Top(1, on="mask"), 'on is "masks" or "prompts", got \'mask\''),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (Top(1, on="prompts"), "have no scores"),
        (Filter(min_score=0.1, on="prompts"), "have no scores"),
        (NonMaxSuppression(on="prompts"), "have no box"),
        (Filter(min_area=3, on="prompts"), "have no box"),
        (Filter(max_aspect=3, on="prompts"), "have no box"),
    ],
)
def test_prompts_that_lack_what_is_asked_are_refused(stage, message, sample):
    with pytest.raises(ValueError, match=message):
        stage([sample.replace(prompts=Prompts.from_points([[1, 2]]))])


def test_a_sample_without_masks_is_named(sample):
    with pytest.raises(ValueError, match="'s' has no masks"):
        Top(1)([sample.replace(masks=None)])


def true_masks():
    """The example pictures with their true masks, as found."""
    samples = []
    for sample in example_samples():
        truth = sample.annotations
        masks = Masks.from_binary(truth.binary(), np.linspace(0.9, 0.4, len(truth)))
        samples.append(sample.replace(masks=masks.replace(class_ids=truth.class_ids)))
    return samples


@pytest.mark.parametrize(
    "stage",
    [
        Filter(min_score=0.5, min_area=3, min_predicted_iou=0.3),
        Filter(max_coverage=0.5, max_aspect=3, touching_border=False),
        NonMaxSuppression(0.1),
        Top(1),
        Top(1, per="class"),
    ],
)
def test_laws_on_masks(stage):
    check_stage(stage, samples=true_masks())


@pytest.mark.parametrize(
    "stage",
    [
        Filter(min_score=0.5, min_area=3, on="prompts"),
        NonMaxSuppression(0.1, on="prompts"),
        Top(1, on="prompts"),
    ],
)
def test_laws_on_prompts(stage):
    samples = [
        sample.replace(prompts=sample.prompts.replace(scores=sample.prompts.class_ids / 2))
        for sample in GroundTruthBoxes()(example_samples())
    ]
    check_stage(stage, samples=samples)
