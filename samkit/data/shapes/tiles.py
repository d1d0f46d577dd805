"""Tiles: large pictures (stripes, noise, photographs) that surfaces are cut from."""

from functools import cache

import numpy as np
from PIL import Image

LEVELS = 4
"""Every pattern and photograph exists in this many scales, so that cutting needs no resampling."""
_PERIODS = (9, 14, 21, 32)
_PHOTOGRAPH_SIDES = (230, 330, 470, 680)
_LEAST_SIDE = 512
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle") * 2 + ("ihc", "hubble")
"""Names to draw from; pictures of things count twice, tissue and stars once."""
GREY_PHOTOGRAPHS = ("brick", "grass", "gravel", "camera", "coins", "moon", "page", "text")
PATTERNS = (
    "striped",
    "checked",
    "dotted",
    "bricked",
    "zigzag",
    "wavy",
    "latticed",
    "tartan",
    "speckled",
    "cloudy",
)


def _photograph(name: str) -> np.ndarray:
    """A photograph inside scikit-image's wheel (nothing is downloaded), (H, W[, 3]) uint8."""
    from skimage import data

    if name == "motorcycle":
        return np.asarray(data.stereo_motorcycle()[0])
    return np.asarray(
        getattr(
            data, {"ihc": "immunohistochemistry", "hubble": "hubble_deep_field"}.get(name, name)
        )()
    )


def _to_tile(picture: Image.Image, level: int) -> Image.Image:
    """The picture's middle square at a scale; small ones are repeated, mirrored at the seams."""
    side, wanted = min(picture.size), _PHOTOGRAPH_SIDES[level]
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top, left + side, top + side)
    small = np.asarray(picture.resize((wanted, wanted), Image.Resampling.LANCZOS, box))
    while small.shape[0] < _LEAST_SIDE:
        wide = np.concatenate([small, small[:, ::-1]], axis=1)
        small = np.concatenate([wide, wide[::-1]], axis=0)
    return Image.fromarray(small)


@cache
def colour_photograph(name: str, level: int) -> Image.Image:
    """A tile in RGB, cut from one of PHOTOGRAPHS."""
    return _to_tile(Image.fromarray(_photograph(name)).convert("RGB"), level)


@cache
def grey_photograph(name: str, level: int) -> Image.Image:
    """A grey tile with its values spread over 0..255, cut from one of GREY_PHOTOGRAPHS."""
    values = _photograph(name).astype(np.float32)
    low, high = np.percentile(values, (2, 98))
    spread = np.clip((values - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    return _to_tile(Image.fromarray(spread), level)


@cache
def noise(spread: int) -> Image.Image:
    """An RGB tile of normal noise around 128, to be added to pictures; spread is its deviation."""
    values = np.random.default_rng(spread).normal(128, spread, (_LEAST_SIDE, _LEAST_SIDE, 3))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


@cache
def ramp(percent: int = 100) -> Image.Image:
    """A grey tile, (512, 512), that rises from 0 at the left to `percent` of 255 at the right."""
    row = (np.arange(512) * 255 // 511 * percent // 100).astype(np.uint8)
    return Image.fromarray(np.tile(row, (512, 1)))


@cache
def hill(percent: int = 100, valley: bool = False) -> Image.Image:
    """A grey tile, (256, 256): `percent` of 255 in the middle, 0 at the rim; a valley: inverse."""
    far = np.asarray(Image.radial_gradient("L")).astype(np.int32)
    return Image.fromarray(((far if valley else 255 - far) * percent // 100).astype(np.uint8))


@cache
def pattern(name: str, level: int) -> Image.Image:
    """A grey tile of one of PATTERNS: 0 is for the first colour, 255 for the second."""
    period, side = _PERIODS[level], _LEAST_SIDE
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
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
            second = 0.33 * period - np.hypot(
                (x + row) % period - period / 2, y % period - period / 2
            )
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
            second = _smooth_noise(rng, (level + 1, level + 2)) * 3 - 2.5
        case "cloudy":
            values = _smooth_noise(rng, tuple(2 ** (level + i) for i in range(5)))
            return Image.fromarray(np.clip(95 + 60 * values, 0, 255).astype(np.uint8))
        case _:
            raise ValueError(f"unknown pattern {name!r}; there are {', '.join(PATTERNS)}")
    return Image.fromarray(np.clip(second * 128 + 128, 0, 255).astype(np.uint8))


def _smooth_noise(rng: np.random.Generator, grains: tuple[int, ...]) -> np.ndarray:
    """Noise of several grain sizes added up, with mean 0 and deviation 1, (512, 512) float32."""
    side = _LEAST_SIDE
    total = np.zeros((side, side), np.float32)
    for grain in grains:
        cells = rng.normal(0, 1, (side // grain, side // grain)).astype(np.float32)
        grown = Image.fromarray(cells).resize((side, side), Image.Resampling.BICUBIC)
        total += grain**0.5 * np.asarray(grown)
    return np.asarray((total - total.mean()) / total.std())
