"""The training's state in one file that is whole at every moment, and goes on exactly."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from samkit.sam.model import Sam
from samkit.training.dense import DenseHead


@dataclass
class State:
    """Where a training stands.

    step: steps done, which is the place in the data and the random state too: all that a step draws
    follows from seed and step. seconds: spent on training, of all runs together. average: moving
    average of the trained weights by name. best: highest validation mean so far.
    head: what is thrown away at the end.
    """

    sam: Sam
    optimizer: torch.optim.Optimizer
    average: dict[str, torch.Tensor]
    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    settings: dict[str, Any] = field(default_factory=dict)
    head: DenseHead | None = None


def save_state(state: State, path: Path) -> None:
    """Writes the state beside, then puts it in place: a kill leaves the old one or the new one."""
    content = {
        "sam": state.sam.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "average": state.average,
        "step": state.step,
        "seconds": state.seconds,
        "best": state.best,
        "settings": state.settings,
        "head": state.head.state_dict() if state.head else None,
    }
    write_whole(content, path)


def write_whole(content: Any, path: Path) -> None:
    """What torch.save writes, in place of the old file only once all of it is on the disk."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def save_parts(parts: Mapping[str, Any], told: Mapping[str, Any], path: Path) -> None:
    """Parts that have a `state_dict`, by name, and what is to be told when they come back: the step."""
    write_whole({"told": dict(told), **{n: part.state_dict() for n, part in parts.items()}}, path)


def load_parts(parts: Mapping[str, Any], same: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Fills the parts from what a killed call left; what it told, which is nothing without a file.

    same: what it told then and what holds now has to be equal; ValueError where it is not.
    """
    if not path.is_file():
        return {}
    content = torch.load(path, map_location="cpu", weights_only=True)
    if missing := [name for name in ("told", *parts) if name not in content]:
        raise ValueError(
            f"{path} has no {', '.join(missing)}: another recipe or version wrote it; give another --out"
        )
    told = dict(content["told"])
    for name, now in same.items():
        if told[name] != now:
            raise ValueError(
                f"{path.parent} was begun with {name} {told[name]}, not {now}; give another --out"
            )
    for name, part in parts.items():
        part.load_state_dict(content[name])
    print(f"going on after step {told['step']}")
    return told


def load_state(state: State, path: Path) -> list[str]:
    """Fills a fresh state from the file; returns, in words, the settings that are others now."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    before, now = content["settings"], state.settings
    differences = [
        f"{name} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if (state.head is None) != (content["head"] is None):
        raise ValueError(
            f"{path} was made {'without' if state.head else 'with'} dense targets; go on as it began, "
            "or start from its last.safetensors in another folder"
        )
    if state.head is not None:
        state.head.load_state_dict(content["head"])
    state.sam.load_state_dict(content["sam"], strict=True)
    state.optimizer.load_state_dict(content["optimizer"])
    for name, tensor in state.average.items():
        tensor.copy_(content["average"][name])
    state.step, state.seconds, state.best = content["step"], content["seconds"], content["best"]
    return differences
