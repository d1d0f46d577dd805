"""The recipe that teaches a mask refiner, run on next to nothing."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
import typer

from samkit import Masks, load_sam
from samkit.clip import load_clip
from samkit.sam.mask_refiner import MaskRefiner, load_mask_refiner, save_mask_refiner
from samkit.training import collect_found
from samkit.training.found import Example, Pictures
from samkit.training.processes import Processes
from samkit.training.redrawing import Shown

RECIPE = Path(__file__).parents[2] / "recipes/train_mask_refiner.py"
SMALL = {"pictures": 3, "objects": 3, "batch": 4, "save_every": 1, "side": 32, "device": "cpu"}


def recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_mask_refiner", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_killed_between_it_ends_as_in_one_go(tmp_path: Path, capsys, monkeypatch) -> None:
    recipe().main(steps=3, out=tmp_path / "whole", **SMALL)
    printed = capsys.readouterr().out
    assert printed.count("masks in pictures kept back") == 3 and "step 3" in printed
    broken, calls = recipe(), []
    loss = broken.refiner_loss

    def stops(*args: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return loss(*args)

    monkeypatch.setattr(broken, "refiner_loss", stops)
    with pytest.raises(KeyboardInterrupt):
        broken.main(steps=3, out=tmp_path / "broken", **SMALL)
    (tmp_path / "broken/found/000002.npz").unlink()  # a picture it had not asked about when killed
    recipe().main(steps=3, out=tmp_path / "broken", **SMALL)
    assert "going on after step 1" in capsys.readouterr().out
    whole, broken = (tmp_path / n / "mask_refiner.safetensors" for n in ("whole", "broken"))
    assert whole.read_bytes() == broken.read_bytes()
    found = load_mask_refiner(whole)
    assert found.side == 32 and found.sam_name == load_sam("tiny", "cpu").name
    recipe().main(steps=1, start=str(whole), out=tmp_path / "on", **SMALL)
    assert load_mask_refiner(tmp_path / "on/mask_refiner.safetensors").name != found.name
    with pytest.raises(ValueError, match="Write to another folder"):
        recipe().main(steps=1, out=tmp_path / "on", **{**SMALL, "objects": 2})


def test_taught_phrases_it_reads_that_clip_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = load_clip("tiny")
    module, captions, more = recipe(), [], []

    def counted(*args: object) -> Shown:
        some = shown(*args)
        captions.append(some.captions)
        return some

    def grown(one: Example, masks: Masks) -> Example:
        after = with_found(one, masks)
        more.append(len(after.found) - len(one.found))
        return after

    shown, module.shown = module.shown, counted
    with_found = collect_found.with_found
    monkeypatch.setattr(collect_found, "with_found", grown)
    module.main(
        steps=2, clip="tiny", prompt="tiny", out=tmp_path / "told", **{**SMALL, "batch": 20}
    )
    assert captions == [2, 2], "of a batch of 20, two captions with 8 masks each"
    assert len(more) == 3 and sum(more) > 3, "what the text prompt found in three pictures"
    told = load_mask_refiner(tmp_path / "told/mask_refiner.safetensors")
    assert told.text_width == clip.width and told.reads(clip.texts_name)
    assert any(part.change.weight.any() for part in told.told_down), "it has learned of captions"
    for start, pair in (("tiny", None), (str(tmp_path / "none.safetensors"), "tiny")):
        save_mask_refiner(MaskRefiner(32), tmp_path / "none.safetensors")
        with pytest.raises(typer.BadParameter, match="--clip is to be that"):
            recipe().main(steps=1, start=start, clip=pair, out=tmp_path / "on", **SMALL)
    with pytest.raises(typer.BadParameter, match="give the --clip that it reads"):
        recipe().main(steps=1, prompt="tiny", out=tmp_path / "on", **SMALL)
    assert not (tmp_path / "on/found").exists(), "said before the SAM is asked"


def test_one_that_is_gone_on_from_is_widened(tmp_path: Path) -> None:
    recipe().main(steps=1, out=tmp_path / "first", widths="4,8,8,8,8", **SMALL)
    first = tmp_path / "first/mask_refiner.safetensors"
    settings = {"start": str(first), "widths": "4,8,12,16,16", "out": tmp_path / "on", **SMALL}
    recipe().main(steps=1, **settings)
    wide = load_mask_refiner(tmp_path / "on/mask_refiner.safetensors")
    assert wide.widths == (4, 8, 12, 16, 16)
    with pytest.raises(ValueError, match="not as many or more"):
        recipe().main(steps=1, **{**settings, "widths": "4,8,12,16"})


def test_lower_precision_takes_nearly_the_same_step(tmp_path: Path, capsys) -> None:
    losses = []
    for precision in ("float32", "bfloat16"):
        recipe().main(steps=1, out=tmp_path / precision, precision=precision, **SMALL)
        losses.append(float(capsys.readouterr().out.split("loss ")[1].split(";")[0]))
    assert losses[1] == pytest.approx(losses[0], abs=0.05)
    one, other = (
        load_mask_refiner(tmp_path / n / "mask_refiner.safetensors")
        for n in ("float32", "bfloat16")
    )
    assert one.name != other.name and other.draw.weight.dtype == torch.float32


@pytest.mark.parametrize("rank", [0, 1])
def test_the_first_process_writes_how_pictures_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    written, made = [], {"seed": 0}
    monkeypatch.setattr(
        Processes, "wait", lambda self: written.append((tmp_path / "made.json").exists())
    )
    sam, draw = load_sam("tiny", "cpu"), Pictures(["shapes"], 256, 2, 1.0, 0, False)
    collect_found.collect_found(sam, draw, 0, tmp_path, made, processes=Processes(rank, 2))
    assert written[0] == (rank == 0), "the others wait before they look"
    assert len(written) == 2, "and all wait until every picture is there"


@pytest.mark.slow
def test_two_processes_share_the_asking_and_the_squares(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-port", "29732", "--", str(RECIPE), "--steps", "2", "--out", str(tmp_path)]
    for name, value in SMALL.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.count("masks in pictures kept back") == 2, "said by one of them"
    assert len(list((tmp_path / "found").glob("*.npz"))) == SMALL["pictures"]
    assert torch.load(tmp_path / "state.pt", weights_only=True)["told"]["step"] == 2
    together = load_mask_refiner(tmp_path / "mask_refiner.safetensors")
    (tmp_path / "state.pt").unlink()
    recipe().main(steps=2, out=tmp_path, **SMALL)
    assert load_mask_refiner(tmp_path / "mask_refiner.safetensors").name != together.name


def test_the_mean_of_two_sittings(tmp_path: Path, capsys) -> None:
    for number in (1, 2):
        recipe().main(steps=number, out=tmp_path / str(number), **SMALL)
    files = [str(tmp_path / name / "mask_refiner.safetensors") for name in "12"]
    capsys.readouterr()
    recipe().main(mean=files, out=tmp_path / "mean", **SMALL)
    assert "masks in pictures kept back" in capsys.readouterr().out
    first, second, mean = map(
        load_mask_refiner, [*files, tmp_path / "mean/mask_refiner.safetensors"]
    )
    between = (first.draw.weight + second.draw.weight) / 2
    torch.testing.assert_close(mean.draw.weight, between, atol=1e-3, rtol=0)
    assert len({first.name, second.name, mean.name}) == 3
