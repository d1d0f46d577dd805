"""Squares around objects."""

import numpy as np
import pytest
import torch

from samkit.ops import rle
from samkit.ops.square_crops import (
    covered_cells,
    in_square,
    mask_square,
    region_from_square,
    square_crop,
)

IMAGE = np.random.default_rng(0).integers(1, 256, (20, 30, 3)).astype(np.uint8)


def test_a_square_box_is_its_own_pixels() -> None:
    np.testing.assert_array_equal(square_crop(IMAGE, [4, 6, 12, 14], 8), IMAGE[6:14, 4:12])
    np.testing.assert_array_equal(square_crop(IMAGE, [4, 6, 12, 14], None), IMAGE[6:14, 4:12])


def test_context_widens_about_the_middle() -> None:
    np.testing.assert_array_equal(
        square_crop(IMAGE, [8, 8, 12, 10], None, context=2), IMAGE[5:13, 6:14]
    )


@pytest.mark.parametrize("box", [[-5, -5, 3, 3], [26, 15, 40, 29], [50, 50, 58, 58]])
def test_black_beyond_the_picture(box) -> None:
    crop = square_crop(IMAGE, box, None)
    rows, columns = np.mgrid[box[1] : box[3], box[0] : box[2]]
    inside = (rows >= 0) & (rows < 20) & (columns >= 0) & (columns < 30)
    np.testing.assert_array_equal(crop.any(axis=2), inside)
    np.testing.assert_array_equal(crop[inside], IMAGE[rows[inside], columns[inside]])


def test_a_mask_blackens_the_rest() -> None:
    mask = np.zeros((20, 30), dtype=bool)
    mask[7:9, 5:8] = True
    crop = square_crop(IMAGE, [4, 6, 12, 14], None, mask=mask)
    np.testing.assert_array_equal(crop.any(axis=2), mask[6:14, 4:12])


def test_a_mask_dims_the_rest() -> None:
    mask = np.zeros((20, 30), dtype=bool)
    mask[7:9, 5:8] = True
    crop = square_crop(IMAGE, [4, 6, 12, 14], None, mask=mask, outside=0.25)
    inside, pixels = mask[6:14, 4:12], IMAGE[6:14, 4:12]
    np.testing.assert_array_equal(crop[inside], pixels[inside])
    np.testing.assert_allclose(crop[~inside], pixels[~inside] / 4, atol=0.5)


@pytest.mark.parametrize("box", [[0, 0, 0, 0], [3.2, 4.7, 3.4, 4.8], [0, 0, 1, 1]])
def test_small_and_broken_boxes_give_a_picture(box) -> None:
    assert square_crop(IMAGE, box, 16).shape == (16, 16, 3)
    assert square_crop(IMAGE[:1, :1], box, 16).shape == (16, 16, 3)


@pytest.mark.parametrize("box", [[4, 6, 12, 14], [-5, -5, 3, 3], [2, 1, 29, 19], [7, 7, 9, 8]])
def test_cells_are_covered_where_the_crop_shows_the_mask(box) -> None:
    """Beside a search over all pixels of the square: a cell is covered if any touches it."""
    mask = np.random.default_rng(1).random((20, 30)) > 0.9
    white = np.repeat(mask[..., None], 3, axis=2).astype(np.uint8)
    for context, cells in ((1.0, 4), (1.5, 7)):
        square = square_crop(white, box, None, context)[..., 0]
        width, expected = len(square), np.zeros((cells, cells), dtype=bool)
        for row, column in zip(*np.nonzero(square), strict=True):
            for i in range(cells):
                for j in range(cells):
                    down = row < (i + 1) * width / cells and row + 1 > i * width / cells
                    across = column < (j + 1) * width / cells and column + 1 > j * width / cells
                    expected[i, j] |= down and across
        np.testing.assert_array_equal(covered_cells(mask, box, cells, context), expected)


@pytest.mark.parametrize("box", [[-9, -9, -4, -4], [30, 2, 35, 6], [3, 40, 9, 44]])
def test_beside_the_picture_all_is_black(box: list[int]) -> None:
    assert not square_crop(np.full((8, 20, 3), 9, np.uint8), box, 4).any()
    assert not region_from_square(torch.ones(4, 4), (8, 20), box).columns.size
    everywhere = np.ones((8, 20), dtype=bool)
    assert not mask_square(everywhere, box, 4).any() and not in_square(everywhere, box)


@pytest.mark.parametrize("context", [1.0, 1.7])
@pytest.mark.parametrize("side", [8, 96])
def test_a_square_comes_back_to_where_it_was_cut(context: float, side: int) -> None:
    """The same ramp, at any size, but where the square ends."""
    rows, columns = np.mgrid[:40, :60]
    ramp = (2 * rows + 2 * columns).astype(np.uint8)
    box = [20, 8, 44, 30]
    square = torch.from_numpy(square_crop(ramp, box, side, context).copy()).float()
    region = region_from_square(square, (40, 60), box, context)
    back = np.full((40, 60), -np.inf)
    width, height = region.columns.shape
    rows, columns = slice(region.top, region.top + height), slice(region.left, region.left + width)
    back[rows, columns] = region.columns.T
    inside = back[14:24, 26:38]
    assert np.abs(inside - ramp[14:24, 26:38]).max() < 4


@pytest.mark.parametrize("box", [[20, 8, 44, 30], [-9, 30, 12, 44], [3, 3, 4, 4]])
def test_run_lengths_are_cut_as_their_pixels_are(box: list[int]) -> None:
    pixels = np.random.default_rng(0).random((40, 60)) < 0.4
    [mask] = rle.encode(pixels[None])
    for context in (1.0, 1.7):
        image = np.full((40, 60, 3), 200, np.uint8)
        cuts = [square_crop(image, box, 9, context, one, 0.25) for one in (pixels, mask)]
        np.testing.assert_array_equal(*cuts)
        squares = [mask_square(one, box, 9, context) for one in (pixels, mask)]
        np.testing.assert_array_equal(*squares)
        np.testing.assert_array_equal(*[covered_cells(x, box, 3, context) for x in (pixels, mask)])
        assert in_square(pixels, box, context) == in_square(mask, box, context)
    assert squares[0].any()


def test_how_much_of_a_mask_a_square_holds() -> None:
    left_half = np.zeros((40, 60), dtype=bool)
    left_half[:, :30] = True
    assert in_square(left_half, [25, 10, 35, 20]) == 50
    assert in_square(left_half, [25, 10, 35, 20], context=2) == 200
