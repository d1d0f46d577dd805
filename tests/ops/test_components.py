"""Small holes filled and small islands removed, as the official code does it."""

import numpy as np
import pytest

from samkit.ops.components import remove_small_regions


@pytest.mark.parametrize("seed", range(40))
def test_it_is_the_official_one(seed: int) -> None:
    amg = pytest.importorskip("segment_anything.utils.amg")
    pytest.importorskip("cv2")
    rng = np.random.default_rng(seed)
    size = rng.integers(3, 40, 2)
    mask = rng.random(size) < rng.choice([0.02, 0.3, 0.6, 0.9])
    if seed % 3 == 0:  # mostly empty around it
        mask[:, size[1] // 2 :] = False
    min_area = int(rng.integers(1, 12))
    expected, holes = amg.remove_small_regions(mask, min_area, "holes")
    expected, islands = amg.remove_small_regions(expected, min_area, "islands")
    if not mask.any() or (expected.sum() < min_area and expected.any()):
        # No mask there, or parts as large as each other: which is the largest is the labeller's order.
        return
    result, changed = remove_small_regions(mask, min_area)
    np.testing.assert_array_equal(result, expected)
    assert changed == (holes or islands)


def test_holes_come_first_and_corners_connect() -> None:
    mask = np.zeros((30, 40), dtype=bool)
    mask[5:15, 5:15] = True
    mask[9:11, 9:11] = False  # a hole of 4
    mask[15, 15] = True  # hangs on by a corner
    mask[25, 30] = True  # an island of 1
    result, changed = remove_small_regions(mask, 5)
    assert changed and result[9:11, 9:11].all() and result[15, 15] and not result[25, 30]
    assert remove_small_regions(result, 5)[1] is False


def test_where_all_is_small_the_largest_stays_or_none() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[2:4, 2:4] = mask[10, 10] = True
    kept, _ = remove_small_regions(mask, 50)
    assert kept.sum() == 4
    dropped, changed = remove_small_regions(mask, 50, drop=True)
    assert changed and not dropped.any()


def test_background_smaller_than_a_hole_is_filled() -> None:
    mask = np.ones((10, 10), dtype=bool)
    mask[0] = False
    assert remove_small_regions(mask, 11)[0].all()
    assert remove_small_regions(mask, 10)[1] is False
