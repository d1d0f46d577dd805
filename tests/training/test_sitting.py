"""A training's budget, and where a killed one goes on."""

import time
from pathlib import Path

import pytest
import torch

from samkit.training.processes import Processes
from samkit.training.sitting import Sitting, descend, set_rates, warm_cosine


def sitting(folder: Path, weight: torch.nn.Linear, **settings: float | Processes) -> Sitting:
    return Sitting({"model": weight}, {"seed": 0}, folder / "state.pt", **settings)


def test_steps_are_made_once_however_often_it_is_killed(tmp_path: Path) -> None:
    whole = sitting(tmp_path, torch.nn.Linear(1, 1), steps=4, every=3)
    assert [(done, whole.step, whole.reports) for done in whole] == [
        (0.0, 1, False),
        (0.25, 2, False),
        (0.5, 3, True),
        (0.75, 4, True),
    ]
    assert list(whole) == [], "and no more"
    made, broken = [], tmp_path / "broken"
    broken.mkdir()
    for kill_at in (4, 5, None):
        weight = torch.nn.Linear(1, 1, bias=False)
        one = sitting(broken, weight, steps=6, every=2)
        if one.step:
            assert weight.weight.item() == one.step, "what was kept is that step's"
        for _ in one:
            if one.step == kill_at:
                break
            torch.nn.init.constant_(weight.weight, one.step)
            made.append(one.step)
    assert made == [1, 2, 3, 3, 4, 5, 6]
    with pytest.raises(ValueError, match="was begun with seed 0, not 1"):
        Sitting({"model": weight}, {"seed": 1}, broken / "state.pt", steps=6)


def test_minutes_are_of_steps_over_all_calls(tmp_path: Path) -> None:
    model = torch.nn.Linear(1, 1)
    first = sitting(tmp_path, model, minutes=0.05 / 60, every=1)
    for _ in first:
        time.sleep(0.03)
        if first.step == 2:
            break
    second = sitting(tmp_path, model, minutes=0.05 / 60)
    assert second.step == 1 and 0.03 <= second.seconds < 0.05
    for _ in second:
        time.sleep(0.03)
    assert second.step == 2 and second.seconds >= 0.05
    assert str(second) == "step 2, 0.0 min"


def test_of_several_processes_the_first_keeps(tmp_path: Path) -> None:
    for rank in (1, 0):
        one = sitting(tmp_path, torch.nn.Linear(1, 1), steps=2, processes=Processes(rank, 2))
        assert len(list(one)) == 2
        assert (tmp_path / "state.pt").exists() == (rank == 0)


def test_means_are_of_the_steps_since_the_last_report(tmp_path: Path) -> None:
    one = sitting(tmp_path, torch.nn.Linear(1, 1), steps=5, every=2)
    assert [one.means(one.step, -10.0 * one.step) for _ in one] == [
        [], [1.5, -15.0], [], [3.5, -35.0], [5.0, -50.0],
    ]  # fmt: skip


def test_a_step_goes_down_no_faster_than_it_may() -> None:
    weights = [torch.nn.Parameter(torch.zeros(2)) for _ in range(2)]
    both = [torch.optim.SGD([weight], lr) for weight, lr in zip(weights, (1.0, 2.0), strict=True)]
    for factor, most, moved in ((1.0, 100.0, 5.0), (0.5, 1.0, 0.5)):
        before = [weight.detach().clone() for weight in weights]
        weights[0].grad, weights[1].grad = torch.tensor([3.0, 4.0]), torch.zeros(2)
        descend(both, weights, factor, most)
        assert torch.dist(weights[0], before[0]).item() == pytest.approx(moved)
        assert torch.equal(weights[1], before[1]) and weights[0].grad is None


def test_without_a_budget_it_says_what_to_give(tmp_path: Path) -> None:
    for nothing in ({}, {"minutes": 0}, {"steps": 0}):
        with pytest.raises(ValueError, match="give a training its budget"):
            sitting(tmp_path, torch.nn.Linear(1, 1), **nothing)


def test_the_rate_rises_and_falls_to_nothing() -> None:
    factors = [warm_cosine(done / 100, warm=0.1) for done in range(101)]
    assert factors[0] == pytest.approx(0.01) and factors[-1] == pytest.approx(0)
    top = factors.index(max(factors))
    assert 9 <= top <= 10 and max(factors) > 0.97
    assert factors == sorted(factors[: top + 1]) + sorted(factors[top + 1 :], reverse=True)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([{"params": [weight], "lr": 4.0}], 1.0)
    for factor in (0.5, 0.25):
        set_rates(optimizer, factor)
        assert optimizer.param_groups[0]["lr"] == 4 * factor
