"""Pattern tiles: large grey pictures (stripes, bricks, noise, photographs) that textures and backgrounds cut from."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

SIDE = 512
"""Height and width of every tile in pixels."""
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle", "ihc", "hubble")
GREY_PHOTOGRAPHS = ("brick", "grass", "gravel", "camera", "coins", "moon", "page", "text")
PATTERNS = ("striped", "checked", "dotted", "bricked", "zigzag", "wavy", "latticed", "tartan", "speckled", "cloudy")


def _photograph(name: str) -> np.ndarray:
    """A photograph inside scikit-image's wheel (nothing is downloaded), (H, W[, 3]) uint8."""
    from skimage import data

    if name == "motorcycle":
        return np.asarray(data.stereo_motorcycle()[0])
    return np.asarray(getattr(data, {"ihc": "immunohistochemistry", "hubble": "hubble_deep_field"}.get(name, name))())


def _to_tile(picture: Image.Image, coarse: bool) -> Image.Image:
    """The picture's middle square as a tile; a fine one holds it four times, mirrored so that no seam shows."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    if coarse:
        return square.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    small = np.asarray(square.resize((SIDE // 2, SIDE // 2), Image.Resampling.BOX))
    wide = np.concatenate([small, small[:, ::-1]], axis=1)
    return Image.fromarray(np.concatenate([wide, wide[::-1]], axis=0))


@cache
def colour_photograph(name: str, coarse: bool) -> Image.Image:
    """A tile in RGB, cut from one of PHOTOGRAPHS."""
    return _to_tile(Image.fromarray(_photograph(name)).convert("RGB"), coarse)


@cache
def grey_photograph(name: str, coarse: bool) -> Image.Image:
    """A grey tile with its values spread over 0..255, cut from one of GREY_PHOTOGRAPHS."""
    values = _photograph(name).astype(np.float32)
    low, high = np.percentile(values, (2, 98))
    spread = np.clip((values - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    return _to_tile(Image.fromarray(spread), coarse)


@cache
def noise(spread: int) -> Image.Image:
    """An RGB tile of normal noise around 128, to be added to pictures; spread is its standard deviation."""
    values = np.random.default_rng(spread).normal(128, spread, (SIDE, SIDE, 3))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


@cache
def ramp() -> Image.Image:
    """A grey tile that rises evenly from 0 at the left to 255 at the right."""
    return Image.fromarray(np.tile((np.arange(SIDE) // 2).astype(np.uint8), (SIDE, 1)))


@cache
def pattern(name: str, coarse: bool) -> Image.Image:
    """A grey tile of one of PATTERNS: 0 where the first colour goes, 255 where the second does; at least half is 0."""
    period = 32 if coarse else 16
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    rng = np.random.default_rng(period)

    def hump(t: np.ndarray, share: float) -> np.ndarray:
        """Rises above 0 over `share` of each period of t, with slope 1 at the borders."""
        return share * period / 2 - np.abs((t % period) - period / 2)

    match name:
        case "striped":
            second = hump(x, 0.46)
        case "checked":
            second = hump(x, 0.5) * hump(y, 0.5) / 4 - 0.5
        case "dotted":
            row = (y // period) % 2 * (period / 2)
            second = 0.33 * period - np.hypot((x + row) % period - period / 2, y % period - period / 2)
        case "bricked":
            row = (y // period) % 2 * (period / 2)
            second = np.maximum(hump(y, 0.22), hump((x + row * 2) / 2, 0.11) * 2)
        case "zigzag":
            second = hump(x + np.abs((y % period) - period / 2) * 1.4, 0.45)
        case "wavy":
            second = hump(x + 0.35 * period * np.sin(y * (2 * np.pi / period / 1.5)), 0.45)
        case "latticed":
            second = np.maximum(hump(x, 0.2), hump(y, 0.2))
        case "tartan":
            crossed = 0.5 * (hump(x, 0.5) > 0) + 0.5 * (hump(y, 0.3) > 0)
            return Image.fromarray((crossed * 255).astype(np.uint8))
        case "speckled":
            second = _smooth_noise(rng, (2, 3)) * 3 - 2.5
        case "cloudy":
            values = _smooth_noise(rng, (4, 8, 16, 32) if coarse else (2, 4, 8, 16))
            return Image.fromarray(np.clip(95 + 60 * values, 0, 255).astype(np.uint8))
        case _:
            raise ValueError(f"unknown pattern {name!r}; there are {', '.join(PATTERNS)}")
    return Image.fromarray(np.clip(second * 128 + 128, 0, 255).astype(np.uint8))


def _smooth_noise(rng: np.random.Generator, grains: tuple[int, ...]) -> np.ndarray:
    """Noise of several grain sizes added up, with mean 0 and deviation 1, (SIDE, SIDE) float32."""
    total = np.zeros((SIDE, SIDE), np.float32)
    for grain in grains:
        cells = rng.normal(0, 1, (SIDE // grain, SIDE // grain)).astype(np.float32)
        total += grain**0.5 * np.asarray(Image.fromarray(cells).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return np.asarray((total - total.mean()) / total.std())
