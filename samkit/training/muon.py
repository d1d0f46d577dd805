"""The optimizers of a small convolutional network: momentum made orthogonal for its kernels, AdamW for the rest."""

from collections.abc import Iterable

import torch

BETAS = 0.9, 0.98  # of CLIP's training
# Of the polynomial that brings singular values towards 1, and how often it is applied.
QUINTIC, TIMES = (3.4445, -4.7750, 2.0315), 5
DECAY = 0.1
MOMENTUM = 0.95
LIKE_ADAMW = 0.2  # times the root of the longer side: the size of AdamW's steps


class Muon(torch.optim.Optimizer):
    """Kernels (O, I, h, w), each step's direction with singular values near 1 (K. Jordan et al., 2024).

    PyTorch's own takes matrices alone. lr: as AdamW has it.
    """

    def __init__(self, kernels: Iterable[torch.nn.Parameter], lr: float) -> None:
        super().__init__(kernels, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step; `closure` is of the base class, and is not called."""
        for group in self.param_groups:
            for kernel in group["params"]:
                if kernel.grad is None:
                    continue
                state = self.state[kernel]
                moved = state.setdefault("momentum", torch.zeros_like(kernel))
                moved.mul_(MOMENTUM).add_(kernel.grad)
                direction = orthogonal((kernel.grad + MOMENTUM * moved).flatten(1))
                size = LIKE_ADAMW * max(direction.shape) ** 0.5
                kernel.mul_(1 - group["lr"] * DECAY)
                kernel.add_(direction.view(kernel.shape), alpha=-group["lr"] * size)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The matrix (O, I) with its singular values brought near 1, between .7 and 1.2 or so.

    A polynomial in the matrix times its transpose, from the left, TIMES over: all of them commute, so their
    product is made first, in squares of the shorter side, and meets the matrix once.
    """
    a, b, c = QUINTIC
    x: torch.Tensor = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    one = torch.eye(len(x), dtype=x.dtype, device=x.device)
    square, product = x @ x.T, one
    for _ in range(TIMES):
        once = a * one + b * square + c * square @ square
        product, square = once @ product, once @ square @ once
    x = product @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def optimizers(learned: torch.nn.Module, learning_rate: float) -> tuple[Muon, torch.optim.AdamW]:
    """Muon for kernels of several channels, AdamW for the rest, of which biases, norms and scales do not decay."""
    trained = [p for p in learned.parameters() if p.requires_grad]
    kernels = [p for p in trained if p.ndim == 4 and p.shape[1] > 4]
    rest = [p for p in trained if p.ndim != 4 or p.shape[1] <= 4]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": DECAY},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return Muon(kernels, learning_rate), torch.optim.AdamW(groups, learning_rate, betas=BETAS)
