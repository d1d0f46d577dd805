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
    logits: torch.Tensor, predicted_iou: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Mean over B prompts of the best mask's loss, plus the error of all predicted IoUs.

    logits (B, M, H, W), predicted_iou (B, M), targets (B, H, W). Only the lowest-loss mask of M is
    back-propagated; the predicted IoU is taught for every mask, as ranking needs.
    """
    best = mask_losses(logits, targets).amin(dim=1)
    with torch.no_grad():
        truth = true_iou(logits, targets[:, None].expand_as(logits))
    return (best + IOU_WEIGHT * (predicted_iou.float() - truth).square().mean(dim=1)).mean()
