"""The guided filter beside its definition, and what it is for: outlines on the picture's edges."""

import numpy as np
import pytest
import torch

from samkit.ops import guided, rle

CPU = torch.device("cpu")
EPS = 1e-3


def scene(height=40, width=56, seed=0):
    """A picture of two colours with noise, a disc on ground, and where the disc is."""
    y, x = np.indices((height, width))
    disc = np.hypot(y - height / 2, x - width / 2) < height / 3
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    colours = np.where(disc[..., None], (190, 60, 50), (70, 90, 140))
    return (colours + noise).clip(0, 255).astype(np.uint8), disc


def by_definition(image, mask, radius, eps):
    """He et al. (2010), equations 9, 10 and 14, window by window."""
    height, width = mask.shape
    colours = image.reshape(height, width, 3) / 255.0
    fits = np.zeros((height, width, 4))
    windows = [
        [slice(max(0, at - radius), at + radius + 1) for at in (row, column)]
        for row in range(height)
        for column in range(width)
    ]
    for number, window in enumerate(windows):
        values, wanted = colours[tuple(window)].reshape(-1, 3), mask[tuple(window)].ravel()
        covariance = np.cov(values.T, bias=True) + eps * np.eye(3)
        a = np.linalg.solve(
            covariance, (values * wanted[:, None]).mean(0) - values.mean(0) * wanted.mean()
        )
        fits[divmod(number, width)] = (*a, wanted.mean() - a @ values.mean(0))
    mean = np.array([fits[tuple(window)].mean(axis=(0, 1)) for window in windows])
    mean = mean.reshape(height, width, 4)
    return (mean[..., :3] * colours).sum(-1) + mean[..., 3]


def moved(disc, by=3):
    return np.roll(disc, by, axis=1)


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.mark.parametrize("radius", [1, 3, guided.REACH])
def test_it_is_the_guided_filter(radius):
    image, disc = scene(20, 28)
    masks = np.stack([moved(disc), np.random.default_rng(1).random(disc.shape)])
    guide = guided.guide(image, radius, EPS, CPU)
    found = guided.follow(guide, torch.tensor(masks, dtype=torch.float32)).numpy()
    for mask, answer in zip(masks.astype(float), found, strict=True):
        np.testing.assert_allclose(answer, by_definition(image, mask, radius, EPS), atol=2e-4)


@pytest.mark.parametrize("radius", [6, 9.5, 15])
def test_a_displaced_outline_comes_to_lie_on_the_edge(radius):
    image, disc = scene(120, 168)
    wrong = moved(disc, 4)
    guide = guided.guide(image, radius, EPS, CPU)
    [right] = guided.follow_run_lengths(guide, rle.encode(wrong[None]))
    assert iou(wrong, disc) < 0.89
    assert iou(rle.decode([right])[0], disc) > 0.95


@pytest.mark.parametrize("radius", [2, 13.0])
def test_run_lengths_and_pixels_agree_though_only_a_part_is_worked_on(radius):
    image, disc = scene(150, 90)
    rng = np.random.default_rng(2)
    boxes = rng.integers(0, 60, (20, 2))
    masks = np.zeros((22, 150, 90), dtype=bool)
    for mask, (top, left) in zip(masks, boxes, strict=False):
        mask[top : top + 25, left : left + 20] = True
    masks[20], masks[21] = disc, ~disc
    guide = guided.guide(image, radius, EPS, CPU)
    full = guided.follow(guide, torch.from_numpy(masks).float()).numpy()
    cut = rle.decode(list(guided.follow_run_lengths(guide, rle.encode(masks))))
    wanted = full > 0.5
    lost = ~wanted.any(axis=(1, 2))
    wanted[lost] = masks[lost]
    sure = (np.abs(full - 0.5) > 1e-5) | lost[:, None, None]
    assert sure.mean() > 0.99 and lost.sum() == (8 if radius > 2 else 0)
    np.testing.assert_array_equal(cut[sure], wanted[sure])


def test_in_a_picture_of_one_colour_straight_outlines_stay_and_corners_are_rounded():
    flat = np.full((64, 64, 3), 90, dtype=np.uint8)
    half, square = np.zeros((2, 64, 64), dtype=bool)
    half[:, :30], square[20:44, 20:44] = True, True
    guide = guided.guide(flat, 4, EPS, CPU)
    found = rle.decode(list(guided.follow_run_lengths(guide, rle.encode(np.stack([half, square])))))
    np.testing.assert_array_equal(found[0], half)
    assert iou(found[1], square) > 0.9 and not found[1][20, 20]


def test_masks_without_a_pixel_and_specks_stay_as_they_are():
    image, _ = scene()
    masks = np.zeros((2, 40, 56), dtype=bool)
    masks[1, 3, 4] = True  # one pixel of 19 x 19
    given = rle.encode(masks)
    guide = guided.guide(image, 9, EPS, CPU)
    assert list(guided.follow_run_lengths(guide, given)) == given
    assert list(guided.follow_run_lengths(guide, [])) == []
    assert guided.follow(guide, torch.zeros(0, 40, 56)).shape == (0, 40, 56)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2)])
def test_pictures_smaller_than_a_window(size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    guide = guided.guide(image, 12, EPS, CPU)
    [whole] = guided.follow_run_lengths(guide, rle.encode(np.ones((1, *size), dtype=bool)))
    assert rle.areas([whole]) == [size[0] * size[1]]


def test_fits_of_a_large_picture_are_made_on_one_of_a_thousand_pixels():
    image, disc = scene(1500, 2100)
    guide = guided.guide(image, 2, EPS, CPU)
    assert guide.small.shape == (3, 731, 1024) and guide.reach == 1
    [found] = guided.follow_run_lengths(guide, rle.encode(disc[None]))
    assert iou(rle.decode([found])[0], disc) > 0.995
