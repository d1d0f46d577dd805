"""Mask logits to edges (paper, section 7.2, appendix D.2), step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.ops import edges as edge_ops
from samkit.ops import guided as guided_ops
from samkit.ops.grids import Box
from samkit.ops.masks import upscale_logits
from samkit.pipeline import Stage
from samkit.types import Masks, Sample

# Full-size float pixels of the masks at work at one time (16 MB); fixed, so that answers don't vary.
PIXELS_AT_ONCE = 1 << 22
# Variance of a colour (0 to 1) below which the guided filter, where one is asked for, only smooths: of
# weak edges there are many in a picture, and a probability should not follow them all.
GUIDED_EPS = 1e-2
CHOICES = {
    "resize": ("logits", "probabilities"),
    "kernel_size": (3, 5),
    "border": ("replicate", "zeros"),
    "side": ("inner", "outer", "both"),
    "interpolation": ("linear", "nearest"),
}


@dataclass(frozen=True, repr=False, kw_only=True)
class Edges(Stage):
    """`edges`, (H, W) float32 from 0 to 1, of masks that still hold their logits.

    Each mask's probabilities (the sigmoid of its logits) go through a Sobel filter; what is not on
    the mask's outline becomes 0; at each pixel the strongest of all masks counts; the map is scaled
    linearly to 0..1 and thinned by Canny's non-maximum suppression, so that the strongest edge of an
    image is 1. What the paper leaves open:

    resize: what is enlarged to the image's size. "logits", and the sigmoid is taken there: the
        authors say it is that of the official generator's logits just before they are cut, which are
        of the image's size. "probabilities" takes the sigmoid at low resolution first.
    kernel_size: of Sobel's kernel, 3 (the usual one) or 5.
    border: what lies outside the image. "replicate" repeats the outermost pixels, so that an object
        which the image cuts off has no edge there; "zeros" draws one.
    side: which pixels the outline is: "inner" the mask's own that touch the outside, "outer" those
        outside that touch the mask, "both". The slope is as steep on either side, so both is the
        default; the suppression leaves one.
    width: how many pixels deep the outline is, on each side.
    holes: whether a hole's rim is outline. The paper says "outer boundary", so it is not; what lies
        in a hole of one mask is mostly another mask, whose outline counts.
    sigma: of the Gaussian under which map and slopes are put before scaling and suppression, pixels.
        Masks of
        one object differ by a pixel or so, and without it each leaves a line of its own; 1 is what
        Canny detectors start from.
    interpolation: "linear" between the two pixels where the slope's direction leaves the 3x3 window,
        as Canny; "nearest" takes one of the eight neighbours.
    guided: not the paper's: probabilities first go through a guided filter led by the picture (see
        `GuidedFilter`), whose windows reach this share of the longer side; None is without. It moves
        outlines onto the picture's edges, which a small model's 64 x 64 logits miss by pixels; .03 takes
        `tiny` from an ODS of .463 to .599 on 25 pictures of BSDS500.

    Defaults are by these reasons, never by a score on BSDS500's test pictures.

    Masks that were found in crops (`Proposals` with crop layers, `SegmentZoomed`) have their edges there,
    as fine as the crop is small. A few masks are worked on at a time, so memory does not grow with
    their number. No masks give zeros. Raises ValueError for settings that are none of these and for
    masks without logits.

    >>> Edges(sigma=2.0)
    Edges(sigma=2.0)
    """

    resize: Literal["logits", "probabilities"] = "logits"
    kernel_size: Literal[3, 5] = 3
    border: edge_ops.Border = "replicate"
    side: edge_ops.Side = "both"
    width: int = 1
    holes: bool = False
    sigma: float = 1.0
    interpolation: edge_ops.Interpolation = "linear"
    guided: float | None = None

    reads = ("masks",)
    writes = ("edges",)

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is one of {allowed}, got {getattr(self, name)!r}")
        if self.width < 1:
            raise ValueError(f"width is 1 pixel or more, got {self.width}")
        if not 0 <= self.sigma < float("inf"):
            raise ValueError(f"sigma is 0 (no smoothing) or more, got {self.sigma}")
        if self.guided is not None:
            if not 0 < self.guided < 1:
                raise ValueError(f"guided lies between 0 and 1, got {self.guided}")
            object.__setattr__(self, "reads", ("image", "masks"))

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(edges=self._edges(sample)) for sample in samples]

    def _edges(self, sample: Sample) -> NDArray[np.float32]:
        masks = sample.masks
        assert masks is not None, "the pipeline checks what a stage reads"
        if len(masks) and masks.logits is None:
            raise ValueError(
                f"sample {sample.id!r}: Edges reads logits, but its masks hold only run lengths; "
                "use keep_logits=True (Proposals, SegmentZoomed), or put Edges straight behind Segment"
            )
        slope, down, right = self._strongest(sample, masks)
        edges, angle = edge_ops.smooth(slope, down, right, self.sigma)
        # Scaled after the smoothing, which lowers peaks: the strongest edge of an image is 1.
        return edge_ops.suppress(edge_ops.normalise(edges), angle, self.interpolation)

    def _strongest(self, sample: Sample, masks: Masks) -> NDArray[np.float32]:
        """(3, H, W): the largest slope of all masks at each pixel, and that slope's two parts."""
        height, width = masks.frame.original_size
        device = None if masks.logits is None else masks.logits.device
        best = torch.zeros((3, height, width), device=device)
        for part in masks.by_crop():
            x0, y0, x1, y1 = part.frame.crop_box or (0, 0, width, height)
            here = best[:, y0:y1, x0:x1]
            guide = None
            if self.guided is not None:
                radius = self.guided * max(height, width)
                guide = guided_ops.guide(
                    sample.image[y0:y1, x0:x1], radius, GUIDED_EPS, best.device
                )
            # Masks as they are cut lie in the whole picture; led by it, in their crop.
            pixels = height * width if guide is None else here[0].numel()
            step = max(1, PIXELS_AT_ONCE // max(part.frame.model_size**2, pixels))
            for start in range(0, len(part), step):
                slopes = self._slopes(part[start : start + step], guide, (x0, y0, x1, y1))
                values, first = slopes[0].max(dim=0)
                strongest = slopes.gather(1, first.expand(3, 1, -1, -1))[:, 0]
                here.copy_(torch.where(values > here[0], strongest, here))
        return best.cpu().numpy()

    def _slopes(self, masks: Masks, guide: guided_ops.Guide | None, crop: Box) -> torch.Tensor:
        """(3, n, *crop size): each mask's slope along its outline, 0 elsewhere; down; to the right."""
        x0, y0, x1, y1 = crop
        maps = self._probabilities(masks)
        if guide is None:
            binary = masks.binary()[:, y0:y1, x0:x1]
        else:
            maps = guided_ops.follow(guide, maps)
            binary = (maps > 0.5).cpu().numpy()
        down, right = edge_ops.sobel(maps, self.kernel_size, self.border)
        slope = torch.hypot(down, right) * self._outlines(binary).to(maps.device)
        if self.border == "zeros":  # they lie outside the picture, not outside a crop of it
            inner = edge_ops.inside(crop, masks.frame.original_size, self.kernel_size // 2)
            slope = slope * inner.to(slope.device)
        return torch.stack([slope, down, right])

    def _probabilities(self, masks: Masks) -> torch.Tensor:
        assert masks.logits is not None
        frame, logits = masks.frame, masks.logits.float()
        given = logits if self.resize == "logits" else logits.sigmoid()
        full = upscale_logits(given, frame.model_size, frame.resized_size, frame.crop_size)
        return full.sigmoid() if self.resize == "logits" else full

    def _outlines(self, binary: NDArray[np.bool_]) -> torch.Tensor:
        """(n, h, w) bool, along the outlines of masks of that size."""
        if not self.holes:
            binary = edge_ops.fill_holes(binary)
        return edge_ops.outlines(torch.from_numpy(binary), self.side, self.width, self.border)
