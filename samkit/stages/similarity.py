"""The paper's probe of SAM's latent space: which masks look alike to the image encoder (app. D.6)."""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.square_crops import square_crop
from samkit.pipeline import Stage
from samkit.sam.family import SamModel
from samkit.types import Masks, Sample

# Pictures that are encoded together: crops and their mirror images.
CROPS_AT_ONCE = 16


@dataclass(frozen=True, repr=False)
class MaskSimilarity(Stage):
    """Masks get as their score how much they look like one of them, -1 to 1: 1 for itself.

    query: the place of the mask that the others are compared with, in the order they come; a
        negative one counts from the end. The order of masks stays; `Filter(min_score=...)` keeps
        neighbours above a threshold.
    context: side of the square that is cut out and encoded, as a multiple of the mask's box.

    The paper tells neither margin, measure nor thresholds; here similarity is the cosine. Raises
    ValueError where masks are there but not so many as `query` says.

    >>> import samkit
    >>> from samkit.stages import Embed, Proposals, RankByQuality, Top
    >>> sam = samkit.load_sam("tiny")
    >>> alike = Embed(sam) | Proposals(sam) | RankByQuality() | Top(20) | MaskSimilarity(sam)
    """

    sam: SamModel
    query: int = 0
    _: KW_ONLY
    context: float = 1.5

    reads = ("image", "masks")
    writes = ("masks",)
    phase = "encode"

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [self._scored(sample) for sample in samples]

    def _scored(self, sample: Sample) -> Sample:
        masks = sample.masks
        if masks is None:
            raise ValueError(f"sample {sample.id!r} has no masks to compare")
        if not len(masks):
            return sample
        if not -len(masks) <= self.query < len(masks):
            raise ValueError(
                f"sample {sample.id!r} has {len(masks)} masks, so there is no query {self.query}"
            )
        embeddings = F.normalize(
            mask_embeddings(self.sam, sample.image, masks, self.context), dim=1
        )
        scores = (embeddings @ embeddings[self.query]).numpy()
        return sample.replace(masks=masks.replace(scores=np.asarray(scores, dtype=np.float32)))


def mask_embeddings(
    sam: SamModel, image: NDArray[np.uint8], masks: Masks, context: float = 1.5
) -> torch.Tensor:
    """(N, C) float32: what a SAM's image encoder sees in each mask (paper, app. D.6).

    The square around a mask and its mirror image are encoded; each embedding is multiplied by the
    mask, brought to its grid as shares of covered area, and averaged over it, then over both. An
    empty mask has zeros.
    """
    parts: list[torch.Tensor] = []
    waiting: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
    for pair in _squares(image, masks, context):
        waiting.append(pair)
        if len(waiting) == CROPS_AT_ONCE:
            parts += _averages(sam, waiting)
            waiting = []
    parts += _averages(sam, waiting)
    both = torch.stack(parts) if parts else torch.zeros(0, 1)
    means: torch.Tensor = both.unflatten(0, (-1, 2)).mean(dim=1)
    return means


def _squares(
    image: NDArray[np.uint8], masks: Masks, context: float
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Each mask's square of the picture and of itself, (S, S, 3) uint8 both; then their mirror images."""
    held = masks.with_run_lengths()
    for box, one in zip(held.outer_boxes(), held.rle(), strict=True):
        white = np.repeat(rle.decode([one])[0][..., None] * np.uint8(255), 3, axis=2)
        pixels, inside = (square_crop(picture, box, None, context) for picture in (image, white))
        yield pixels, inside
        yield pixels[:, ::-1], inside[:, ::-1]


def _averages(
    sam: SamModel, squares: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]
) -> list[torch.Tensor]:
    found = []
    embeddings = sam.encode([pixels for pixels, _ in squares]) if squares else []
    for embedding, (_, inside) in zip(embeddings, squares, strict=True):
        features = embedding["image_embedding"].float().cpu()
        mask = torch.from_numpy(np.ascontiguousarray(inside[..., 0]))[None, None] / 255
        weights = F.interpolate(mask, features.shape[-2:], mode="area")[0, 0]
        found.append((features * weights).sum(dim=(1, 2)) / weights.sum().clamp(min=1e-6))
    return found
