"""Trainings that last: what is kept, and that a kill changes nothing."""

import csv
import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samkit import load_sam
from samkit.data import shapes
from samkit.sam.checkpoints import read_tensors
from samkit.training.data import Mixture
from samkit.training.finetune import choose_trained
from samkit.training.keep import averaged
from samkit.training.loop import Plan, start, train
from samkit.training.optimizer import Optimization
from samkit.training.state import load_state, save_state
from tests.training.small import scenes, small_feed, small_sam
from tests.training.worker import run

ROOT = Path(__file__).parents[2]


def plan(**changes: object) -> Plan:
    settings = {"steps": 4, "save_every": 2, "log_every": 1, "validate_every": 2, "workers": 0}
    return Plan(**(settings | changes), optimization=Optimization(1e-3, warmup=2))  # type: ignore[arg-type]


def columns(path: Path, name: str) -> list[float]:
    with path.open() as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def test_what_a_training_leaves(tmp_path: Path) -> None:
    sam = small_sam()
    before = {name: tensor.clone() for name, tensor in sam.state_dict().items()}
    found = train(sam, scenes(), small_feed(), plan(), tmp_path, {"shapes": shapes(3, 9, 64)})
    assert 0 <= found["mean"] <= 1 and set(found) > {"shapes/click", "shapes/box"}
    names = {"state.pt", "last.safetensors", "best.safetensors", "log.csv", "sheet.png"}
    assert names <= {path.name for path in tmp_path.iterdir()}
    assert columns(tmp_path / "log.csv", "step") == [1, 2, 3, 4]
    assert columns(tmp_path / "validation.csv", "step") == [0, 2, 4]
    saved = load_sam(tmp_path / "last.safetensors")
    assert saved.config == sam.config
    moved = [
        n for n, t in saved.state_dict().items() if not torch.equal(t, before[n].half().float())
    ]
    assert len(moved) > 100
    tensors = read_tensors(tmp_path / "best.safetensors")
    whole = [name for name, tensor in tensors.items() if tensor.dtype != torch.float16]
    assert whole == ["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]


def test_going_on_changes_nothing(tmp_path: Path) -> None:
    """Stopped by its data in the third step: bit for bit the weights of four steps in one go."""
    [source], seen = scenes().sources, []

    def runs_dry(rng: np.random.Generator) -> tuple[Any, Any]:
        seen.append(rng)
        if len(seen) > 5:
            raise OSError("the disk is gone")
        return source(rng)

    with pytest.raises(OSError, match="the disk is gone"):
        train(
            small_sam(),
            Mixture([runs_dry], [1.0], [False]),
            small_feed(),
            plan(),
            tmp_path / "a",
            {},
        )
    assert torch.load(tmp_path / "a/state.pt", weights_only=True)["step"] == 2
    resumed, whole = small_sam(), small_sam()
    train(resumed, scenes(), small_feed(), plan(), tmp_path / "a", {})
    train(whole, scenes(), small_feed(), plan(), tmp_path / "b", {})
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    assert columns(tmp_path / "a/log.csv", "loss") == columns(tmp_path / "b/log.csv", "loss")


def kill_when_saved(command: list[str], state: Path) -> None:
    """SIGKILL once a state is there and the training is beyond it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    deadline = time.monotonic() + 240
    while not state.is_file() and time.monotonic() < deadline:
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    time.sleep(0.3)
    assert process.poll() is None, "too quick to be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_killed_and_resumed_is_unbroken_bit_for_bit(tmp_path: Path) -> None:
    """Real processes; drop path, dropout, a cosine schedule and a moving average are all on."""
    steps = 40
    arguments = [sys.executable, "-m", "tests.training.worker", str(tmp_path / "killed")]
    kill_when_saved([*arguments, str(steps), "2", "0.2"], tmp_path / "killed/state.pt")
    cut = torch.load(tmp_path / "killed/state.pt", weights_only=True)["step"]
    assert 0 < cut < steps
    resumed = run(tmp_path / "killed", steps, 2, 0.2)
    unbroken = run(tmp_path / "whole", steps, 2, 0.2)
    states = [torch.load(tmp_path / n / "state.pt", weights_only=True) for n in ("killed", "whole")]
    for name, tensor in unbroken.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    for name, tensor in states[1]["average"].items():
        assert torch.equal(tensor, states[0]["average"][name]), name
    losses = [columns(tmp_path / name / "log.csv", "loss") for name in ("killed", "whole")]
    assert losses[0] == losses[1] and len(losses[0]) == steps


@pytest.mark.slow
def test_two_processes_agree_with_one_of_double_batch(tmp_path: Path) -> None:
    """torchrun with two gloo processes of two images, and one process of the same four.

    Gradients agree to 1e-4 of their norm, for sums are in another order. AdamW turns even noise
    around a gradient of zero, such as that of a key's bias, into steps of the whole rate: so 99 % of
    weights agree to 1e-5, and the two models' answers to 1e-3.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-port", "29731", "-m", "tests.training.worker"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*command, str(tmp_path / "two"), "3", "2", "0"], cwd=ROOT, env=environment, check=True
    )
    one, two = run(tmp_path / "one", 3, 4, 0.0), small_sam()
    state = torch.load(tmp_path / "two/state.pt", weights_only=True)
    assert state["step"] == 3
    two.load_state_dict(state["sam"])
    norms = [columns(tmp_path / name / "log.csv", "gradient") for name in ("one", "two")]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)
    flat = [
        torch.cat([tensor.flatten() for tensor in sam.state_dict().values()])
        for sam in (one, two, small_sam())
    ]
    assert ((flat[0] - flat[1]).abs() < 1e-5).float().mean() > 0.99
    assert ((flat[0] - flat[2]).abs() > 1e-4).float().mean() > 0.8  # they have moved
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    answers = [sam.eval().image_encoder(pixels) for sam in (one, two)]
    assert torch.allclose(*answers, atol=1e-3)


def test_accumulated_batches_count_as_one(tmp_path: Path) -> None:
    """Two batches a step: the step's gradient is that of both, and the next step takes the next two."""
    sam = small_sam()
    train(sam, scenes(), small_feed(), plan(steps=1, accumulate=2), tmp_path / "a", {})
    from samkit.training.data import make_batch
    from samkit.training.step import Loss, backward
    from tests.training.small import gradients

    again = small_sam()
    for step in range(2):
        backward(again, make_batch(scenes(), small_feed(), 0, step), Loss(), share=0.5)
    norm = sum(float(g.square().sum()) for g in gradients(again).values()) ** 0.5
    assert columns(tmp_path / "a/log.csv", "gradient") == [pytest.approx(norm, rel=1e-5)]


def test_other_settings_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(small_sam(), scenes(), small_feed(), plan(steps=2), tmp_path, {})
    train(small_sam(), scenes(), small_feed(), plan(steps=3), tmp_path, {})
    assert "other settings: steps was 2 and is 3" in capsys.readouterr().out
    assert columns(tmp_path / "log.csv", "step") == [1, 2, 3]


def test_a_budget_in_minutes(tmp_path: Path) -> None:
    sam = small_sam()
    train(sam, scenes(), small_feed(), plan(steps=None, minutes=0.02), tmp_path, {})
    seconds = columns(tmp_path / "log.csv", "seconds")
    assert 1.0 <= seconds[-1] < 20 and seconds == sorted(seconds)
    with pytest.raises(ValueError, match="steps or as minutes"):
        Plan()


def test_the_average_is_saved_and_the_last_state_goes_on(tmp_path: Path) -> None:
    state = start(small_sam(), plan(), small_feed())
    for tensor in state.average.values():
        tensor.fill_(0.5)
    assert (averaged(state).mask_decoder.iou_token.weight == 0.5).all()
    assert not (state.sam.mask_decoder.iou_token.weight == 0.5).any()
    state.step, state.best = 7, 0.3
    save_state(state, tmp_path / "state.pt")
    fresh = start(small_sam(1), plan(), small_feed())
    assert load_state(fresh, tmp_path / "state.pt") == []
    assert (fresh.step, fresh.best) == (7, 0.3)
    assert torch.equal(fresh.sam.image_encoder.pos_embed, state.sam.image_encoder.pos_embed)


def test_the_head_that_is_thrown_away_is_in_the_state_alone(tmp_path: Path) -> None:
    dense = dataclasses.replace(small_feed(), dense=True)
    train(small_sam(), scenes(), dense, plan(steps=2), tmp_path, {})
    whole, halves = start(small_sam(1), plan(), dense), start(small_sam(1), plan(), small_feed())
    before = [p.detach().clone() for p in whole.head.parameters()]
    load_state(whole, tmp_path / "state.pt")
    assert not any(map(torch.equal, before, whole.head.parameters()))
    with pytest.raises(ValueError, match="was made with dense targets"):
        load_state(halves, tmp_path / "state.pt")
    names = set(load_sam(tmp_path / "last.safetensors", "cpu").state_dict())
    assert names == set(small_sam().state_dict())


@pytest.mark.parametrize("which", ["decoder", pytest.param("low-rank", marks=pytest.mark.slow)])
def test_fine_tuning_goes_on_too(tmp_path: Path, which: str) -> None:
    """Low-rank matrices are in the state, and merged in the file that is saved."""
    if which == "low-rank":
        pytest.importorskip("peft")
    sam = choose_trained(small_sam(), which)  # type: ignore[arg-type]
    train(sam, scenes(), small_feed(), plan(steps=2), tmp_path, {"shapes": shapes(1, 9, 64)})
    again = choose_trained(small_sam(), which)  # type: ignore[arg-type]
    train(again, scenes(), small_feed(), plan(steps=3), tmp_path, {"shapes": shapes(1, 9, 64)})
    saved = load_sam(tmp_path / "last.safetensors").state_dict()
    assert saved.keys() == small_sam().state_dict().keys()
    name = "image_encoder.blocks.0.attn.qkv.weight"
    untouched = torch.equal(saved[name], small_sam().state_dict()[name].half().float())
    assert untouched == (which == "decoder")
