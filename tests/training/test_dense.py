"""What every cell teaches: targets by hand, and a loss that falls where it should."""

import numpy as np
import pytest
import torch

from samkit.training.dense import (
    INSIDE,
    KNOWN,
    OUTLINE,
    PART,
    START,
    WHOLE,
    DenseHead,
    dense_loss,
    dense_targets,
)


def squares() -> np.ndarray:
    """A square of columns and rows 4..11, and a part of it at 8..11, in 16 pixels."""
    masks = np.zeros((2, 16, 16), dtype=bool)
    masks[0, 4:12, 4:12] = True
    masks[1, 8:12, 8:12] = True
    return masks[::-1]  # the order does not matter: the smallest wins


def test_reaches_are_measured_from_the_middle_of_a_cell_to_the_edges_of_the_object() -> None:
    targets = dense_targets(squares(), 4, complete=True)
    assert targets[INSIDE].tolist() == [[0] * 4, [0, 1, 1, 0], [0, 1, 1, 0], [0] * 4]
    # The cell at columns and rows 8..11 has its middle at 9.5; edges lie at 4 - .5 and 11 + .5.
    assert targets[WHOLE][:, 2, 2].tolist() == [6, 6, 2, 2]
    assert targets[PART][:, 2, 2].tolist() == [2, 2, 2, 2]
    assert targets[PART][:, 1, 1].tolist() == targets[WHOLE][:, 1, 1].tolist() == [2, 2, 6, 6]


def test_outlines_are_where_two_neighbours_differ() -> None:
    targets = dense_targets(squares(), 4, complete=True)
    # Something begins or ends at rows and columns 4, 8 and 12, but not beyond the corner at 12.
    expected = [[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 0]]
    assert targets[OUTLINE].tolist() == expected


def test_without_every_mask_a_bare_place_is_unknown() -> None:
    masks = np.zeros((1, 16, 16), dtype=bool)
    masks[0, :8, :8] = True
    assert dense_targets(masks, 4, complete=True)[KNOWN].all()
    known = dense_targets(masks, 4, complete=False)[KNOWN]
    assert known[:2, :2].all()
    assert known[3].tolist() == [0, 0, 0, 0]


def test_a_picture_without_masks_teaches_nothing_or_emptiness() -> None:
    masks = np.zeros((0, 16, 16), dtype=bool)
    for complete in (True, False):
        targets = torch.from_numpy(dense_targets(masks, 4, complete))[None]
        predicted = torch.zeros(1, 9, 4, 4, requires_grad=True)
        loss = dense_loss(predicted, targets)
        loss.backward()
        assert predicted.grad is not None
        assert torch.isfinite(loss)
        assert bool(predicted.grad[:, OUTLINE].any()) == complete
        assert not predicted.grad[:, :OUTLINE].any()


def test_the_loss_of_a_right_answer_is_nil_and_of_a_wrong_one_the_overlap() -> None:
    targets = torch.from_numpy(dense_targets(squares(), 4, complete=True))[None]
    right = torch.zeros(1, 9, 4, 4)
    right[:, :8] = (targets[:, :8].clamp(min=0.1) / START).log()
    right[:, OUTLINE] = 40 * (targets[:, OUTLINE] - 0.5)
    assert dense_loss(right, targets) < 1e-6
    wide = right.clone()
    wide[:, :8] += np.log(2)  # twice as far in every direction: a quarter of the area overlaps
    assert dense_loss(wide, targets).item() == pytest.approx(0.5 * np.log(4), rel=1e-5)
    blind = right.clone()
    blind[:, OUTLINE] = 0
    rare = float((1 + 2 * targets[:, OUTLINE]).mean())
    assert dense_loss(blind, targets).item() == pytest.approx(2 * rare * np.log(2), rel=1e-5)


def test_the_head_answers_as_finely_as_the_low_resolution_logits() -> None:
    assert DenseHead(8)(torch.zeros(2, 8, 3, 3)).shape == (2, 9, 12, 12)
