"""Mask logits to edges (paper, section 7.2, appendix D.2), step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.ops import edges as edge_ops
from samkit.ops import guided as guided_ops
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

    A few masks are worked on at a time, so memory does not grow with their number. No masks give
    zeros. Raises ValueError for settings that are none of these and for masks without logits.

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
                "use Proposals(sam, keep_logits=True), or put Edges straight behind Segment"
            )
        strongest, down, right = self._strongest(sample, masks)
        edges, angle = edge_ops.smooth(strongest, down, right, self.sigma)
        # Scaled after the smoothing, which lowers peaks: the strongest edge of an image is 1.
        return edge_ops.suppress(edge_ops.normalise(edges), angle, self.interpolation)

    def _strongest(self, sample: Sample, masks: Masks) -> tuple[NDArray[np.float32], ...]:
        """The largest slope of all masks at each pixel of the image, and that slope's two parts."""
        frame = masks.frame
        height, width = frame.original_size
        x0, y0, x1, y1 = frame.crop_box or (0, 0, width, height)
        device = None if masks.logits is None else masks.logits.device
        best = torch.zeros((3, *frame.crop_size), device=device)
        pixels = max(frame.model_size**2, height * width)
        step = max(1, PIXELS_AT_ONCE // pixels)
        guide = None
        if self.guided is not None:
            picture = sample.image[y0:y1, x0:x1]
            radius = self.guided * max(picture.shape[:2])
            guide = guided_ops.guide(picture, radius, GUIDED_EPS, best.device)
        for start in range(0, len(masks), step):
            some = masks[start : start + step]
            maps = self._probabilities(some)
            if guide is None:
                binary = some.binary()
            else:
                maps = guided_ops.follow(guide, maps)
                binary = np.zeros((len(some), height, width), dtype=bool)
                binary[:, y0:y1, x0:x1] = (maps > 0.5).cpu().numpy()
            down, right = edge_ops.sobel(maps, self.kernel_size, self.border)
            outline = self._outlines(binary)[:, y0:y1, x0:x1].to(best.device)
            slope = torch.hypot(down, right) * outline
            values, first = slope.max(dim=0)
            parts = torch.stack(
                [values, *(part.gather(0, first[None])[0] for part in (down, right))]
            )
            best = torch.where(values > best[0], parts, best)
        whole = np.zeros((3, height, width), dtype=np.float32)
        whole[:, y0:y1, x0:x1] = best.cpu().numpy()
        return tuple(whole)

    def _probabilities(self, masks: Masks) -> torch.Tensor:
        assert masks.logits is not None
        frame, logits = masks.frame, masks.logits.float()
        given = logits if self.resize == "logits" else logits.sigmoid()
        full = upscale_logits(given, frame.model_size, frame.resized_size, frame.crop_size)
        return full.sigmoid() if self.resize == "logits" else full

    def _outlines(self, binary: NDArray[np.bool_]) -> torch.Tensor:
        """(n, H, W) bool, at the size of the whole image."""
        if not self.holes:
            binary = edge_ops.fill_holes(binary)
        return edge_ops.outlines(torch.from_numpy(binary), self.side, self.width, self.border)
