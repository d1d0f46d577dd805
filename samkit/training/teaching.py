"""The steps in which a `MaskRefiner` learns, to mend masks or to look for phrases."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from samkit.sam.mask_refiner import MaskRefiner
from samkit.training.loop import DTYPES
from samkit.training.muon import optimizers
from samkit.training.processes import Processes
from samkit.training.redrawing import Shown, refiner_loss
from samkit.training.sitting import Sitting, descend, warm_cosine

Squares = Callable[[int], tuple[Shown, torch.Tensor | None]]


def teach(
    refiner: MaskRefiner,
    squares: Squares,
    judged: Callable[[], str],
    same: Mapping[str, Any],
    path: Path,
    budget: tuple[int | None, float | None, int, Processes],
    learning_rate: float,
    precision: str,
) -> None:
    """Goes on until the budget is spent; the first process says how well it does by now.

    refiner: where it is to learn. squares: what is shown in a step, and told. judged: asked at each report.
    same, path, budget: of `Sitting`. precision: a name of `DTYPES`; any but float32 by autocast.
    """
    refiner.requires_grad_(True).train().to(memory_format=torch.channels_last)
    both, processes = optimizers(refiner, learning_rate), budget[-1]
    parts = {"refiner": refiner, "kernels": both[0], "others": both[1]}
    lower = precision != "float32"
    autocast = torch.autocast(refiner.device.type, DTYPES[precision], enabled=lower)
    sitting = Sitting(parts, same, path, *budget)
    for done in sitting:
        some, words = squares(sitting.step)
        with autocast:
            logits, guessed = refiner(some.pictures, some.masks, words)
        loss = refiner_loss(logits.float(), guessed, some)
        loss.backward()
        processes.average_gradients(refiner)
        descend(both, refiner.parameters(), warm_cosine(done), 1.0)
        means = sitting.means(loss.item())
        if means and processes.is_first:
            print(f"{sitting}: loss {means[0]:.3f}; {judged()}", flush=True)
