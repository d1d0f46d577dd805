"""Focal and dice loss 20 : 1, and the squared error of the predicted IoU (paper, app. A)."""

import torch
import torch.nn.functional as F

FOCAL_WEIGHT, DICE_WEIGHT, IOU_WEIGHT = 20.0, 1.0, 1.0


def focal_loss(
    logits: torch.Tensor, targets: torch.Tensor, alpha: float = 0.25, gamma: float = 2.0
) -> torch.Tensor:
    """Per mask, averaged over pixels: (..., H, W) logits and targets in [0, 1] to (...)."""
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    probability = logits.sigmoid()
    missed = probability + targets - 2 * probability * targets  # 1 - p of the true class
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    return (weight * missed**gamma * cross_entropy).mean(dim=(-2, -1))


def dice_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Per mask, 1 - (2 |p t| + 1) / (|p| + |t| + 1): (..., H, W) to (...)."""
    probability = logits.sigmoid()
    both = (probability * targets).sum(dim=(-2, -1))
    return 1 - (2 * both + 1) / (probability.sum(dim=(-2, -1)) + targets.sum(dim=(-2, -1)) + 1)


def true_iou(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """IoU of the thresholded masks with the thresholded targets: (..., H, W) to (...)."""
    predicted, truth = logits > 0, targets > 0.5
    intersection = (predicted & truth).sum(dim=(-2, -1)).float()
    return intersection / (predicted | truth).sum(dim=(-2, -1)).clamp(min=1)


def mask_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Focal and dice together, per mask: (B, M, H, W) logits, (B, H, W) targets to (B, M)."""
    targets = targets[:, None].expand_as(logits)
    focal, dice = focal_loss(logits, targets), dice_loss(logits, targets)
    return FOCAL_WEIGHT * focal + DICE_WEIGHT * dice


def sam_loss(
    logits: torch.Tensor,
    predicted_iou: torch.Tensor,
    targets: torch.Tensor,
    supervise_all_iou: bool = True,
) -> torch.Tensor:
    """Mean over B prompts of the best mask's loss, plus the error of the predicted IoU.

    logits (B, M, H, W), predicted_iou (B, M), targets (B, h, w) in [0, 1], h a multiple of H: the
    masks are upsampled to the targets' size, and the targets averaged down to the masks' where the
    M masks are compared. Only the lowest-loss mask of M is back-propagated.

    supervise_all_iou: teaches the predicted IoU of every mask. The paper teaches that of the
    lowest-loss mask alone; here, as in SAM 2's training, all are taught, since the masks are ranked by
    it and one that is seldom best would else never learn that it is bad.
    """
    factor = targets.shape[-1] // logits.shape[-1]
    coarse = F.avg_pool2d(targets[:, None], factor)[:, 0] if factor > 1 else targets
    rows = torch.arange(len(logits), device=logits.device)
    with torch.no_grad():
        several = logits.shape[1] > 1
        best = mask_losses(logits, coarse).argmin(dim=1) if several else torch.zeros_like(rows)
    chosen = logits[rows, best][:, None]
    if factor > 1:
        chosen = upsampled(chosen, factor)
    loss = mask_losses(chosen, targets)[:, 0]
    with torch.no_grad():
        truth = true_iou(chosen, targets[:, None])
        if supervise_all_iou and several:
            truth = true_iou(logits, coarse[:, None]).scatter(1, best[:, None], truth)
    if not supervise_all_iou:
        predicted_iou = predicted_iou[rows, best][:, None]
    error = (predicted_iou - truth).square().mean(dim=1)
    return (loss + IOU_WEIGHT * error).mean()


def upsampled(logits: torch.Tensor, factor: int) -> torch.Tensor:
    """(B, M, H, W) to (B, M, factor H, factor W), bilinear as masks are made full size."""
    return F.interpolate(logits, scale_factor=factor, mode="bilinear", align_corners=False)
