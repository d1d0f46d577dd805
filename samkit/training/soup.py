"""The mean of several trainings' weights: a model soup (Wortsman et al., 2022)."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def mean_of(models: Sequence[Model]) -> Model:
    """A model with the mean of some models' weights; worth trying where one began as another.

    What batch norms have measured is of no use afterwards: see `measure_norms`. Raises ValueError for no
    models, and for tensors of other names or shapes.
    """
    if not models:
        raise ValueError("the mean of no model is none: give some")
    states = [model.state_dict() for model in models]
    shapes = [{name: tuple(t.shape) for name, t in state.items()} for state in states]
    for number, these in enumerate(shapes):
        other = [n for n in {**these, **shapes[0]} if these.get(n) != shapes[0].get(n)]
        if other:
            raise ValueError(
                f"model {number} has {other[0]} of shape {these.get(other[0])}, the first one of "
                f"{shapes[0].get(other[0])}; a mean is of models of one shape"
            )
    mean = {
        name: torch.stack([state[name].float() for state in states]).mean(dim=0).to(first.dtype)
        for name, first in states[0].items()
    }
    soup = copy.deepcopy(models[0])
    soup.load_state_dict(mean)
    return soup


@torch.no_grad()
def blend_back(
    weights: Sequence[torch.Tensor], began: Sequence[torch.Tensor], learned: float
) -> None:
    """Makes weights, in place, the mean of what they are (a share of `learned`) and what they began as."""
    for tensor, before in zip(weights, began, strict=True):
        tensor.lerp_(before, 1 - learned)


@torch.no_grad()
def measure_norms(model: nn.Module, given: Iterable[tuple[Any, ...]]) -> None:
    """Means and variances of batch norms, in place, as the mean over batches of what the model is given.

    As `torch.optim.swa_utils.update_bn` does for models of one input; these may have several.
    """
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    before, was = [norm.momentum for norm in norms], model.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean
    model.train()
    for some in given:
        model(*some)
    model.train(was)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
