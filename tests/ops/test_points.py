"""Grids, centres and clicks, by hand and by brute force."""

import numpy as np
import pytest

from samkit.ops.points import center_point, next_click, point_grid, random_point


def test_grid_by_hand():
    expected = [[2, 1], [6, 1], [2, 3], [6, 3]]
    np.testing.assert_array_equal(point_grid(2, (4, 8)), expected)
    np.testing.assert_array_equal(point_grid(1, (3, 5)), [[2.5, 1.5]])


def test_grid_is_the_official_one():
    amg = pytest.importorskip("segment_anything.utils.amg")
    for points_per_side in (1, 7, 32, 64):
        official = amg.build_point_grid(points_per_side) * np.array([[853, 479]])
        ours = point_grid(points_per_side, (479, 853))
        np.testing.assert_array_equal(ours, official.astype(np.float32))


def mask(*rows):
    return np.array([[character == "#" for character in row] for row in rows])


@pytest.mark.parametrize(
    ("pixels", "xy"),
    [
        (["#"], (0, 0)),
        (["...", "..#"], (2, 1)),
        (["###", "###", "###"], (1, 1)),
        # Outside the picture is background: the middle, not the corner.
        (["#####", "#####", "#####", "....."], (1, 1)),
        # Several are as far: the first in row-major order, not in column-major order.
        ([".#.", "#.#"], (1, 0)),
        (["....", ".##.", ".##."], (1, 1)),
        # The thicker of two parts.
        (["#....", "#.###", "#.###", "..###"], (3, 2)),
    ],
)
def test_centre_by_hand(pixels, xy):
    assert tuple(center_point(mask(*pixels))) == xy


def test_centre_is_the_pixel_farthest_from_any_background():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        blob = np.kron(rng.random((4, 5)) < 0.7, np.ones((3, 2))) > 0
        blob &= rng.random(blob.shape) < 0.95
        outside = np.argwhere(~np.pad(blob, 1))
        inside = np.argwhere(np.pad(blob, 1))
        squared = ((inside[:, None] - outside[None]) ** 2).sum(axis=2).min(axis=1)
        y, x = inside[squared.argmax()] - 1  # argwhere goes row by row, argmax takes the first
        assert tuple(center_point(blob)) == (x, y), seed


def test_an_empty_mask_has_no_centre():
    with pytest.raises(ValueError, match="no centre"):
        center_point(np.zeros((3, 4), dtype=bool))


EMPTY = ["......."] * 6
DISC = [".......", "..###..", ".#####.", ".#####.", ".#####.", "..###.."]
RING = ["#######", "#######", "##...##", "##...##", "#######", "#######"]
TWO = ["##.....", "##.....", "...####", "...####", "...####", "......."]
ONE = [".......", ".......", ".....#.", ".......", ".......", "......."]
BORDER = ["#####..", "#####..", "#####..", ".......", ".......", "......."]
FULL = ["#######"] * 6
FAR = ["##.....", "##.....", "....##.", "....##.", ".......", "......."]


@pytest.mark.parametrize(
    ("truth", "prediction", "xy", "label"),
    [
        # A missed object is clicked in its centre.
        (DISC, EMPTY, (3, 3), 1),
        # Not into the hole, nor beside it: (1, 1) is 2 from the edge, (2, 1) sqrt(2) from the hole.
        (RING, EMPTY, (1, 1), 1),
        # The larger of two parts, in its middle: three rows deep.
        (TWO, EMPTY, (4, 3), 1),
        (ONE, EMPTY, (5, 2), 1),
        # What is outside the picture is outside the object.
        (BORDER, EMPTY, (1, 1), 1),
        (FULL, EMPTY, (2, 2), 1),
        # The same, found in error: background.
        (EMPTY, DISC, (3, 3), 0),
        (EMPTY, FULL, (2, 2), 0),
        # As deep in what was missed as in what was found in error: background.
        (["##.....", "##....."], [".....##", ".....##"], (5, 0), 0),
        # Strictly deeper: a 3 x 3 square missed, a 2 x 2 square found in error.
        (["###....", "###....", "###...."], [".....##", ".....##", "......."], (1, 1), 1),
        # Only what differs matters, not how large the objects are.
        (FULL, ["#######"] * 5 + ["######."], (6, 5), 1),
        # Two as deep in what was missed: the first row by row.
        (FAR, EMPTY, (0, 0), 1),
    ],
)
def test_next_click_by_hand(truth, prediction, xy, label):
    found, kind = next_click(mask(*truth), mask(*prediction))
    assert (tuple(found), kind) == (xy, label)
    assert found.dtype == np.float32


def test_no_pixel_is_clicked_twice():
    missed, nothing = mask(*BORDER), mask(*EMPTY)
    clicks = [(1, 1), (2, 1), (3, 1)]  # the middle row is 2 deep; the rest of the object 1
    for count in range(len(clicks)):
        xy, _ = next_click(missed, nothing, clicks[:count])
        assert tuple(xy) == clicks[count]
    assert tuple(next_click(missed, nothing, clicks)[0]) == (0, 0)
    # Clicked pixels still lie inside the region: the ones beside them are no shallower.
    every = [(x, y) for y in range(3) for x in range(5)]
    assert next_click(missed, nothing, every) is None


def test_a_faultless_mask_gets_no_click():
    assert next_click(mask(*DISC), mask(*DISC)) is None


def exhaustive_click(truth, prediction, clicked):
    """The same by trying every pixel against every other one."""
    best = []
    for label, region in ((1, truth & ~prediction), (0, prediction & ~truth)):
        outside = np.argwhere(~np.pad(region, 1)) - 1
        depth = {
            (x, y): ((outside - (y, x)) ** 2).sum(axis=1).min()
            for y, x in np.argwhere(region)
            if (x, y) not in clicked
        }
        # max takes the first, and argwhere goes row by row
        best.append((*max(depth.items(), key=lambda item: item[1], default=(None, 0)), label))
    missed, found = best
    return None if missed[1] == found[1] == 0 else max(found, missed, key=lambda item: item[1])


def test_next_click_is_that_of_an_exhaustive_search():
    for seed in range(500):
        rng = np.random.default_rng(seed)
        height, width = rng.integers(1, 13, 2)
        truth, prediction = rng.random((2, height, width)) < rng.choice([0.1, 0.5, 0.9], (2, 1, 1))
        if seed % 2:  # blobs, as masks are
            truth, prediction = (np.kron(m, np.ones((2, 3))) > 0 for m in (truth, prediction))
        clicked = [tuple(xy) for xy in rng.integers(0, (width, height), (seed % 7, 2)).tolist()]
        found, expected = (
            next_click(truth, prediction, clicked),
            exhaustive_click(truth, prediction, clicked),
        )
        assert (found is None) == (expected is None), seed
        if found is not None:
            assert (*found[0], found[1]) == (*expected[0], expected[2]), seed


def test_random_points_are_drawn_evenly_from_the_mask_and_follow_the_seed():
    pixels = mask("#..#", ".##.")
    drawn = [tuple(random_point(pixels, np.random.default_rng(seed))) for seed in range(400)]
    assert set(drawn) == {(0, 0), (3, 0), (1, 1), (2, 1)}
    assert all(60 < drawn.count(xy) < 140 for xy in set(drawn))
    assert drawn[0] == tuple(random_point(pixels, np.random.default_rng(0)))
    with pytest.raises(ValueError, match="no pixel"):
        random_point(np.zeros((2, 2), bool), np.random.default_rng(0))
