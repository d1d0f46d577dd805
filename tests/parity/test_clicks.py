"""The click loop beside a plain loop over the official predictor, which benchmarks/clicks_parity has."""

import numpy as np
import pytest

pytest.importorskip("segment_anything")

from benchmarks import clicks_parity
from benchmarks.clicks_parity import Notes, compare, plain_loop, some_pictures, trace
from samkit import load_sam
from samkit.data import shapes
from samkit.ops.points import next_click
from samkit.sam.model import Sam
from samkit.stages import Clicks


@pytest.fixture(scope="module")
def sam() -> Sam:
    return load_sam("tiny", device="cpu")


@pytest.fixture(scope="module")
def pictures(sam: Sam) -> list[clicks_parity.Picture]:
    [picture] = some_pictures(sam, shapes(1, seed=11, size=200), 1)
    return [picture._replace(truths=picture.truths[:4])]


def test_the_same_objects_clicks_and_masks(sam: Sam, pictures: list[clicks_parity.Picture]) -> None:
    told, *others = compare(sam, pictures, 3)
    assert told.startswith("4 of 4 objects of 1 pictures within 0.001 IoU"), others
    [picture] = pictures
    [done] = Clicks(sam, (3,))([picture.sample])
    for ours, theirs in zip(done.clicks.points[:4], plain_loop(picture, 3), strict=True):
        np.testing.assert_array_equal(ours[: len(theirs.points)], theirs.points)


def test_a_difference_is_traced_to_its_click_and_pixel(
    sam: Sam, pictures: list[clicks_parity.Picture]
) -> None:
    [picture] = pictures
    notes = Notes(sam)
    Clicks(notes, (2,))([picture.sample])
    played = plain_loop(picture, 2)[0]
    with pytest.raises(AssertionError, match="equal masks"):
        trace(picture, played, notes)
    played.logits[1][:] = -played.logits[1]
    told = trace(picture, played, notes)
    assert told.startswith("click 2 differs in ") and "our logit" in told


def test_another_clicker_is_another_loop(pictures: list[clicks_parity.Picture]) -> None:
    asked = []

    def noted(*given: object) -> object:
        asked.append(given)
        return next_click(*given)

    [picture] = pictures
    plain_loop(picture, 2, following=noted)
    assert 0 < len(asked) <= 4
