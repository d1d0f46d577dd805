"""What the fields of `Prompts` may hold: each is made clean, or refused with expected and actual."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.ops.boxes import FARTHEST
from samkit.ops.short import short

Floats = NDArray[np.float32]


def each(values: Any, clean: Callable[[Any], Any], name: str) -> tuple[Any, ...] | None:
    """The field's value for every prompt, made clean. Raises ValueError that says which is not."""
    if values is None:
        return None
    if isinstance(values, str | bytes) or not np.iterable(values):
        raise ValueError(f"{name} hold one entry per prompt, got {short(values)}")
    cleaned = []
    for number, value in enumerate(values):
        try:
            cleaned.append(clean(value))
        except ValueError as error:
            raise ValueError(f"prompt {number}: {error}") from error
    return tuple(cleaned)


def points_field(values: Any) -> tuple[Floats, ...] | None:
    """Per prompt (P, 2) float32 pixels."""
    prompts = each(values, _xy, "points")
    if prompts:
        # All at once: a grid has thousands of prompts of one point.
        flat = np.concatenate(prompts)
        bad = ~(np.abs(flat) <= FARTHEST).all(axis=1)
        if bad.any():
            which = np.repeat(np.arange(len(prompts)), [len(xy) for xy in prompts])[bad][0]
            told = f"finite numbers, at most {FARTHEST:.0f} from 0, got {flat[bad].tolist()}"
            raise ValueError(f"prompt {which}: points must be {told}")
    return None if prompts is None else tuple(xy.astype(np.float32) for xy in prompts)


def labels_field(values: Any) -> tuple[NDArray[np.int64], ...] | None:
    """Per prompt (P,) int64 of 0 and 1."""
    prompts = each(values, _labels, "labels")
    if prompts:
        flat = np.concatenate(prompts)
        wrong = flat[(flat != 0) & (flat != 1)]
        if len(wrong):
            raise ValueError(
                f"labels are 1 (foreground) or 0 (background), got {short(wrong.tolist())}"
            )
    return None if prompts is None else tuple(labels.astype(np.int64) for labels in prompts)


def boxes_field(value: Any) -> Floats | None:
    """(N, 4) float32 xyxy pixels, rows of NaN where there is no box."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        value = [[np.nan] * 4 if box is None else box for box in value]
    boxes = real_numbers(value, "boxes")
    if boxes.size == 0:
        boxes = boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes have shape (N, 4), got {boxes.shape}")
    bad = ~((np.abs(boxes) <= FARTHEST).all(axis=1) | np.isnan(boxes).all(axis=1))
    if bad.any():
        told = f"finite numbers, at most {FARTHEST:.0f} from 0, got {boxes[bad][0].tolist()}"
        raise ValueError(f"boxes must be {told}")
    if (boxes[:, :2] > boxes[:, 2:]).any():
        reverse = boxes[(boxes[:, :2] > boxes[:, 2:]).any(axis=1)][0].tolist()
        raise ValueError(f"boxes are x0, y0, x1, y1 with x0 <= x1 and y0 <= y1, got {reverse}")
    return boxes.astype(np.float32)


def tensors_field(values: Any, what: str, name: str) -> tuple[torch.Tensor | None, ...] | None:
    """Per prompt a float tensor of two dimensions, or None; finite in float32."""
    tensors: tuple[torch.Tensor | None, ...] | None = each(
        values, lambda value: _tensor(value, what), name
    )
    given = [(number, t) for number, t in enumerate(tensors or ()) if t is not None]
    if given:
        # One answer for all: on a GPU each would have to be waited for.
        device = given[0][1].device
        finite = torch.stack([t.float().isfinite().all().to(device) for _, t in given]).tolist()
        if not all(finite):
            number, tensor = given[finite.index(False)]
            bad = tensor[~tensor.float().isfinite()]
            told = f"{len(bad)} of {tensor.numel()} that are not, such as {bad[0].item()}"
            raise ValueError(f"prompt {number}: expected {what} of finite floats, got {told}")
    return tensors


def _tensor(value: Any, what: str) -> torch.Tensor | None:
    """The value as a tensor; a mask may have a first dimension of 1 besides its two."""
    if value is None:
        return None
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"expected {what} of floats, got {short(value)}") from error
    if tensor.ndim == 3 and tensor.shape[0] == 1 and "mask" in what:
        tensor = tensor[0]
    if tensor.ndim != 2 or not tensor.is_floating_point():
        raise ValueError(f"expected {what} of floats, got {tuple(tensor.shape)} {tensor.dtype}")
    return tensor


def class_ids_field(value: Any) -> NDArray[np.int64] | None:
    """(N,) int64."""
    if value is None:
        return None
    class_ids = _vector(value, "class_ids")
    # Compared as floats a whole number next to 2**63 would be that itself.
    limit = np.iinfo(np.int64).max if class_ids.dtype.kind in "iu" else 2.0**62
    fits = (class_ids <= limit) & (class_ids >= -limit - 1)
    if not fits.all() or (class_ids != np.floor(class_ids)).any():
        raise ValueError(f"class_ids are whole numbers, got {short(class_ids.tolist())}")
    return class_ids.astype(np.int64)


def scores_field(value: Any) -> Floats | None:
    """(N,) float32."""
    if value is None:
        return None
    scores = _vector(value, "scores")
    if not (np.abs(scores) <= np.finfo(np.float32).max).all():  # neither for NaN
        raise ValueError(f"scores are finite numbers, got {short(scores.tolist())}")
    return scores.astype(np.float32)


def real_numbers(value: Any, name: str) -> NDArray[Any]:
    """An array of integers or floats. Raises ValueError for anything else, ragged rows included."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(value, torch.Tensor):
            found = f"a tensor on {value.device} with requires_grad={value.requires_grad}"
            raise ValueError(f"{name}: expected an array, got {found}") from error
        raise ValueError(f"{name}: rows are of different lengths in {short(value)}") from error
    if array.dtype.kind not in "iuf":
        kind = "text" if array.dtype.kind in "SU" else array.dtype
        raise ValueError(f"{name}: expected numbers, got {kind} in {short(value)}")
    return array


def _vector(value: Any, name: str) -> NDArray[Any]:
    vector = real_numbers(value, name)
    if vector.size == 0:
        vector = vector.reshape(0)
    if vector.ndim != 1:
        raise ValueError(f"{name} has shape (N,), got {vector.shape}")
    return vector


def _xy(value: Any) -> NDArray[Any]:
    xy = real_numbers(value, "points of one prompt")
    if xy.size == 0:
        xy = xy.reshape(0, 2)
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise ValueError(f"points of one prompt have shape (P, 2), got {xy.shape}")
    return xy


def _labels(value: Any) -> NDArray[Any]:
    labels = real_numbers(value, "labels of one prompt")
    if labels.ndim != 1:
        raise ValueError(f"labels of one prompt have shape (P,), got {labels.shape}")
    return labels
