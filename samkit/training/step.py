"""One step: a batch of images and masks to gradients (paper, sec. 3 and app. A)."""

import contextlib
import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from samkit.sam.decoding import Chunk
from samkit.sam.model import Sam
from samkit.sam.preprocess import PIXEL_MEAN, PIXEL_STD
from samkit.training.dense import DenseHead, dense_loss
from samkit.training.losses import sam_loss, true_iou, upsampled
from samkit.training.simulate import FIRST_DRAWS, first_prompts, next_points

MULTIMASK, SINGLE_MASK = slice(1, None), slice(0, 1)


@dataclass(frozen=True, eq=False)
class Batch:
    """I images and N masks to learn, with the random numbers their prompts are made of.

    images: (I, S, S, 3) uint8 RGB, padded to the model's square with the mean colour.
    targets: (N, S, S) bool. which: (N,) int64, the image of each mask.
    draws: (N, simulation.draws) float32 in [0, 1). box_share: of first prompts.
    clicks: for each round after the first, whether it brings a new click.
    dense: (I, 11, h, h) float32 of `dense_targets`, where the encoder is taught by every cell too.
    """

    images: torch.Tensor
    targets: torch.Tensor
    which: torch.Tensor
    draws: torch.Tensor
    box_share: float
    clicks: tuple[bool, ...]
    dense: torch.Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same batch there."""
        there = copy.copy(vars(self))
        for name, value in there.items():
            if isinstance(value, torch.Tensor):
                there[name] = value.to(device)
        return Batch(**there)


@dataclass(frozen=True)
class Outcome:
    """What a step tells: mean loss of all rounds, each round's mean IoU of the mask fed back, and the
    loss of `DenseHead`.
    """

    loss: float
    ious: tuple[float, ...]
    dense: float = 0.0


@dataclass(frozen=True)
class Loss:
    """How predictions are scored.

    supervise_all_iou: see `sam_loss`. scale: side of the mask that is compared with the truth, as a
    multiple of the low-resolution logits' side; 4 is the input's own.
    """

    supervise_all_iou: bool = True
    scale: int = 2


def backward(
    sam: Sam,
    batch: Batch,
    loss: Loss,
    precision: torch.dtype = torch.float32,
    share: float = 1.0,
    head: DenseHead | None = None,
) -> Outcome:
    """Adds the gradient of the batch's mean loss, times `share`, to the parameters' `grad`.

    All prompts of all images go through the decoder together, once a round. Each round is
    back-propagated on its own, into the image embeddings, so that only one round's graph is held;
    the image encoder's backward then runs once.

    precision: bfloat16 runs encoder and decoder under autocast; losses are always float32.
    head: what reads the image embeddings cell by cell, where the batch has targets for it.
    """
    autocast = torch.autocast(sam.device.type, precision, enabled=precision != torch.float32)
    trained = any(p.requires_grad for p in sam.image_encoder.parameters())
    with autocast, contextlib.nullcontext() if trained else torch.no_grad():
        embedded = sam.image_encoder(normalised(batch.images).to(sam.dtype))
    leaf = embedded.detach().requires_grad_(trained)
    cells = 0.0
    if trained and head is not None and batch.dense is not None:
        dense = dense_loss(head(leaf.float()), batch.dense)
        (share * dense).backward()
        cells = float(dense.detach())
    targets = F.avg_pool2d(batch.targets[:, None].to(sam.dtype), _pooling(sam, batch, loss))[:, 0]
    truth = targets >= 0.5
    xy, kinds = first_prompts(batch.targets, batch.box_share, batch.draws)
    fed: torch.Tensor | None = None
    shown = torch.zeros(0)
    total, ious = 0.0, []
    pixel = batch.targets.shape[-1] / targets.shape[-1]
    rows = torch.arange(len(targets), device=targets.device)
    for turn, click in enumerate((False, *batch.clicks)):
        if click:
            points, sorts = next_points(shown, truth, batch.draws[:, FIRST_DRAWS + turn - 1])
            xy = torch.cat([xy, (points + 0.5) * pixel - 0.5], dim=1)
            kinds = torch.cat([kinds, sorts], dim=1)
        with autocast:
            logits, predicted_iou = _predict(sam, leaf, batch.which, xy, kinds, fed, turn == 0)
        if precision != torch.float32:
            logits, predicted_iou = logits.float(), predicted_iou.float()
        value = sam_loss(logits, predicted_iou, targets, loss.supervise_all_iou)
        (value * (share / (1 + len(batch.clicks)))).backward()
        total += float(value.detach())
        with torch.no_grad():
            best = predicted_iou.argmax(dim=1)
            fed = logits.detach()[rows, best][:, None]
            shown = upsampled(fed, loss.scale)[:, 0]
            ious.append(float(true_iou(shown, targets).mean()))
    if trained:
        embedded.backward(leaf.grad)
    return Outcome(total / (1 + len(batch.clicks)), tuple(ious), cells)


def normalised(images: torch.Tensor) -> torch.Tensor:
    """(I, S, S, 3) uint8 to (I, 3, S, S) float32, as `samkit.sam.preprocess` does it."""
    mean, std = (torch.tensor(v, device=images.device) for v in (PIXEL_MEAN, PIXEL_STD))
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


def _predict(
    sam: Sam,
    embeddings: torch.Tensor,
    which: torch.Tensor,
    xy: torch.Tensor,
    kinds: torch.Tensor,
    fed: torch.Tensor | None,
    first: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    images = which.cpu().numpy()
    chunk = Chunk(images, images, xy, kinds, None, fed)
    positions = sam.prompt_encoder.dense_positions()
    return sam.predict(embeddings, which, chunk, positions, MULTIMASK if first else SINGLE_MASK)


def _pooling(sam: Sam, batch: Batch, loss: Loss) -> int:
    side, wanted = batch.targets.shape[-1], loss.scale * sam.config.low_res_size
    if side % wanted:
        raise ValueError(
            f"masks of {side} pixels cannot be compared at {wanted}: scale is 1, 2 or 4"
        )
    return side // wanted
