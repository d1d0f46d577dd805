"""Losses against values worked out by hand and against finite differences."""

import math

import pytest
import torch

from samkit.training.losses import dice_loss, focal_loss, mask_losses, sam_loss, true_iou


def test_focal_loss_by_hand() -> None:
    """One pixel of each kind: p = 3/4 on a true pixel, p = 3/4 on a false one."""
    logits = torch.full((1, 2), math.log(3))
    targets = torch.tensor([[1.0, 0.0]])
    hit = 0.25 * 0.25**2 * -math.log(0.75)
    miss = 0.75 * 0.75**2 * -math.log(0.25)
    assert focal_loss(logits, targets).item() == pytest.approx((hit + miss) / 2, rel=1e-6)


def test_dice_loss_by_hand() -> None:
    logits = torch.full((1, 2), math.log(3))
    targets = torch.tensor([[1.0, 0.0]])
    # 2 * 3/4 + 1 over 3/2 + 1 + 1
    assert dice_loss(logits, targets).item() == pytest.approx(1 - 2.5 / 3.5, rel=1e-6)


def test_true_iou_by_hand() -> None:
    logits = torch.tensor([[1.0, 2.0, -1.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    assert true_iou(logits, targets).item() == pytest.approx(1 / 3)
    assert true_iou(-torch.ones(1, 4), torch.zeros(1, 4)).item() == 0


def test_only_the_best_mask_is_taught() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5, 5, requires_grad=True)
    targets = (torch.rand(2, 5, 5) > 0.5).float()
    best = mask_losses(logits, targets).argmin(dim=1)
    sam_loss(logits, torch.zeros(2, 3), targets).backward()
    touched = logits.grad.flatten(2).abs().sum(dim=2) > 0
    assert touched.sum(dim=1).tolist() == [1, 1]
    assert touched.float().argmax(dim=1).tolist() == best.tolist()


def test_every_predicted_iou_is_taught() -> None:
    targets = torch.zeros(1, 4, 4)
    targets[0, :2] = 1
    logits = torch.stack([targets[0] * 2 - 1, -torch.ones(4, 4), torch.ones(4, 4)])[None]
    predicted = torch.zeros(1, 3, requires_grad=True)
    sam_loss(logits, predicted, targets).backward()
    # Squared errors of 1, 0 and 1/2: gradients are -2 (truth - 0) / 3.
    assert predicted.grad.tolist()[0] == pytest.approx([-2 / 3, 0, -1 / 3])


def test_as_in_the_paper_only_the_best_masks_iou_is_taught() -> None:
    targets = torch.zeros(1, 4, 4)
    targets[0, :2] = 1
    logits = torch.stack([targets[0] * 2 - 1, -torch.ones(4, 4), torch.ones(4, 4)])[None]
    predicted = torch.zeros(1, 3, requires_grad=True)
    sam_loss(logits, predicted, targets, supervise_all_iou=False).backward()
    assert predicted.grad.tolist()[0] == pytest.approx([-2, 0, 0])


def test_masks_are_compared_with_finer_truth_after_bilinear_upsampling() -> None:
    """A single mask's loss at twice its size, worked out by the plain formulas."""
    torch.manual_seed(0)
    logits, targets = torch.randn(2, 1, 4, 4), torch.rand(2, 8, 8).round()
    larger = torch.nn.functional.interpolate(logits, size=(8, 8), mode="bilinear")
    truth = true_iou(larger[:, 0], targets)
    expected = mask_losses(larger, targets)[:, 0] + (0.3 - truth) ** 2
    found = sam_loss(logits, torch.full((2, 1), 0.3), targets)
    assert found.item() == pytest.approx(expected.mean().item(), rel=1e-6)


def test_gradients_by_finite_differences() -> None:
    torch.manual_seed(1)
    logits = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    targets = (torch.rand(2, 4, 4) > 0.5).double()
    assert torch.autograd.gradcheck(lambda x: mask_losses(x, targets), logits)
