"""What a training changed in a module, kept small: thin matrices whose product is nearly the change.

A fine-tuned matrix mostly differs from what it was by one of low rank (E. Hu et al., LoRA, 2022), so the
best approximation of the difference (its singular value decomposition, cut) says nearly all of it.
"""

import copy
from collections.abc import Mapping

import torch
from torch import nn

Tensors = dict[str, torch.Tensor]
LEFT, RIGHT, WHOLE = ".left", ".right", ".change"


def low_rank_change(before: nn.Module, after: nn.Module, rank: int = 16) -> Tensors:
    """What turns `before` into `after`, for `with_change`; both have the same parameters by name.

    rank: of the thin matrices. What they would not make smaller is kept whole, such as biases; 0
    keeps all whole.
    """
    old, kept = before.state_dict(), {}
    for name, new in after.state_dict().items():
        change = (new.detach() - old[name].to(new.device)).float().cpu()
        matrix = _matrix(change)
        if rank and rank * sum(matrix.shape) < matrix.numel():
            u, s, v = torch.linalg.svd(matrix, full_matrices=False)
            root = s[:rank].sqrt()
            kept[name + LEFT] = u[:, :rank] * root
            kept[name + RIGHT] = root[:, None] * v[:rank]
        else:
            kept[name + WHOLE] = change
    return kept


def with_change(module: nn.Module, change: Mapping[str, torch.Tensor]) -> nn.Module:
    """A copy of the module with the change added.

    Raises KeyError or RuntimeError for the change of another module.
    """
    changed = copy.deepcopy(module)
    tensors = changed.state_dict()
    for name, kept in change.items():
        if name.endswith(RIGHT):
            continue
        one = tensors[name.removesuffix(LEFT).removesuffix(WHOLE)]
        if name.endswith(LEFT):
            kept = kept @ change[name.removesuffix(LEFT) + RIGHT]
        one += kept.reshape(one.shape).to(one.device, one.dtype)
    return changed


def _matrix(tensor: torch.Tensor) -> torch.Tensor:
    """Two dimensions of any number: outputs by inputs, and of position embeddings places by channels."""
    if tensor.dim() < 2:
        return tensor.reshape(-1, 1)
    return tensor.reshape(-1, tensor.shape[-1]) if len(tensor) == 1 else tensor.flatten(1)
