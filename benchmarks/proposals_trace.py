"""Why one mask of everything mode differs from the official generator's: the pixels that did it.

Stability is a ratio of two numbers of pixels, so that one pixel moves that of a small mask far. A pixel
nearer to the cut than the two decoders' logits are apart anywhere in its mask lies within rounding.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.utils.transforms import ResizeLongestSide

from samkit import Masks, Prompts
from samkit.ops.grids import crop_boxes, layer_grids
from samkit.ops.upscale import regions
from samkit.sam.official import OfficialSam
from samkit.types import ImageEmbedding

BATCH = 64  # points that the official generator decodes together


def trace(
    ours: Any, official: "Batches", picture: NDArray[np.uint8], settings: dict[str, Any], one: Masks
) -> str:
    """The pixels of a mask that the two sides put on different sides of a cut, and how near they are."""
    assert one.crop_boxes is not None
    x0, y0, x1, y1 = one.crop_boxes[0].astype(int).tolist()
    crop, (xy, place) = picture[y0:y1, x0:x1], batch_of(one, picture, settings)
    answers = [
        sam.decode(sam.encode([crop]), [Prompts.from_points(xy)])[0] for sam in (ours, official)
    ]
    of_point = np.flatnonzero(answers[0].prompt_index == place)
    apart = np.abs(answers[0].predicted_iou[of_point] - one.predicted_iou[0])
    row, frame = of_point[apart.argmin()], answers[0].frame
    # Enlarged as each side does it: a mask over its own part, and a whole batch at once.
    low, theirs = answers[0].logits[[row]], answers[1].logits
    [part] = regions(low, -1.0, frame.model_size, frame.resized_size, frame.original_size)
    enlarged = official.sam.model.postprocess_masks(
        theirs.reshape(len(xy), -1, *theirs.shape[1:]), frame.resized_size, frame.original_size
    )
    a = part.columns.T
    inside = slice(part.top, part.top + a.shape[0]), slice(part.left, part.left + a.shape[1])
    b = enlarged.flatten(0, 1)[row].numpy()[inside]
    told = ""
    for cut in (1.0, -1.0):
        differ = (a > cut) != (b > cut)
        if differ.any():
            told += f"{differ.sum()} of {(b > cut).sum()} pixels at {cut:+.0f}, "
            told += f"within {np.abs(b - cut)[differ].max():.1e} of it; "
    return f"{told}logits are up to {np.abs(a - b).max():.1e} apart, of up to {theirs[row].abs().max():.0f}"


def batch_of(
    one: Masks, picture: NDArray[np.uint8], settings: dict[str, Any]
) -> tuple[NDArray[np.float64], int]:
    """The points that were decoded together with a mask's own, in its crop's pixels, and its place there.

    Decoded with others a point's logits are rounded otherwise.
    """
    assert one.crop_boxes is not None
    layers = settings.get("crop_n_layers", 0)
    factor = settings.get("crop_n_points_downscale_factor", 1)
    grids = layer_grids(settings["points_per_side"], layers, factor)
    boxes = crop_boxes(picture.shape[:2], layers, 512 / 1500)
    which = [list(box) for box, _ in boxes].index(one.crop_boxes[0].tolist())
    x0, y0, x1, y1 = boxes[which][0]
    number = int(one.prompt_index[0]) - sum(len(grids[layer]) for _, layer in boxes[:which])
    start = number - number % BATCH
    grid = grids[boxes[which][1]][start : start + BATCH]
    return grid * (x1 - x0, y1 - y0), number - start


class Batches:
    """The official encoder and decoder as the official generator calls them: a batch of points at once."""

    def __init__(self, sam: OfficialSam) -> None:
        self.sam, self.name, self.encode = sam, sam.name, sam.encode

    @torch.no_grad()
    def decode(
        self, embeddings: Sequence[ImageEmbedding], prompts: Sequence[Prompts]
    ) -> list[Masks]:
        """The masks of one picture's points."""
        [embedding], [asked], model = embeddings, prompts, self.sam.model
        assert asked.points is not None
        frame = embedding.frame
        xy = np.concatenate(asked.points).astype(np.float64)
        xy = ResizeLongestSide(frame.model_size).apply_coords(xy, frame.original_size)
        points = torch.as_tensor(xy)[:, None], torch.ones(len(xy), 1, dtype=torch.int)
        sparse, dense = model.prompt_encoder(points=points, boxes=None, masks=None)
        logits, iou = model.mask_decoder(
            image_embeddings=embedding["image_embedding"][None],
            image_pe=model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        which = np.repeat(np.arange(len(xy)), logits.shape[1])
        scores = iou.flatten().numpy()
        return [Masks(frame, logits.flatten(0, 1), predicted_iou=scores, prompt_index=which)]
