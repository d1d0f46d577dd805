"""The steps in which a small convolutional network learns: to mend masks, or to look for phrases."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from samkit.training.loop import DTYPES
from samkit.training.muon import optimizers
from samkit.training.processes import Processes
from samkit.training.sitting import Sitting, descend, warm_cosine


def teach(
    network: nn.Module,
    loss: Callable[[int, float], torch.Tensor],
    judged: Callable[[], str],
    same: Mapping[str, Any],
    path: Path,
    budget: tuple[int | None, float | None, int, Processes],
    learning_rate: float,
    precision: str,
) -> None:
    """Goes on until the budget is spent; the first process says how well it does by now.

    network: where it is to learn. loss: of a step, by its number and the share of the budget that is spent.
    judged: asked at each report. same, path, budget: of `Sitting`. precision: a name of `DTYPES`; any but
    float32 by autocast, the loss too.
    """
    network.requires_grad_(True).train().to(memory_format=torch.channels_last)
    both, processes = optimizers(network, learning_rate), budget[-1]
    parts = {"network": network, "kernels": both[0], "others": both[1]}
    device = next(network.parameters()).device.type
    autocast = torch.autocast(device, DTYPES[precision], enabled=precision != "float32")
    sitting = Sitting(parts, same, path, *budget)
    for done in sitting:
        with autocast:
            value = loss(sitting.step, done)
        value.backward()
        processes.average_gradients(network)
        descend(both, network.parameters(), warm_cosine(done), 1.0)
        means = sitting.means(value.item())
        if means and processes.is_first:
            print(f"{sitting}: loss {means[0]:.3f}; {judged()}", flush=True)
