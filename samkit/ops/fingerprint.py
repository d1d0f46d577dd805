"""Weights told apart by what they are."""

import hashlib
from collections.abc import Mapping

import torch


def fingerprint(tensors: Mapping[str, torch.Tensor]) -> str:
    """Eight hexadecimal digits of the sha256 over names and values, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        raw = tensors[name].detach().cpu().contiguous().view(-1).view(torch.uint8)
        digest.update(raw.numpy().data)
    return digest.hexdigest()[:8]


def same_weights(name: str, other: str) -> bool:
    """Whether two models' names differ at most by dtype and library, which change their numbers but a little."""
    return _of_weights(name) == _of_weights(other)


def _of_weights(name: str) -> str:
    return name.rsplit("-", 2)[0] if name.endswith(("-open_clip", "-samkit")) else name
