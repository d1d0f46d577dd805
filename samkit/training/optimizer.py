"""AdamW with a rate for every layer, its schedule, and the average of the weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from samkit.sam.model import Sam


@dataclass(frozen=True)
class Optimization:
    """How weights move. Defaults suit a small SAM; the paper's are in docs/training.md.

    learning_rate: at its highest. weight_decay: of matrices and kernels; biases, norms, tokens and
        positions have none. layer_decay: each encoder block's rate as a multiple of the next one's.
    warmup: steps of linear rise. schedule: "cosine" holds the rate until `hold` of the whole is done,
        then falls to `final` of it; "step" divides it by 10 after 2/3 and 26/27, as the paper;
        "constant" keeps it.
    clip: largest norm of a gradient. average: share of the old in the moving average that is saved.
    """

    learning_rate: float = 5e-4
    weight_decay: float = 0.05
    layer_decay: float = 1.0
    warmup: int = 100
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    hold: float = 0.3
    final: float = 0.02
    clip: float = 1.0
    average: float = 0.99


def factor(how: Optimization, step: int, progress: float) -> float:
    """What the rate is multiplied by at a step, of which `progress` (0 to 1) of all is done."""
    rise = min(1.0, (step + 1) / max(1, how.warmup))
    if how.schedule == "constant":
        return rise
    if how.schedule == "step":
        return rise * 0.1 ** ((progress >= 2 / 3) + (progress >= 26 / 27))
    falling = min(1.0, max(0.0, progress - how.hold) / max(1e-9, 1 - how.hold))
    return rise * (how.final + (1 - how.final) * 0.5 * (1 + math.cos(math.pi * falling)))


def parameter_groups(
    sam: Sam, how: Optimization, head: nn.Module | None = None
) -> list[dict[str, object]]:
    """Trained parameters by layer and by whether they decay; `scale` is the layer's rate.

    head: what is trained beside the model, as its last layer.
    """
    depth = sam.config.depth
    groups: dict[tuple[int, bool], list[torch.nn.Parameter]] = {}
    beside = head.named_parameters("head") if head else ()
    for name, parameter in (*sam.named_parameters(), *beside):
        if parameter.requires_grad:
            groups.setdefault((layer_of(name, depth), _decays(name, parameter)), []).append(
                parameter
            )
    return [
        {
            "params": parameters,
            "weight_decay": how.weight_decay if decays else 0.0,
            "scale": how.layer_decay ** (depth + 1 - layer),
        }
        for (layer, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def layer_of(name: str, depth: int) -> int:
    """0 for patch and position embedding, i + 1 for block i, depth + 1 for neck and decoder."""
    if not name.startswith("image_encoder."):
        return depth + 1
    part = name.split(".")
    if part[1] == "blocks":
        return int(part[2]) + 1
    return 0 if part[1] in ("patch_embed", "pos_embed") else depth + 1


def make_optimizer(sam: Sam, how: Optimization, head: nn.Module | None = None) -> torch.optim.AdamW:
    """AdamW, betas .9 and .999, over what is trained."""
    groups = parameter_groups(sam, how, head)
    return torch.optim.AdamW(groups, lr=how.learning_rate, betas=(0.9, 0.999))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The step's rate for every group, times its layer's `scale`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]


@torch.no_grad()
def update_average(average: Mapping[str, torch.Tensor], sam: Sam, old: float, step: int) -> None:
    """Moves the average towards the weights; over the first steps it is their plain mean."""
    weight = 1 - min(old, (step + 1) / (step + 10))
    new = dict(sam.named_parameters())
    torch._foreach_lerp_(list(average.values()), [new[name].data for name in average], weight)


# Tables and tokens of which a step touches a few, or which are places: drawn to zero they would fade.
_FREE = (
    "pos_embed",
    "rel_pos",
    "point_embed",
    "not_a_point",
    "no_mask",
    "iou_token.",
    "mask_tokens.",
)


def _decays(name: str, parameter: torch.nn.Parameter) -> bool:
    return parameter.ndim > 1 and not any(part in name for part in _FREE)
