"""Squares around objects."""

import numpy as np
import pytest

from samkit.ops.square_crops import covered_cells, square_crop

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
