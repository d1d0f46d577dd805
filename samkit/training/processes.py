"""One process or several under torchrun: the same training, each with its part of every batch."""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this is; alone by default.

    Gradients are averaged in one piece after the backward pass: every round of clicks goes backward
    on its own, which the usual wrapper for several processes does not allow for.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this one writes files and speaks."""
        return self.rank == 0

    def say(self, text: str) -> None:
        """Prints once, not once a process."""
        if self.is_first:
            print(text, flush=True)

    def shared(self, number: float) -> float:
        """The first process's number, for all."""
        if self.count == 1:
            return number
        value = torch.tensor([number], dtype=torch.float64, device=_device())
        dist.broadcast(value, src=0)
        return float(value)

    def wait(self) -> None:
        """Goes on when all have come here."""
        if self.count > 1:
            dist.barrier()

    def average_gradients(self, module: nn.Module) -> None:
        """Every gradient becomes the mean over processes; one that is missing counts as zero."""
        if self.count == 1:
            return
        trained = [p for p in module.parameters() if p.requires_grad]
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in trained if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.count
        torch._foreach_copy_(
            gradients,
            [
                part.view_as(g)
                for part, g in zip(
                    flat.split([g.numel() for g in gradients]), gradients, strict=True
                )
            ],
        )


ALONE = Processes()


def start_processes() -> Processes:
    """What torchrun has set up: gloo on CPU, nccl where there are GPUs; else this process alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return Processes(dist.get_rank(), dist.get_world_size())


def _device() -> str:
    return "cuda" if dist.get_backend() == "nccl" else "cpu"
