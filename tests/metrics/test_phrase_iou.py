"""Text to masks, measured, on masks whose overlaps are known."""

import numpy as np
import pytest

from samkit.metrics import PhraseIoU
from samkit.types import Annotations, Masks, Sample


def strip(start: int, stop: int) -> np.ndarray:
    mask = np.zeros((4, 20), dtype=bool)
    mask[:, start:stop] = True
    return mask


def sample(masks, classes, scores, truth, truth_classes, phrases, id=1) -> Sample:
    true = Masks.from_binary(np.array(truth).reshape(-1, 4, 20))
    annotations = Annotations(
        (4, 20),
        true.boxes(),
        np.array(truth_classes, dtype=np.int64),
        run_lengths=tuple(true.rle()),
    )
    found = Masks.from_binary(np.array(masks, dtype=bool).reshape(-1, 4, 20), scores)
    found = found.replace(class_ids=np.array(classes, dtype=np.int64))
    image = np.zeros((4, 20, 3), np.uint8)
    return Sample(id, image, annotations, phrases=phrases, masks=found)


def test_the_best_scored_mask_is_the_answer() -> None:
    one = sample(
        [strip(0, 8), strip(0, 10), strip(12, 20)],
        [0, 0, 1],
        [0.9, 0.2, 0.5],
        [strip(0, 10), strip(10, 20)],
        [0, 1],
        ["left", "right"],
    )
    row = PhraseIoU().score(one)
    assert row["iou"] == [0.8, 0.8] and row["best"] == [1.0, 0.8] and row["other"] == [0.0, 0.0]
    found = PhraseIoU().summarise([row])
    assert found["mIoU"] == pytest.approx(0.8) and found["hit"] == 1 and found["control"] == 0
    assert found["phrases"] == 2 and found["unknown"] == 0


def test_any_object_that_fits_will_do_and_no_answer_is_zero() -> None:
    one = sample(
        [strip(10, 20)],
        [0],
        [0.1],
        [strip(0, 10), strip(10, 20), strip(0, 4)],
        [0, 0, 1],
        ["both", "unanswered", "fits nothing"],
    )
    row = PhraseIoU().score(one)
    assert row["iou"] == [1.0, 0.0] and row["unknown"] == 1
    assert row["phrases"] == ["both", "unanswered"]


def test_control_and_what_could_be_reached() -> None:
    """Both phrases are answered with the other's object, though the right masks were there."""
    swapped = sample(
        [strip(0, 10), strip(10, 20)] * 2,
        [0, 0, 1, 1],
        [0.1, 0.9, 0.9, 0.1],
        [strip(0, 10), strip(10, 20)],
        [0, 1],
        ["left", "right"],
    )
    found = PhraseIoU().summarise([PhraseIoU().score(swapped)])
    assert found["hit"] == 0 and found["control"] == 1
    assert found["reachable"] == 1 and found["hit_reachable"] == 0


def test_large_objects_are_told_apart() -> None:
    """.95 % of 8,000 pixels are 76: one object has as many, the other one less."""
    size, large, small = (80, 100), np.zeros((80, 100), bool), np.zeros((80, 100), bool)
    large[:4, :19] = small[70:75, :15] = True
    true = Masks.from_binary(np.stack([large, small]))
    annotations = Annotations(size, true.boxes(), np.array([0, 1]), run_lengths=tuple(true.rle()))
    found = true.replace(class_ids=np.array([1, 1]))
    image = np.zeros((*size, 3), np.uint8)
    one = Sample(1, image, annotations, phrases=["large", "small"], masks=found)
    row = PhraseIoU().score(one)
    assert row["share"] == [0.0095, 75 / 8000]
    missed = PhraseIoU().summarise([row])
    assert missed["hit_large"] == 0
    both = one.replace(masks=true.replace(class_ids=np.array([0, 0]), scores=np.array([1.0, 0.5])))
    hit = PhraseIoU().summarise([PhraseIoU().score(both)])
    assert hit["hit"] == 0.5 and hit["hit_large"] == 1


def test_no_masks_no_phrases_and_what_is_missing() -> None:
    nothing = sample([], [], [], [strip(0, 3)], [0], ["it"], id=2)
    asked_nothing = sample([], [], [], [], [], [], id=1)
    rows = [PhraseIoU().score(one) for one in (nothing, asked_nothing)]
    found = PhraseIoU().summarise(rows)
    assert found["mIoU"] == 0 and found["phrases"] == 1 and found["control"] is None
    assert PhraseIoU().summarise(rows[1:]) == {"phrases": 0, "unknown": 0}
    assert PhraseIoU().summarise(rows[::-1]) == found
    with pytest.raises(ValueError, match="lacks true masks"):
        PhraseIoU().score(nothing.replace(phrases=None))
    with pytest.raises(ValueError, match="no classes"):
        PhraseIoU().score(nothing.replace(masks=Masks.from_binary(strip(0, 3)[None])))
