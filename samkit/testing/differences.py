"""Where two records differ, told in words."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from samkit.types import Masks, Prompts

# Logits and embeddings come out of many layers; they are held to a tenth of the precision.
DEEP = ("logits", "embeddings", "tensors")


def difference(a: Any, b: Any, tolerance: float = 0.0, name: str = "value") -> str | None:
    """The first difference between two nested values by its name, or None where they are equal.

    tolerance: how far floats may be apart, as a share of the array's largest magnitude, or of 1
        where that is larger (ten times that for logits and embeddings); NaN equals NaN. With 0
        values are compared bit for bit. With more, run lengths are left to `pixels_apart`.
    """
    if a is b:
        return None
    if type(a) is not type(b):
        return f"{name} is {type(a).__name__} and {type(b).__name__}"
    if isinstance(a, torch.Tensor):
        a, b = (t.detach().cpu().float() if t.is_floating_point() else t.cpu() for t in (a, b))
        return _array_difference(a.numpy(), b.numpy(), tolerance, name)
    if isinstance(a, np.ndarray | float):
        return _array_difference(np.asarray(a), np.asarray(b), tolerance, name)
    parts = _parts(a), _parts(b)
    if None in parts:
        return None if a == b else f"{name} is {a!r} and {b!r}"
    ours, theirs = (part or {} for part in parts)
    if list(ours) != list(theirs):
        return f"{name} has {list(ours)} and {list(theirs)}"
    for key in ours:
        if tolerance and isinstance(a, Masks) and key == "run_lengths":
            continue
        deep = key in DEEP or (isinstance(a, Prompts) and key == "masks")
        path = f"{name}[{key}]" if isinstance(key, int) else f"{name}.{key}"
        found = difference(ours[key], theirs[key], tolerance * (10 if deep else 1), path)
        if found is not None:
            return found
    return None


def pixels_apart(a: Masks | None, b: Masks | None) -> tuple[int, int]:
    """How many full-size pixels differ between equally many masks, and how many there are."""
    if a is None or b is None:
        return 0, 0
    ours, theirs = a.binary(), b.binary()
    return int((ours != theirs).sum()), ours.size


def _parts(value: Any) -> dict[Any, Any] | None:
    """What a record, dict, list or tuple consists of, by name or place."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return dict(enumerate(value))
    return vars(value) if hasattr(value, "__dict__") and not callable(value) else None


def _array_difference(
    a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], tolerance: float, name: str
) -> str | None:
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{name} is {a.shape} {a.dtype} and {b.shape} {b.dtype}"
    if a.dtype.kind != "f":
        return None if np.array_equal(a, b) else f"{name} differs"
    if np.array_equal(a, b, equal_nan=True):
        return None
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return f"{name} is finite in different places"
    both = np.isfinite(a)
    apart = float(np.abs(a[both] - b[both]).max(initial=0))
    allowed = tolerance * max(1.0, float(np.abs(a[both]).max(initial=0)))
    return None if apart <= allowed and apart else f"{name} differs by {apart:.3g}"
