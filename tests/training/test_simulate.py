"""The simulated annotator clicks where it should."""

import torch

from samkit.sam.prompt_encoder import (
    BACKGROUND,
    BOX_BOTTOM_RIGHT,
    BOX_TOP_LEFT,
    FOREGROUND,
    NOT_A_POINT,
)
from samkit.training.simulate import first_prompts, next_points, noisy_boxes, random_pixels


def rectangle(count: int = 1) -> torch.Tensor:
    """Columns 10 to 29 and rows 20 to 24 of a 64 x 48 picture."""
    masks = torch.zeros(count, 48, 64, dtype=torch.bool)
    masks[:, 20:25, 10:30] = True
    return masks


def test_random_pixels_are_drawn_evenly_from_the_region() -> None:
    torch.manual_seed(0)
    xy = random_pixels(rectangle(20_000))
    assert xy[:, 0].min() == 10 and xy[:, 0].max() == 29
    assert xy[:, 1].min() == 20 and xy[:, 1].max() == 24
    counts = torch.bincount((xy[:, 1] - 20) * 20 + xy[:, 0] - 10, minlength=100)
    assert counts.min() > 130 and counts.max() < 280  # 200 expected, five deviations


def test_half_start_with_a_point_and_half_with_a_box() -> None:
    torch.manual_seed(0)
    xy, kinds = first_prompts(rectangle(1000), box_share=0.5)
    is_box = kinds[:, 0] == BOX_TOP_LEFT
    assert 430 < is_box.sum() < 570
    assert (kinds[is_box] == torch.tensor([BOX_TOP_LEFT, BOX_BOTTOM_RIGHT])).all()
    assert (kinds[~is_box] == torch.tensor([FOREGROUND, NOT_A_POINT])).all()
    x, y = xy[~is_box, 0].long().T
    assert rectangle()[0][y, x].all()


def test_boxes_are_off_by_a_tenth_of_their_side_and_twenty_pixels_at_most() -> None:
    torch.manual_seed(0)
    boxes = noisy_boxes(rectangle(4000))
    assert (boxes[:, 0] <= boxes[:, 1]).all() and boxes.min() >= 0
    off = boxes - torch.tensor([[10.0, 20.0], [29.0, 24.0]])
    assert torch.allclose(off[..., 0].std(), torch.tensor(1.9), rtol=0.1)
    assert torch.allclose(off[..., 1].std(), torch.tensor(0.4), rtol=0.1)
    wide = torch.ones(2000, 2, 1000, dtype=torch.bool)
    assert (noisy_boxes(wide)[:, 0, 0] <= 20).all()


def test_next_points_go_where_the_prediction_errs() -> None:
    torch.manual_seed(0)
    masks = rectangle(500)
    predicted = masks.float() * 2 - 1
    predicted[:250, 20:25, 10:15] = -1  # missed
    predicted[250:, 40:42, 50:60] = 1  # too much
    xy, kinds = next_points(predicted, masks)
    assert kinds[:250].eq(FOREGROUND).all() and kinds[250:].eq(BACKGROUND).all()
    assert (xy[:250, 0, 0] < 15).all() and (xy[250:, 0, 0] >= 50).all()
