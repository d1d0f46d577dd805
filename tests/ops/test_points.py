"""Grids and centres, by hand and by brute force."""

import numpy as np
import pytest

from samkit.ops.points import center_point, point_grid


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
