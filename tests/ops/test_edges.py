"""Each step from probabilities to thin edges, with its known answer."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.segmentation import find_boundaries

from samkit.ops import edges


def step(size=(8, 12), column=6):
    """A map that is 1 from `column` on."""
    values = torch.zeros(1, *size)
    values[:, :, column:] = 1
    return values


@pytest.mark.parametrize("seed", range(3))
def test_the_slopes_are_scipys(seed):
    values = np.random.default_rng(seed).random((9, 13)).astype(np.float32)
    down, right = edges.sobel(torch.from_numpy(values)[None])
    assert np.allclose(down[0], ndimage.sobel(values, 0, mode="nearest"), atol=1e-5)
    assert np.allclose(right[0], ndimage.sobel(values, 1, mode="nearest"), atol=1e-5)


@pytest.mark.parametrize(("kernel_size", "columns"), [(3, [5, 6]), (5, [4, 5, 6, 7])])
def test_a_step_has_a_slope_across_it_only(kernel_size, columns):
    down, right = edges.sobel(step(), kernel_size)
    assert not down.any()
    assert np.flatnonzero(right[0, 4]).tolist() == columns and (right >= 0).all()


def test_the_images_border_is_a_slope_with_zeros_only() -> None:
    inside = torch.ones(1, 5, 7)
    assert not torch.stack(edges.sobel(inside)).any()
    down, right = edges.sobel(inside, border="zeros")
    assert down[0, 0].all() and right[0, :, -1].all()


@pytest.mark.parametrize(
    ("side", "width", "columns"),
    [("inner", 1, [6]), ("outer", 1, [5]), ("both", 1, [5, 6]), ("inner", 2, [6, 7]), ("both", 2, [4, 5, 6, 7])],
)  # fmt: skip
def test_the_outline_lies_on_the_side_that_is_asked_for(side, width, columns):
    outline = edges.outlines(step() > 0, side, width)
    assert [np.flatnonzero(row).tolist() for row in outline[0]] == [columns] * 8


@pytest.mark.parametrize("seed", range(3))
def test_inner_and_outer_outlines_are_scikit_images(seed):
    mask = ndimage.binary_opening(np.random.default_rng(seed).random((20, 30)) < 0.7)
    for side in ("inner", "outer"):
        outline = edges.outlines(torch.from_numpy(mask)[None], side)
        expected = find_boundaries(mask, connectivity=2, mode=side, background=0)
        assert mask.any() and np.array_equal(outline[0], expected)


def test_the_images_border_is_outline_with_zeros_only() -> None:
    whole = torch.ones(1, 5, 7, dtype=torch.bool)
    assert not edges.outlines(whole).any()
    assert edges.outlines(whole, border="zeros")[0, 0].all()


def test_what_is_enclosed_is_filled_and_bays_are_not() -> None:
    mask = np.zeros((3, 12, 14), bool)
    mask[0, 2:9, 3:10] = True
    mask[0, 4:6, 5:7] = False  # a hole
    mask[1, 0:6, 3:10] = True
    mask[1, 0:3, 5:8] = False  # open to the image's border
    filled = edges.fill_holes(mask)
    expected = np.stack([ndimage.binary_fill_holes(one) for one in mask])
    assert np.array_equal(filled, expected) and filled[0].sum() == 49 and mask[0].sum() == 45
    assert np.array_equal(filled[1], mask[1]) and not filled[2].any()


@pytest.mark.parametrize("seed", range(5))
def test_filling_is_scipys(seed):
    masks = np.random.default_rng(seed).random((4, 17, 23)) < 0.6
    expected = np.stack([ndimage.binary_fill_holes(one) for one in masks])
    assert np.array_equal(edges.fill_holes(masks), expected)


def test_scaled_from_zero_to_one() -> None:
    assert edges.normalise(np.float32([[2, 4, 6]])).tolist() == [[0, 0.5, 1]]
    assert edges.normalise(np.zeros((2, 2), np.float32)).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 135, 160])
def test_a_ridge_is_left_one_pixel_thin(degrees, interpolation):
    """A blurred straight line: what is left lies within a pixel of it, all along."""
    angle = np.float32(np.deg2rad(degrees))  # across the line
    y, x = np.mgrid[:41, :41].astype(np.float32) - 20
    away = x * np.cos(angle) + y * np.sin(angle)
    ridge = np.exp(-(away**2) / 8).astype(np.float32)
    left = edges.suppress(ridge, np.full(ridge.shape, angle), interpolation) > 0.5
    assert np.abs(away[left]).max() <= 0.75
    along = np.sort((-x * np.sin(angle) + y * np.cos(angle))[left])
    assert np.diff([-20, *along, 20]).max() < 1.5  # no pixel of the line is missing


def test_of_two_equally_high_pixels_one_stays() -> None:
    plateau = np.zeros((9, 10), np.float32)
    plateau[:, 4:6] = 1
    left = edges.suppress(plateau, np.zeros(plateau.shape, np.float32))
    assert (left.astype(bool).sum(axis=1) == 1).all()


def test_the_angle_is_across_and_opposite_slopes_agree() -> None:
    """Two lines whose slopes point at each other, as those of two masks that touch."""
    strength, down, right = (np.zeros((9, 12), np.float32) for _ in range(3))
    strength[:, 5:7] = 4
    right[:, 5], right[:, 6] = 4, -4
    smooth, angle = edges.smooth(strength, down, right, 1.0)
    assert np.allclose(angle[:, 3:9], 0) and smooth[4, 4] > 0
    untouched, _ = edges.smooth(strength, down, right, 0)
    assert np.array_equal(untouched, strength)
    _, vertical = edges.smooth(strength, right, down, 1.0)
    assert np.allclose(np.abs(vertical[:, 3:9]), np.pi / 2)


def test_lines_between_regions_are_one_pixel_wide() -> None:
    masks = np.zeros((2, 10, 16), bool)
    masks[0, :, 3:8] = True
    masks[1, :, 8:12] = True  # touches the first
    lines = edges.region_boundaries(masks)
    assert [np.flatnonzero(row).tolist() for row in lines] == [[2, 7, 11]] * 10
    assert not edges.region_boundaries(masks[:0]).any()
