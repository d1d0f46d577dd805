"""The simulated annotator: a first point or noisy box, then points where the prediction errs."""

import torch

from samkit.sam.prompt_encoder import (
    BACKGROUND,
    BOX_BOTTOM_RIGHT,
    BOX_TOP_LEFT,
    FOREGROUND,
    NOT_A_POINT,
)

BOX_NOISE, BOX_NOISE_LIMIT = 0.1, 20.0  # of the box's side, and in pixels (paper, app. A)


def random_pixels(regions: torch.Tensor) -> torch.Tensor:
    """One pixel drawn evenly from each region: (B, H, W) bool to (B, 2) xy; any pixel if empty."""
    score = torch.rand(regions.shape, device=regions.device) + regions
    index = score.flatten(1).argmax(dim=1)
    return torch.stack([index % regions.shape[2], index // regions.shape[2]], dim=1)


def first_prompts(masks: torch.Tensor, box_share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A point in the mask or a noisy box for each of B masks (B, H, W), in their own pixels.

    Returns xy (B, 2, 2) and kinds (B, 2): a point with its padding, or two corners. Both are two
    tokens, so that prompts of both sorts share every decoder call.
    """
    batch = len(masks)
    points = torch.stack([random_pixels(masks), torch.zeros(batch, 2)], dim=1).float()
    boxes = noisy_boxes(masks)
    is_box = torch.rand(batch) < box_share
    xy = torch.where(is_box[:, None, None], boxes, points)
    corner = torch.tensor([BOX_TOP_LEFT, BOX_BOTTOM_RIGHT])
    click = torch.tensor([FOREGROUND, NOT_A_POINT])
    return xy, torch.where(is_box[:, None], corner, click)


def noisy_boxes(masks: torch.Tensor) -> torch.Tensor:
    """(B, 2, 2) corners of B masks (B, H, W), each coordinate off by 10 % of the side, 20 px at most."""
    corners = []
    for axis in (1, 2):  # columns, then rows
        hit = masks.any(dim=axis)
        first = hit.float().argmax(dim=1)
        last = hit.shape[1] - 1 - hit.flip(1).float().argmax(dim=1)
        corners.append(torch.stack([first, last], dim=1).float())
    boxes = torch.stack(corners, dim=2)
    sides = (boxes[:, 1] - boxes[:, 0])[:, None]
    noise = torch.randn_like(boxes) * BOX_NOISE * sides
    limit = torch.tensor(masks.shape[:0:-1]) - 1.0
    moved = boxes + noise.clamp(-BOX_NOISE_LIMIT, BOX_NOISE_LIMIT)
    return moved.clamp(min=torch.zeros(2), max=limit).sort(dim=1).values


def next_points(logits: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A click where each prediction errs, foreground where it missed: xy (B, 1, 2), kinds (B, 1).

    logits, masks (B, H, W). A faultless prediction gets a click inside or outside as it may fall.
    """
    xy = random_pixels((logits > 0) != masks)
    inside = masks[torch.arange(len(masks)), xy[:, 1], xy[:, 0]]
    return xy[:, None].float(), torch.where(inside, FOREGROUND, BACKGROUND)[:, None]
