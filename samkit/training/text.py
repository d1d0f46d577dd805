"""Teaching a SAM to read CLIP embeddings: the first prompt is one, then clicks follow (app. D.5)."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F

from samkit.clip.model import Clip
from samkit.ops.square_crops import covered_cells, square_crop, with_mask
from samkit.sam.decoding import Chunk
from samkit.sam.model import Sam
from samkit.sam.prompt_encoder import NOT_A_POINT
from samkit.training.data import Feed, Mixture, make_batch
from samkit.training.losses import IOU_WEIGHT, sam_loss, true_iou, upsampled
from samkit.training.simulate import FIRST_DRAWS, next_points
from samkit.training.step import (
    MULTIMASK,
    SINGLE_MASK,
    Batch,
    Loss,
    Outcome,
    normalised,
)

WIDENED, MASKED_SHARE = (1.0, 2.0), 0.5
ATTEMPTS = 100


def some_masks(batch: Batch, rows: torch.Tensor) -> Batch:
    """The batch with only these of its masks."""
    return replace(
        batch, targets=batch.targets[rows], which=batch.which[rows], draws=batch.draws[rows]
    )


def crops_of_masks(
    batch: Batch,
    side: int,
    rng: np.random.Generator,
    grid: int | None = None,
    seen: bool = False,
) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
    """A (side, side, 3) uint8 crop of each mask as the paper cuts them, and the patches it covers.

    The mask's box is widened by a random factor from 1 to 2, the crop is square, and half the time
    pixels outside the mask are black. seen: for a CLIP that sees masks, (side, side, 4) with the
    mask last. Patches are (grid, grid) bool; None without a grid.
    """
    crops, patches = [], []
    for image, target in zip(batch.which.tolist(), batch.targets.cpu().numpy(), strict=True):
        rows, columns = np.flatnonzero(target.any(1)), np.flatnonzero(target.any(0))
        box = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        mask = target if rng.random() < MASKED_SHARE else None
        pixels, widened = batch.images[image].cpu().numpy(), rng.uniform(*WIDENED)
        cut = square_crop(pixels, box, side, widened, mask)
        crops.append(with_mask(cut, target, box, widened) if seen else cut)
        if grid is not None:
            patches.append(covered_cells(target, box, grid, widened))
    return crops, None if grid is None else patches


def image_embeddings(
    batch: Batch, clip: Clip, rng: np.random.Generator, masked_attention: bool = False
) -> torch.Tensor:
    """(N, D) CLIP embeddings of the masks' crops: what stands for a text in training.

    masked_attention: CLIP's output token sees only the mask's patches in the last layer, as in the
    paper. Raises ValueError for a CLIP that cannot.
    """
    grid = clip.patch_grid if masked_attention else None
    return clip.images(*crops_of_masks(batch, clip.image_size, rng, grid, clip.sees_masks))


def text_backward(
    sam: Sam,
    embedded: torch.Tensor,
    batch: Batch,
    tokens: torch.Tensor,
    loss: Loss,
    strangers: int = 0,
) -> Outcome:
    """Adds the gradient of the batch's mean loss to what made the tokens, and to the SAM.

    embedded: (I, C, grid, grid) image embeddings of the batch's images; where they require a
    gradient, the encoder is taught too. tokens: (N, T, C), the first prompt of each mask; every
    later round brings a click where the last mask errs, or the logits alone, as `batch.clicks` says.
    strangers: so many of the tokens are asked of another image too, where what they show is not: their
    masks' predicted IoU is to be 0, so that a picture without the thing can be told from one with it.
    """
    leaf = embedded.detach().requires_grad_(embedded.requires_grad)
    prompt = tokens.detach().requires_grad_(tokens.requires_grad)
    side, wanted = batch.targets.shape[-1], loss.scale * sam.config.low_res_size
    targets = F.avg_pool2d(batch.targets[:, None].to(sam.dtype), side // wanted)[:, 0]
    truth, pixel = targets >= 0.5, side / wanted
    rows = torch.arange(len(targets), device=targets.device)
    xy = torch.zeros(len(rows), 0, 2, device=targets.device)
    kinds = torch.zeros(len(rows), 0, dtype=torch.int64, device=targets.device)
    fed: torch.Tensor | None = None
    shown, total, ious = torch.zeros(0), 0.0, []
    for turn, click in enumerate((False, *batch.clicks)):
        if click:
            points, sorts = next_points(shown, truth, batch.draws[:, FIRST_DRAWS + turn - 1])
            if not xy.shape[1]:  # points without a box come with one padding token
                xy, kinds = torch.zeros_like(points), torch.full_like(sorts, NOT_A_POINT)
            xy = torch.cat([xy, (points + 0.5) * pixel - 0.5], dim=1)
            kinds = torch.cat([kinds, sorts], dim=1)
        images = batch.which.cpu().numpy()
        chunk = Chunk(images, images, xy, kinds, prompt, fed)
        outputs = MULTIMASK if turn == 0 else SINGLE_MASK
        positions = sam.prompt_encoder.dense_positions()
        logits, predicted_iou = sam.predict(leaf, batch.which, chunk, positions, outputs)
        value = sam_loss(logits, predicted_iou, targets, loss.supervise_all_iou)
        (value / (1 + len(batch.clicks))).backward()
        total += float(value.detach())
        if turn == 0 and strangers and len(embedded) > 1:
            error = strangers_iou(sam, leaf, batch, prompt[:strangers], positions).square().mean()
            (IOU_WEIGHT * error / (1 + len(batch.clicks))).backward()
            total += float(error.detach())
        with torch.no_grad():
            fed = logits.detach()[rows, predicted_iou.argmax(dim=1)][:, None]
            shown = upsampled(fed, loss.scale)[:, 0]
            ious.append(float(true_iou(shown, targets).mean()))
    for made, given in ((embedded, leaf), (tokens, prompt)):
        if made.requires_grad:
            made.backward(given.grad)
    return Outcome(total / (1 + len(batch.clicks)), tuple(ious))


def strangers_iou(
    sam: Sam, embedded: torch.Tensor, batch: Batch, tokens: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """Predicted IoU (N, 3) of the masks that tokens (N, T, C) get in the image after their own."""
    other = (batch.which[: len(tokens)] + 1) % len(embedded)
    images = other.cpu().numpy()
    nothing = torch.zeros(len(tokens), 0, 2, device=tokens.device)
    chunk = Chunk(images, images, nothing, nothing[:, :, 0].long(), tokens, None)
    _, predicted_iou = sam.predict(embedded, other, chunk, positions, MULTIMASK)
    return predicted_iou


def without_small_masks(batch: Batch, least_share: float) -> Batch:
    """The batch without the masks that cover less than this share of the model's square.

    The paper drops those under 100 x 100 pixels of 1024 x 1024, 0.95 %.
    """
    large = batch.targets.float().mean(dim=(1, 2)) >= least_share
    return some_masks(batch, large.nonzero()[:, 0])


def encoded(sam: Sam, batch: Batch, taught: bool) -> torch.Tensor:
    """(I, C, grid, grid) image embeddings of the batch's images, with a gradient where it is taught."""
    with torch.set_grad_enabled(taught):
        embedded: torch.Tensor = sam.image_encoder(normalised(batch.images).to(sam.dtype))
    return embedded


@dataclass
class Pool:
    """Batches and their image embeddings, by the number of the step.

    size: how many are made and encoded, once each, and then come again; 0 makes a new one each step.
    least_share: see `without_small_masks`. encoder_taught: embeddings then carry a gradient, and are
    made anew each time.
    """

    sam: Sam
    sources: Mixture
    feed: Feed
    seed: int
    size: int
    least_share: float
    encoder_taught: bool = False
    kept: dict[int, tuple[Batch, torch.Tensor | None]] = field(default_factory=dict)

    def __call__(self, step: int) -> tuple[Batch, torch.Tensor]:
        number = step % self.size if self.size else step
        batch, embedded = self.kept.get(number) or (self._made(number), None)
        if embedded is None:
            embedded = encoded(self.sam, batch, self.encoder_taught)
        if self.size:
            self.kept[number] = batch, None if self.encoder_taught else embedded
        return batch, embedded

    def _made(self, number: int) -> Batch:
        for attempt in range(ATTEMPTS):
            batch = make_batch(self.sources, self.feed, self.seed, number + attempt * 1_000_000)
            batch = without_small_masks(batch.to(self.sam.device), self.least_share)
            if len(batch.targets):
                return batch
        raise ValueError(
            f"{ATTEMPTS} batches in a row had no mask over {self.least_share:.2%} of the picture"
        )
