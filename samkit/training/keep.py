"""What a training keeps: the moving average of its weights, measured and written down."""

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from samkit.sam.checkpoints import cast, save_sam
from samkit.sam.model import Sam
from samkit.training.finetune import merged
from samkit.training.sheet import sheet
from samkit.training.state import State
from samkit.training.validate import validate
from samkit.types import Sample


def keep(
    state: State, folder: Path, validation: Mapping[str, Sequence[Sample]]
) -> dict[str, float]:
    """Measures the average of the weights, and keeps it in files; returns what was measured."""
    sam = averaged(state)
    found = validate(sam, validation)
    if validation:
        sheet(sam, validation).save(folder / "sheet.png")
    cast(sam, torch.float16)
    _replace(sam, folder / "last.safetensors")
    if found["mean"] > state.best:
        state.best = found["mean"]
        _replace(sam, folder / "best.safetensors")
    return found


@torch.no_grad()
def averaged(state: State) -> Sam:
    """A copy of the model with the moving average of its weights, plain and ready for use."""
    sam = copy.deepcopy(state.sam)
    for name, parameter in sam.named_parameters():
        if name in state.average:
            parameter.copy_(state.average[name])
    return merged(sam).eval()


def _replace(sam: Sam, path: Path) -> None:
    """A reader never meets half a file."""
    beside = path.with_name(f"new-{path.name}")
    save_sam(sam, beside)
    os.replace(beside, path)
