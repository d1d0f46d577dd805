"""The guided filter: masks whose outlines follow the edges of a picture.

Around every pixel the mask is explained by the picture's colours, mask = a * colour + b, by least
squares over a window; averaged over all windows that hold a pixel, this gives its new value (K. He,
J. Sun and X. Tang, Guided Image Filtering, ECCV 2010). The fits are made on a smaller picture and a, b
enlarged, as the authors propose for speed (K. He and J. Sun, Fast Guided Filter, 2015).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.regions import Region, Size, cut
from samkit.ops.upscale import Axis, axis

# Pixels of the smaller picture that a window reaches to each side: fits are made on so small a one.
REACH = 4
# Its longer side at most: no SAM sees more of a picture.
LARGEST = 1024
# Masks that are fitted together, so that answers and memory do not hang on their number.
AT_ONCE = 16
COLOURS = 3
Span = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Guide:
    """A picture made ready to lead any number of masks; see `guide`.

    image: (H, W, 3) uint8. small: (3, h, w) float32, 0 to 1, smaller. mean: its means over windows.
    inverse: (h, w, 3, 3), of the windows' covariances. reach: of windows in the small picture.
    """

    image: torch.Tensor
    small: torch.Tensor
    mean: torch.Tensor
    inverse: torch.Tensor
    reach: int

    @property
    def size(self) -> Size:
        """(height, width) of the picture."""
        height, width = self.image.shape[:2]
        return height, width


def guide(image: NDArray[np.uint8], radius: float, eps: float, device: torch.device) -> Guide:
    """An (H, W, 3) uint8 picture made ready.

    radius: of the windows, in pixels. eps: variance of a colour (0 to 1) below which a window counts
    as flat: there a mask is only smoothed.
    """
    height, width = image.shape[:2]
    given = torch.tensor(image, device=device)
    shrink = max(1.0, radius / REACH, max(height, width) / LARGEST)
    size = max(1, round(height / shrink)), max(1, round(width / shrink))
    small = F.interpolate(_colours(given)[None], size, mode="area")[0]
    reach = max(1, round(radius / shrink))
    mean = _means(small[None], reach)[0]
    products = (small[:, None] * small[None]).flatten(0, 1)
    squares = _means(products[None], reach)[0].unflatten(0, (COLOURS, COLOURS))
    covariance = (squares - mean[:, None] * mean[None]).permute(2, 3, 0, 1)
    identity = torch.eye(COLOURS, device=device)
    return Guide(given, small, mean, torch.linalg.inv(covariance + eps * identity), reach)


def follow(guide: Guide, masks: torch.Tensor) -> torch.Tensor:
    """(N, H, W) float masks or probabilities of the picture's size, filtered; about 0 to 1 again."""
    rows, columns = _axes(guide)
    parts = [masks[:0]]
    for some in masks.split(AT_ONCE):
        small = F.interpolate(some[:, None], guide.small.shape[1:], mode="area")[:, 0]
        everywhere = (0, guide.size[0]), (0, guide.size[1])
        parts.append(_applied(guide, _fit(guide, small), rows, columns, *everywhere))
    return torch.cat(parts)


def follow_run_lengths(guide: Guide, masks: Sequence[rle.RLE]) -> Iterator[rle.RLE]:
    """Run lengths of the filtered masks, cut at one half, each worked on over its own part alone.

    A mask of which nothing would be left stays as it was.
    """
    rows, columns = _axes(guide)
    for one in masks:
        mask = _shrunk(one, guide)
        inside = mask > 0
        if not inside.any():
            yield one
            continue
        # Two windows away from the mask it cannot be; for that the fits look one window further.
        hit = inside.any(dim=1), inside.any(dim=0)
        tall, wide = (_around(places, 3 * guide.reach + 1) for places in hit)
        fits = _fit(_part(guide, tall, wide), mask[None, slice(*tall), slice(*wide)])
        fits = F.pad(fits, (wide[0], mask.shape[1] - wide[1], tall[0], mask.shape[0] - tall[1]))
        down, across = (
            along.reach(low, high - 1)
            for along, (low, high) in zip(
                (rows, columns), (_around(places, 2 * guide.reach) for places in hit), strict=True
            )
        )
        values = _applied(guide, fits, rows, columns, down, across)[0] - 0.5
        region = Region(values.T.contiguous().cpu().numpy(), across[0], down[0])
        found = cut(region, guide.size)
        yield one if found is None else found.run_lengths


def _around(hit: torch.Tensor, margin: int) -> Span:
    """From the first to behind the last place that is hit, and so many more on both sides."""
    places = hit.nonzero()[:, 0]
    return max(0, int(places[0]) - margin), min(len(hit), int(places[-1]) + 1 + margin)


def _part(guide: Guide, tall: Span, wide: Span) -> Guide:
    """The guide of a part of its small picture, for fits."""
    rows, columns = slice(*tall), slice(*wide)
    return replace(
        guide,
        small=guide.small[:, rows, columns],
        mean=guide.mean[:, rows, columns],
        inverse=guide.inverse[rows, columns],
    )


def _means(values: torch.Tensor, reach: int) -> torch.Tensor:
    """(N, C, h, w) means over square windows; what lies outside the picture does not count."""
    for window in ((2 * reach + 1, 1), (1, 2 * reach + 1)):
        padding = window[0] // 2, window[1] // 2
        values = F.avg_pool2d(values, window, 1, padding, count_include_pad=False)
    return values


def _fit(guide: Guide, masks: torch.Tensor) -> torch.Tensor:
    """(N, h, w) masks of the small picture's size to (N, 4, h, w): a for each colour, and b."""
    together = torch.cat([masks[:, None], masks[:, None] * guide.small], dim=1)
    mean, *products = _means(together, guide.reach).unbind(dim=1)
    covariance = torch.stack(products, dim=1) - mean[:, None] * guide.mean
    a = torch.einsum("nchw,hwcd->ndhw", covariance, guide.inverse)
    b = mean - (a * guide.mean).sum(dim=1)
    return _means(torch.cat([a, b[:, None]], dim=1), guide.reach)


def _axes(guide: Guide) -> tuple[Axis, Axis]:
    """What enlarges the fits to the picture, bilinearly, down and across."""
    (height, width), small = guide.size, guide.small.shape[1:]
    return _dense(axis(small[0], small[0], small[0], height)), _dense(
        axis(small[1], small[1], small[1], width)
    )


def _applied(
    guide: Guide, fitted: torch.Tensor, rows: Axis, columns: Axis, down: Span, across: Span
) -> torch.Tensor:
    """The filtered masks in the picture's rows `down` and columns `across`."""
    top, left = rows.first[down[0]], columns.first[across[0]]
    bottom, right = rows.last[down[1] - 1] + 1, columns.last[across[1] - 1] + 1
    assert rows.dense is not None and columns.dense is not None, "`_axes` sees to it"
    tall = rows.dense[slice(*down), top:bottom].to(fitted.device)
    wide = columns.dense[slice(*across), left:right].to(fitted.device)
    enlarged = tall @ fitted[:, :, top:bottom, left:right] @ wide.T
    colours = _colours(guide.image[slice(*down), slice(*across)])
    return (enlarged[:, :COLOURS] * colours).sum(dim=1) + enlarged[:, COLOURS]


def _colours(image: torch.Tensor) -> torch.Tensor:
    """(H, W, 3) uint8 to (3, H, W), 0 to 1."""
    return image.permute(2, 0, 1).float() / 255


def _dense(along: Axis) -> Axis:
    """With its matrix in full, of which every mask takes a part; a large picture's is sparse alone."""
    if along.dense is not None:
        return along
    return replace(along, dense=torch.from_numpy(along.weights.toarray()))


def _shrunk(mask: rle.RLE, guide: Guide) -> torch.Tensor:
    """(h, w) share of each small pixel that the mask covers."""
    full = torch.from_numpy(rle.decode([mask])[0].astype(np.float32)).to(guide.small.device)
    return F.interpolate(full[None, None], guide.small.shape[1:], mode="area")[0, 0]
