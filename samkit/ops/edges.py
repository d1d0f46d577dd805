"""Steps from mask probabilities to thin edges: Sobel, outlines, Canny's suppression."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import thin

from samkit.ops.grids import Box, Size

Border = Literal["replicate", "zeros"]
Side = Literal["inner", "outer", "both"]
Interpolation = Literal["linear", "nearest"]
Floats = NDArray[np.float32]

# (smoothing across, slope along) of the usual kernels; their outer product is the kernel.
SOBEL = {3: ((1, 2, 1), (-1, 0, 1)), 5: ((1, 4, 6, 4, 1), (-1, -2, 0, 2, 1))}


def sobel(
    values: torch.Tensor, kernel_size: int = 3, border: Border = "replicate"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Slopes down and to the right of (N, H, W) maps, each (N, H, W), by Sobel's kernels.

    kernel_size: 3 or 5. border: what lies outside, the outermost pixels again or zeros; with zeros
    everything that the image cuts off has a slope there.
    """
    smooth, slope = SOBEL[kernel_size]
    padded = pad(values, kernel_size // 2, border)
    down = _correlate(_correlate(padded, smooth, dim=2), slope, dim=1)
    right = _correlate(_correlate(padded, smooth, dim=1), slope, dim=2)
    return down, right


def outlines(
    masks: torch.Tensor, side: Side = "both", width: int = 1, border: Border = "replicate"
) -> torch.Tensor:
    """(N, H, W) bool, the pixels along the outlines of (N, H, W) bool masks.

    side: "inner" has the mask's own pixels that touch a pixel outside (corners touch), "outer" the
        pixels outside that touch the mask, "both" has both. width: how many pixels deep on a side.
    border: as for `sobel`; "replicate" means that the image's border is no outline.
    """
    inside = pad(masks.to(torch.uint8), width, border) > 0
    window = 2 * width + 1
    grown, kept = _any(inside, window), ~_any(~inside, window)
    if side == "both":
        return grown & ~kept
    return masks & ~kept if side == "inner" else grown & ~masks


def inside(crop: Box, size: Size, depth: int) -> torch.Tensor:
    """(h, w) bool of a crop of a picture (height, width): what is not within `depth` of the crop's sides.

    Sides that are the picture's own do not count.
    """
    x0, y0, x1, y1 = crop
    within = torch.zeros(y1 - y0, x1 - x0, dtype=torch.bool)
    top, left = (depth if start > 0 else 0 for start in (y0, x0))
    bottom, right = (depth if end < most else 0 for end, most in zip((y1, x1), size, strict=True))
    within[top : y1 - y0 - bottom, left : x1 - x0 - right] = True
    return within


def region_boundaries(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W) bool, one-pixel lines between the regions of (N, H, W) masks, which may overlap.

    A pixel is on a line where a mask ends between it and the pixel to the right, below, or both; so
    are made boundaries of a segmentation. Where several masks' lines lie side by side they are
    thinned to one.
    """
    lines = np.zeros(masks.shape[1:], dtype=bool)
    for mask in masks:
        lines[:, :-1] |= mask[:, :-1] != mask[:, 1:]
        lines[:-1] |= mask[:-1] != mask[1:]
        lines[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return np.asarray(thin(lines))


def fill_holes(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N, H, W) masks with all that they enclose; what reaches the image's border is not enclosed."""
    return np.stack([_filled(mask) for mask in masks]) if len(masks) else masks


def normalise(values: Floats) -> Floats:
    """The map scaled linearly so that it goes from 0 to 1; a map of one value becomes zeros."""
    low, high = values.min(), values.max()
    if high == low:
        return np.zeros_like(values)
    return np.asarray((values - low) / (high - low), dtype=np.float32)


def smooth(edges: Floats, down: Floats, right: Floats, sigma: float) -> tuple[Floats, Floats]:
    """The (H, W) map under a Gaussian, and the angle across its edges in radians (0 is to the right).

    down, right: the slopes that made the edges. Their structure tensor is put under the same
    Gaussian, so that an edge and its twin of the opposite slope (two masks that touch) agree, and
    places between two edges have an angle too.
    """
    products = down * down, down * right, right * right
    if sigma > 0:
        edges, *products = (  # type: ignore[assignment]
            ndimage.gaussian_filter(values, sigma, mode="nearest") for values in (edges, *products)
        )
    down2, mixed, right2 = products
    return edges, np.asarray(np.arctan2(2 * mixed, right2 - down2) / 2, dtype=np.float32)


def suppress(edges: Floats, angle: Floats, interpolation: Interpolation = "linear") -> Floats:
    """The (H, W) map with only the pixels left that are the highest across their edge.

    angle: (H, W) radians across the edge. The neighbours on both sides lie where that line leaves
    the pixel's 3x3 window; "linear" interpolates between the two pixels there as Canny (1986) does,
    "nearest" takes the nearer. Of two equally high neighbours one stays. At its border the image is
    mirrored: with zeros outside every flank that runs out of the image would end in an edge.
    """
    across = np.cos(angle), np.sin(angle)
    longer = np.maximum(*np.abs(across))
    columns, rows = across[0] / longer, across[1] / longer
    y, x = np.indices(edges.shape, dtype=np.float32)
    order = 1 if interpolation == "linear" else 0
    before, after = (
        ndimage.map_coordinates(
            edges, [y + sign * rows, x + sign * columns], order=order, mode="mirror"
        )
        for sign in (-1, 1)
    )
    return np.where((edges > before) & (edges >= after), edges, np.float32(0))


def pad(values: torch.Tensor, width: int, border: Border) -> torch.Tensor:
    """(N, H, W) maps with `width` pixels more on each side."""
    mode = "replicate" if border == "replicate" else "constant"
    return F.pad(values[:, None], (width,) * 4, mode=mode)[:, 0]


def _any(masks: torch.Tensor, window: int) -> torch.Tensor:
    """(N, H, W) bool masks to whether any pixel of a square window is set; smaller by window - 1."""
    for dim in (1, 2):
        length = masks.shape[dim] - window + 1
        spread = masks.narrow(dim, 0, length).clone()
        for start in range(1, window):
            spread |= masks.narrow(dim, start, length)
        masks = spread
    return masks


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return mask
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    # A frame around the box joins all background that is not enclosed.
    regions, count = ndimage.label(~np.pad(mask[box], 1))
    if count < 2:
        return mask
    filled = mask.copy()
    filled[box] = (regions != regions[0, 0])[1:-1, 1:-1]
    return filled


def _correlate(values: torch.Tensor, taps: Sequence[int], dim: int) -> torch.Tensor:
    length = values.shape[dim] - len(taps) + 1
    total = torch.zeros_like(values.narrow(dim, 0, length))
    for start, tap in enumerate(taps):
        if tap:
            total.add_(values.narrow(dim, start, length), alpha=tap)
    return total
