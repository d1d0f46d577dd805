"""Ragged prompts to chunks of like prompts: what one call of the mask decoder can take.

Prompts outside the image, the one rule: points and boxes that reach beyond the image, or beyond the
crop that a frame shows, go to the model as they stand, never clipped, as in the official code (boxes
of detectors and of COCO reach out by a pixel or two). A prompt is refused where nothing of it, neither
one of its points nor a part of its box, lies on the image or its border: its answer would be noise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.sam.prompt_encoder import (
    BACKGROUND,
    BOX_BOTTOM_RIGHT,
    BOX_TOP_LEFT,
    FOREGROUND,
    NOT_A_POINT,
)
from samkit.types import Frame, Prompts


@dataclass(frozen=True)
class Chunk:
    """B prompts of one kind, image after image.

    images, rows: (B,) which image, and which of its prompts.
    xy, kinds: (B, P, 2) in the model's pixels and (B, P), points then padding then box corners.
    embeddings: (B, T, C) or None. masks: (B, 1, h, w) or None.
    """

    images: NDArray[np.int64]
    rows: NDArray[np.int64]
    xy: torch.Tensor
    kinds: torch.Tensor
    embeddings: torch.Tensor | None
    masks: torch.Tensor | None


def chunks(frames: Sequence[Frame], prompts: Sequence[Prompts], size: int) -> Iterator[Chunk]:
    """All prompts of all images in chunks of at most `size`, each of one kind.

    A kind is (number of points, box or not, embedding tokens, mask or not): prompts are never padded
    to look alike, since SAM attends to padding and answers would change.
    """
    for members in _groups(prompts).values():
        for start in range(0, len(members), size):
            images, rows = np.array(members[start : start + size]).T
            yield _chunk(frames, prompts, images, rows)


def refuse_outside(frames: Sequence[Frame], prompts: Sequence[Prompts]) -> None:
    """Raises ValueError, naming image and prompt, for one that lies wholly outside its image."""
    for image, (frame, asked) in enumerate(zip(frames, prompts, strict=True)):
        height, width = frame.original_size
        left, top, right, bottom = frame.crop_box or (0, 0, width, height)
        low, high = np.array([left, top]), np.array([right, bottom])
        touches = np.zeros(len(asked), dtype=bool)
        if asked.points is not None and asked.num_points.any():
            xy = np.concatenate(asked.points)
            owners = np.repeat(np.arange(len(asked)), asked.num_points)
            touches[owners[((xy >= low) & (xy <= high)).all(axis=1)]] = True
        if asked.boxes is not None:  # Rows of NaN, which are no boxes, touch nothing.
            touches |= ((asked.boxes[:, 2:] >= low) & (asked.boxes[:, :2] <= high)).all(axis=1)
        lost = np.flatnonzero(~touches & (asked.has_box | (asked.num_points > 0)))
        if len(lost):
            one = asked[int(lost[0])]
            box = one.boxes[0].tolist() if one.boxes is not None and one.has_box[0] else None
            xy = [] if one.points is None else one.points[0].tolist()
            raise ValueError(
                f"prompt {lost[0]} of image {image} lies wholly outside it: box {box}, points {xy}; "
                f"the model sees x {left} to {right}, y {top} to {bottom} (pixels of the original)"
            )


def _groups(prompts: Sequence[Prompts]) -> dict[tuple[int, bool, int, bool], list[tuple[int, int]]]:
    groups: dict[tuple[int, bool, int, bool], list[tuple[int, int]]] = {}
    for image, asked in enumerate(prompts):
        tokens = [0 if e is None else len(e) for e in asked.embeddings or [None] * len(asked)]
        masked = [m is not None for m in asked.masks or [None] * len(asked)]
        kinds = zip(asked.num_points.tolist(), asked.has_box.tolist(), tokens, masked, strict=True)
        for row, kind in enumerate(kinds):
            groups.setdefault(kind, []).append((image, row))
    return groups


def _chunk(
    frames: Sequence[Frame],
    prompts: Sequence[Prompts],
    images: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> Chunk:
    xy, kinds = [], []
    for image in np.unique(images):
        own, frame = rows[images == image], frames[image]
        points, labels = _points(prompts[image], own)
        xy.append(frame.to_model(points))
        if prompts[image].has_box[own[0]]:
            # The official code scales corners like points, so a padding point never meets a box.
            corners = np.asarray(prompts[image].boxes)[own].reshape(-1, 2, 2)
            xy[-1] = np.concatenate([xy[-1], frame.to_model(corners)], axis=1)
            box = np.tile([BOX_TOP_LEFT, BOX_BOTTOM_RIGHT], (len(own), 1))
            labels = np.concatenate([labels, box], axis=1)
        elif points.shape[1]:
            xy[-1] = np.concatenate([xy[-1], np.zeros((len(own), 1, 2), np.float32)], axis=1)
            labels = np.concatenate([labels, np.full((len(own), 1), NOT_A_POINT)], axis=1)
        kinds.append(labels)
    pairs = list(zip(images.tolist(), rows.tolist(), strict=True))
    first_image, first_row = pairs[0]
    embeddings, masks = prompts[first_image].embeddings, prompts[first_image].masks
    return Chunk(
        images,
        rows,
        torch.from_numpy(np.concatenate(xy)),
        torch.from_numpy(np.concatenate(kinds)),
        embeddings=None
        if embeddings is None or embeddings[first_row] is None
        else torch.stack([prompts[i].embeddings[r] for i, r in pairs]),
        masks=None
        if masks is None or masks[first_row] is None
        else torch.stack([prompts[i].masks[r] for i, r in pairs])[:, None],
    )


def _points(
    prompts: Prompts, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(n, P, 2) points and (n, P) kinds of prompts that have P points each; P may be 0."""
    if prompts.points is None or prompts.labels is None:
        return np.zeros((len(rows), 0, 2), np.float32), np.zeros((len(rows), 0), np.int64)
    points = np.stack([prompts.points[row] for row in rows])
    labels = np.stack([prompts.labels[row] for row in rows])
    return points, np.where(labels == 1, FOREGROUND, BACKGROUND)
