"""The simulated annotator clicks where it should."""

import math

import numpy as np
import pytest
import torch

from samkit.sam.prompt_encoder import (
    BACKGROUND,
    BOX_BOTTOM_RIGHT,
    BOX_TOP_LEFT,
    FOREGROUND,
    NOT_A_POINT,
)
from samkit.training.simulate import (
    FIRST_DRAWS,
    Simulation,
    clicking_rounds,
    first_prompts,
    next_points,
    noisy_boxes,
    random_pixels,
)


def rectangle(count: int = 1) -> torch.Tensor:
    """Columns 10 to 29 and rows 20 to 24 of a 64 x 48 picture."""
    masks = torch.zeros(count, 48, 64, dtype=torch.bool)
    masks[:, 20:25, 10:30] = True
    return masks


def test_a_pixel_is_the_one_at_that_place_of_its_region() -> None:
    masks = rectangle(5)
    masks[4] = False
    masks[4, 47, 63] = True
    xy = random_pixels(masks, torch.tensor([0.0, 0.0999999, 0.2, 0.9999999, 0.5]))
    # A hundred pixels, twenty a row: the first, the tenth, the first of the second row, the last.
    assert xy.tolist() == [[10, 20], [19, 20], [10, 21], [29, 24], [63, 47]]


def test_any_pixel_of_an_empty_region() -> None:
    xy = random_pixels(torch.zeros(2, 4, 8, dtype=torch.bool), torch.tensor([0.0, 0.99]))
    assert xy.tolist() == [[0, 0], [7, 3]]


def test_half_start_with_a_point_and_half_with_a_box() -> None:
    torch.manual_seed(0)
    xy, kinds = first_prompts(rectangle(1000), 0.5, torch.rand(1000, FIRST_DRAWS))
    is_box = kinds[:, 0] == BOX_TOP_LEFT
    assert 430 < is_box.sum() < 570
    assert (kinds[is_box] == torch.tensor([BOX_TOP_LEFT, BOX_BOTTOM_RIGHT])).all()
    assert (kinds[~is_box] == torch.tensor([FOREGROUND, NOT_A_POINT])).all()
    x, y = xy[~is_box, 0].long().T
    assert rectangle()[0][y, x].all()
    pixels = torch.bincount((y - 20) * 20 + x - 10, minlength=100)
    assert pixels.max() < 18  # five expected of each pixel


def test_a_box_by_hand() -> None:
    noise = torch.tensor([[[1.0, -1.0], [0.5, 100.0]]])
    # Corners (10, 20) and (29, 24), a tenth of the sides is 1.9 and .4, the last is cut at the edge.
    expected = [[11.9, 19.6], [29.95, 44.0]]
    assert noisy_boxes(rectangle(), noise)[0].tolist() == [pytest.approx(c) for c in expected]


def test_boxes_are_off_by_a_tenth_of_their_side_and_twenty_pixels_at_most() -> None:
    torch.manual_seed(0)
    boxes, _ = first_prompts(rectangle(4000), 1.0, torch.rand(4000, FIRST_DRAWS))
    assert (boxes[:, 0] <= boxes[:, 1]).all() and boxes.min() >= 0
    off = boxes - torch.tensor([[10.0, 20.0], [29.0, 24.0]])
    assert torch.allclose(off[..., 0].std(), torch.tensor(1.9), rtol=0.05)
    assert torch.allclose(off[..., 1].std(), torch.tensor(0.4), rtol=0.05)
    wide = torch.ones(2000, 2, 1000, dtype=torch.bool)
    assert (noisy_boxes(wide, torch.randn(2000, 2, 2))[:, 0, 0] <= 20).all()


def test_next_points_go_where_the_prediction_errs() -> None:
    torch.manual_seed(0)
    masks = rectangle(500)
    predicted = masks.float() * 2 - 1
    predicted[:250, 20:25, 10:15] = -1  # missed
    predicted[250:, 40:42, 50:60] = 1  # too much
    xy, kinds = next_points(predicted, masks, torch.rand(500))
    assert kinds[:250].eq(FOREGROUND).all() and kinds[250:].eq(BACKGROUND).all()
    assert (xy[:250, 0, 0] < 15).all() and (xy[250:, 0, 0] >= 50).all()


def test_the_papers_eleven_rounds() -> None:
    rng = np.random.default_rng(0)
    drawn = [clicking_rounds(Simulation(), rng) for _ in range(900)]
    assert Simulation().rounds == 11
    assert {len(clicks) for clicks in drawn} == {10} and {sum(clicks) for clicks in drawn} == {8}
    assert not any(clicks[-1] for clicks in drawn)
    places = np.bincount([clicks[:-1].index(False) for clicks in drawn], minlength=9)
    assert places.min() > 60  # a hundred expected at each of the nine places


@pytest.mark.parametrize(
    ("simulation", "clicks"),
    [
        (Simulation(corrections=2, extra_rounds=0), (True, True)),
        (Simulation(corrections=1, extra_rounds=1), (True, False)),
        (Simulation(corrections=2, extra_rounds=0, refine_share=1), (False, False)),
        (Simulation(corrections=0, extra_rounds=0), ()),
    ],
)
def test_fewer_rounds(simulation: Simulation, clicks: tuple[bool, ...]) -> None:
    assert clicking_rounds(simulation, np.random.default_rng(0)) == clicks
    assert simulation.rounds == 1 + len(clicks)


def test_a_share_of_corrections_is_made_without_a_click() -> None:
    rng = np.random.default_rng(0)
    how = Simulation(corrections=1, extra_rounds=0, refine_share=0.3)
    share = np.mean([not clicking_rounds(how, rng)[0] for _ in range(2000)])
    assert math.isclose(share, 0.3, abs_tol=0.05)


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="0, 1 or 2 extra_rounds"):
        Simulation(extra_rounds=3)
