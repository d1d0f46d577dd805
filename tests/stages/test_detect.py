"""Detect: anybody's detector as a stage."""

import numpy as np
import pytest
import supervision as sv

from samkit.stages.detect import Detect
from samkit.testing import check_stage, example_samples
from samkit.types import Prompts, Sample


def bright_box(images):
    """The box of all pixels above 200, scored by their share; nothing where there are none."""
    answers = []
    for image in images:
        rows, columns = np.nonzero(image.max(axis=2) > 200)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else []
        answers.append(Prompts.from_boxes([box] if box else [], [3] * bool(box), [0.5] * bool(box)))
    return answers


def as_detections(images):
    return [
        sv.Detections(prompts.boxes, confidence=prompts.scores, class_id=prompts.class_ids)
        for prompts in bright_box(images)
    ]


def nothing_found(images):
    return [sv.Detections.empty() for _ in images]


@pytest.mark.parametrize("detector", [bright_box, as_detections, nothing_found])
def test_laws(detector):
    check_stage(Detect(detector))


def test_detections_are_prompts():
    samples = example_samples()
    ours, theirs = Detect(bright_box)(samples), Detect(as_detections)(samples)
    assert ours[1].prompts.boxes.tolist() == [[9, 39, 32, 62]]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a.prompts.boxes, b.prompts.boxes)
        np.testing.assert_array_equal(a.prompts.scores, b.prompts.scores)
        np.testing.assert_array_equal(a.prompts.class_ids, b.prompts.class_ids)


def test_it_goes_by_the_detectors_name():
    assert repr(Detect(bright_box)) == f"Detect({__name__}.bright_box)"
    with pytest.raises(ValueError, match="lambda"):
        repr(Detect(lambda images: []))


def one_short(images):
    return bright_box(images)[1:]


def only_boxes(images):
    return [np.zeros((0, 4)) for _ in images]


def one_for_all(images):
    # As long as the batch, and still not a list of prompts.
    return Prompts.from_boxes([[0, 0, 1, 1]] * len(images))


@pytest.mark.parametrize(
    ("detector", "error", "message"),
    [
        (one_short, ValueError, r"one_short returned 4 answers for 5 images.*empty Prompts\(\)"),
        (only_boxes, TypeError, r"only_boxes answered .* ndarray; return Prompts\.from_boxes"),
        (one_for_all, TypeError, "one_for_all returned a Prompts.*one Prompts for each image"),
    ],
)
def test_wrong_answers_are_told_with_the_cure(detector, error, message):
    with pytest.raises(error, match=message):
        Detect(detector)(example_samples())


def test_no_samples_don_t_reach_the_detector():
    def refuse(images):
        raise AssertionError("asked about nothing")

    assert Detect(refuse)([]) == []


def test_the_detector_gets_rgb_pixels():
    seen = []

    def look(images):
        seen.extend(images)
        return [Prompts() for _ in images]

    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    Detect(look)([Sample(1, lambda: image)])
    np.testing.assert_array_equal(seen, [image])
