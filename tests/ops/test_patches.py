"""Masks over their own part of a picture are the masks."""

import numpy as np

from samkit.ops.patches import Patch, crop, together

SIZE = (7, 9)


def mask(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    pixels = np.zeros(SIZE, bool)
    for x0, y0, x1, y1 in boxes:
        pixels[y0:y1, x0:x1] = True
    return pixels


def test_a_crop_reaches_from_first_to_last_pixel() -> None:
    patch = crop(mask((2, 1, 4, 3), (6, 5, 7, 6)))
    assert (patch.left, patch.top, patch.pixels.shape) == (2, 1, (5, 5))
    np.testing.assert_array_equal(patch.pixels, mask((2, 1, 4, 3), (6, 5, 7, 6))[1:6, 2:7])
    assert crop(mask()).pixels.shape == (0, 0)
    assert crop(mask((0, 0, 9, 7))).pixels.all()


def test_together_is_the_part_of_the_picture_that_holds_them_all() -> None:
    masks = [mask((2, 1, 4, 3)), mask(), mask((6, 5, 9, 7)), mask((3, 2, 7, 6))]
    found, left, top = together([crop(one) for one in masks])
    assert (left, top) == (2, 1)
    np.testing.assert_array_equal(found, np.stack(masks)[:, 1:7, 2:9])
    nothing, *_ = together([crop(mask()), crop(mask())])
    assert nothing.shape == (2, 0, 0)


def test_patches_may_have_an_empty_margin() -> None:
    found, left, top = together(
        [Patch(mask((1, 1, 2, 2)), 3, 4), Patch(np.ones((1, 1), bool), 3, 4)]
    )
    assert found.shape == (2, *SIZE) and (left, top) == (3, 4)
    assert found.sum(axis=(1, 2)).tolist() == [1, 1] and found[0, 1, 1] and found[1, 0, 0]
