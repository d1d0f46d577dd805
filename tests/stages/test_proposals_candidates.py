"""Masks that wait for the suppression of duplicates come back as they were."""

import sys

import numpy as np

from samkit.ops import rle
from samkit.ops.nms import non_max_suppression
from samkit.stages.proposals_candidates import Candidates
from samkit.types import Frame, Masks


def some(rng: np.random.Generator, frame: Frame, count: int) -> Masks:
    """Rectangles with holes, and for each a number of its own."""
    binary = np.zeros((count, *frame.original_size), dtype=bool)
    for mask in binary:
        x, y = rng.integers(0, 30, 2)
        mask[y : y + 20, x : x + 25] = rng.random((20, 25)) < 0.8
    return Masks(
        frame,
        run_lengths=tuple(rle.encode(binary)),
        predicted_iou=rng.random(count).astype(np.float32),
        prompt_index=np.arange(count),
    )


def test_what_stays_is_as_it_was() -> None:
    rng = np.random.default_rng(0)
    frame = Frame((60, 70), (60, 70), 70)
    batches = [some(rng, frame, count) for count in (5, 0, 30)]
    candidates = Candidates()
    for masks in batches:
        candidates.add(masks, masks.boxes())
    whole = Masks.concat(batches)
    by_score = np.argsort(-whole.predicted_iou)
    everything = candidates.suppressed(1.0)
    assert everything.rle() == [whole.rle()[row] for row in by_score]
    np.testing.assert_array_equal(everything.prompt_index, whole.prompt_index[by_score])
    fewer = candidates.suppressed(0.5)
    rows = non_max_suppression(whole.boxes(), whole.predicted_iou, 0.5)
    assert 3 < len(fewer) < 35
    assert fewer.rle() == [whole.rle()[row] for row in rows]
    np.testing.assert_array_equal(fewer.predicted_iou, whole.predicted_iou[rows])


def test_nothing_waits() -> None:
    frame = Frame((60, 70), (60, 70), 70)
    candidates = Candidates()
    none = some(np.random.default_rng(0), frame, 0)
    candidates.add(none, none.boxes())
    assert len(candidates.suppressed(0.7)) == 0 and candidates.suppressed(0.7).rle() == []


def test_waiting_takes_less_room() -> None:
    # A disc with a wavy edge, as a network's masks are.
    frame = Frame((1000, 1000), (256, 256), 256)
    y, x = np.mgrid[:1000, :1000] - 500
    edge = 400 + 20 * np.sin(12 * np.arctan2(y, x))
    masks = Masks(frame, run_lengths=tuple(rle.encode((np.hypot(x, y) < edge)[None])))
    candidates = Candidates()
    candidates.add(masks, masks.boxes())
    [packed], [one] = candidates.packed, masks.rle()
    assert sys.getsizeof(packed) < 0.7 * sys.getsizeof(one["counts"])
    assert candidates.suppressed(0.7).rle() == [one]
