"""A mask enlarged over its own part of the picture is what the two full enlargements give."""

import numpy as np
import pytest
import torch

from samkit.ops import rle, upscale
from samkit.ops.masks import mask_boxes, stability_score, upscale_logits
from samkit.ops.regions import Region, cut, stability
from samkit.ops.upscale import exact_regions, regions

# Low-resolution side, model side, resized size, size of the picture.
FRAMES = {
    "landscape": (64, 256, (171, 256), (200, 300)),
    "portrait": (64, 256, (256, 99), (333, 128)),
    "smaller than the model's square": (64, 256, (256, 192), (40, 30)),
    "one pixel": (16, 64, (64, 64), (1, 1)),
    "a strip": (16, 64, (2, 64), (3, 100)),
}


def blobs(side: int, count: int = 6, seed: int = 0) -> torch.Tensor:
    """Logits of all kinds: smooth, small and far off, everywhere, nowhere, just under the surface."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.normal(0, 8, (count, 1, 5, 5))).float()
    logits = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")[:, 0]
    spot = torch.full((side, side), -9.0)
    spot[side // 4 : side // 4 + 2, side // 8] = 7
    corner = torch.full((side, side), -9.0)
    corner[-1, -1] = 5
    special = [spot, corner, torch.full((side, side), 3.0), spot * 0 - 9, spot * 0 - 0.5]
    return torch.cat([logits, torch.stack(special)])


@pytest.mark.parametrize("few", [0, 1 << 40], ids=["sparse", "dense"])
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_it_is_the_enlargement(
    frame: tuple[int, int, tuple[int, int], tuple[int, int]],
    few: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upscale, "FEW", few)
    side, model_size, resized, size = frame
    logits = blobs(side)
    full = upscale_logits(logits, model_size, resized, size)
    parts = list(regions(logits, -1.0, model_size, resized, size))
    assert len(parts) == len(logits)
    for part, whole in zip(parts, full.numpy(), strict=True):
        width, height = part.columns.shape
        place = slice(part.top, part.top + height), slice(part.left, part.left + width)
        np.testing.assert_allclose(part.columns.T, whole[place], atol=2e-5)
        rest = whole.copy()
        rest[place] = -np.inf
        assert (rest <= -1 + 1e-6).all(), "what was left out is above the bound"


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_masks_boxes_and_stability_are_those_of_full_size(
    frame: tuple[int, int, tuple[int, int], tuple[int, int]],
) -> None:
    side, model_size, resized, size = frame
    logits = blobs(side, seed=1)
    full = upscale_logits(logits, model_size, resized, size)
    masks = (full > 0).numpy()
    expected = stability_score(full).numpy()
    for part, mask, score in zip(
        regions(logits, -1.0, model_size, resized, size), masks, expected, strict=True
    ):
        np.testing.assert_allclose(stability(part, 1.0), score, atol=1e-4)
        found = cut(part, size)
        assert (found is None) == (not mask.any())
        if found is not None:
            assert found.run_lengths == rle.encode(mask[None])[0]
            assert found.box == tuple(mask_boxes(mask[None])[0])
            assert found.area == mask.sum()


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_exact_regions_decide_every_pixel_as_the_full_enlargement(
    frame: tuple[int, int, tuple[int, int], tuple[int, int]],
) -> None:
    side, model_size, resized, size = frame
    rng = np.random.default_rng(0)
    # Few different values: enlarged they meet at exactly 0 time and again, or just beside it.
    steps = torch.from_numpy(rng.choice([-0.3, 0.1, 0.3], (4, side, side))).float()
    broken = blobs(side)[:4]
    broken[0, 3, 3], broken[1, 0, 0], broken[2] = float("nan"), float("inf"), float("nan")
    logits = torch.cat([blobs(side), steps, torch.zeros(1, side, side), broken])
    whole = (upscale_logits(logits, model_size, resized, size) > 0).numpy()
    parts = exact_regions(logits, model_size, resized, size)
    for part, mask in zip(parts, whole, strict=True):
        found = cut(part, size)
        assert (rle.empty(*size) if found is None else found.run_lengths) == rle.encode(mask[None])[
            0
        ]


def test_near_zero_the_quick_enlargement_alone_would_be_wrong() -> None:
    """By how many pixels is the processor's matter; of 40 such masks no rounding gets every pixel."""
    side, model_size, resized, size = FRAMES["landscape"]
    rng = np.random.default_rng(0)
    steps = torch.from_numpy(rng.choice([-0.3, 0.1, 0.3], (40, side, side))).float()
    whole = (upscale_logits(steps, model_size, resized, size) > 0).numpy()
    quick = [cut(part, size) for part in regions(steps, 0.0, model_size, resized, size)]
    assert [one and one.run_lengths for one in quick] != rle.encode(whole)


def test_a_region_is_the_masks_own() -> None:
    spot = blobs(64)[6:7]
    [part] = regions(spot, -1.0, 256, (171, 256), (1200, 1800))
    assert part.columns.size < 0.02 * 1200 * 1800


def test_not_a_number_is_no_pixel() -> None:
    logits = torch.full((1, 16, 16), float("nan"))
    [part] = regions(logits, -1.0, 64, (64, 64), (50, 50))
    assert cut(part, (50, 50)) is None and np.isnan(stability(part, 1.0))


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_of_any_mask_at_any_place(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 9, 2)
    mask = rng.random((height, width)) < rng.choice([0.1, 0.5, 0.95, 1.0])
    inside = np.where(mask.T, np.float32(1), np.float32(-1))
    left, top = rng.integers(0, 4, 2)
    # Without room around it, runs go on from one column's last pixel to the next one's first.
    size = (int(top + height + rng.integers(2)), int(left + width + rng.integers(2)))
    whole = np.zeros(size, dtype=bool)
    whole[top : top + height, left : left + width] = mask
    found = cut(Region(inside, int(left), int(top)), size)
    assert (found is None) == (not mask.any())
    if found is not None:
        assert found.run_lengths == rle.encode(whole[None])[0]
        assert found.box == tuple(mask_boxes(whole[None])[0])


def test_spans_that_touch_are_one_run() -> None:
    whole = rle.from_spans(np.array([0, 3, 6]), np.array([3, 6, 9]), 3, 3)
    assert whole == rle.encode(np.ones((1, 3, 3), dtype=bool))[0]
    nothing = np.zeros(0, dtype=np.int64)
    assert rle.from_spans(nothing, nothing, 3, 3) == rle.encode(np.zeros((1, 3, 3), bool))[0]
