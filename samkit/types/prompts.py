"""What is asked of a model about one image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from samkit.types.rows import Index, rows_at

if TYPE_CHECKING:
    import supervision

Floats = NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Prompts:
    """N prompts for one image; what is given belongs together, prompt by prompt.

    Each prompt asks for one object. It may hold any number of points, at most one box, one mask and
    some embedding tokens; prompts of one image need not be alike. Every field is None or N long:

    points: per prompt (P, 2) xy in pixels of the original image, P its own; an (N, P, 2) array will do.
    labels: per prompt (P,), 1 foreground, 0 background.
    boxes: (N, 4) xyxy in pixels; a row of NaN, or None in a list, means no box for that prompt.
    masks: per prompt low-resolution logits (h, w) of an earlier answer, as `Masks.logits` holds them, or None.
    embeddings: per prompt (T, D) tokens of the prompt encoder's width D, or None (text enters here).
    class_ids: (N,) int, handed on to the masks.
    scores: (N,) float, handed on to the masks as what ranks them.

    Raises ValueError where lengths, shapes or labels do not fit.

    >>> len(Prompts(points=[[[10, 20]], [[30, 40], [50, 60]]], labels=[[1], [1, 0]]))
    2
    """

    points: tuple[Floats, ...] | None = None
    labels: tuple[NDArray[np.int64], ...] | None = None
    boxes: Floats | None = None
    masks: tuple[torch.Tensor | None, ...] | None = None
    embeddings: tuple[torch.Tensor | None, ...] | None = None
    class_ids: NDArray[np.int64] | None = None
    scores: Floats | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            points: Any = None,
            labels: Any = None,
            boxes: Any = None,
            masks: Any = None,
            embeddings: Any = None,
            class_ids: ArrayLike | None = None,
            scores: ArrayLike | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        if (self.points is None) != (self.labels is None):
            raise ValueError("points and labels go together: give both or neither")
        clean = {
            "points": _each(self.points, _points),
            "labels": _each(self.labels, _labels),
            "boxes": _boxes(self.boxes),
            "masks": _each(self.masks, lambda mask: _tensor(mask, "mask logits (h, w)")),
            "embeddings": _each(self.embeddings, lambda e: _tensor(e, "an embedding (tokens, D)")),
            "class_ids": _vector(self.class_ids, np.int64, "class_ids"),
            "scores": _vector(self.scores, np.float32, "scores"),
        }
        lengths = {name: len(value) for name, value in clean.items() if value is not None}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"fields of Prompts share their length, got {lengths}")
        for xy, labels in zip(clean["points"] or (), clean["labels"] or (), strict=True):
            if len(xy) != len(labels):
                raise ValueError(f"a prompt has {len(xy)} points but {len(labels)} labels")
        for name, value in clean.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return next((len(value) for value in self._given().values()), 0)

    def __getitem__(self, index: Index) -> "Prompts":
        """The prompts at an integer, slice, list of indices or boolean array; always Prompts."""
        rows = rows_at(index, len(self))
        picked = {
            name: value[rows] if isinstance(value, np.ndarray) else tuple(value[i] for i in rows)
            for name, value in self._given().items()
        }
        return Prompts(**picked)

    def __iter__(self) -> Iterator["Prompts"]:
        return (self[i] for i in range(len(self)))

    def _given(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def replace(self, **changes: Any) -> "Prompts":
        """A copy with other values in the named fields."""
        return Prompts(**{**self._given(), **changes})

    @property
    def has_box(self) -> NDArray[np.bool_]:
        """(N,) which prompts have a box."""
        if self.boxes is None:
            return np.zeros(len(self), dtype=bool)
        return np.asarray(~np.isnan(self.boxes[:, 0]))

    @property
    def num_points(self) -> NDArray[np.int64]:
        """(N,) how many points each prompt has."""
        if self.points is None:
            return np.zeros(len(self), dtype=np.int64)
        return np.array([len(xy) for xy in self.points], dtype=np.int64)

    @classmethod
    def from_points(cls, xy: Any, labels: Any = None) -> "Prompts":
        """One prompt per row: (N, 2) single points, (N, P, 2), or a list of (P, 2) arrays.

        labels: like the points without the last axis; all foreground where not given.
        """
        if not isinstance(xy, list | tuple) or all(np.ndim(row) == 1 for row in xy):
            xy = np.asarray(xy, dtype=np.float32)
            xy = xy.reshape(-1, 1, 2) if xy.ndim < 3 else xy
        if labels is None:
            labels = [np.ones(len(points), dtype=np.int64) for points in xy]
        elif np.ndim(labels[0] if len(labels) else ()) == 0:
            labels = [np.atleast_1d(label) for label in labels]
        return cls(points=xy, labels=labels)

    @classmethod
    def from_boxes(
        cls, xyxy: Any, class_ids: ArrayLike | None = None, scores: ArrayLike | None = None
    ) -> "Prompts":
        """One prompt per box, (N, 4) xyxy in pixels of the original image."""
        return cls(boxes=xyxy, class_ids=class_ids, scores=scores)

    @classmethod
    def from_detections(cls, detections: "supervision.Detections") -> "Prompts":
        """Boxes, classes and confidences of a supervision `Detections`."""
        return cls(
            boxes=detections.xyxy, class_ids=detections.class_id, scores=detections.confidence
        )

    @classmethod
    def concat(cls, parts: Sequence["Prompts"]) -> "Prompts":
        """All prompts of all parts in order; parts may have different kinds of prompt.

        Raises ValueError where only some have class_ids or scores: nothing sensible fills those.
        """
        parts = [part for part in parts if len(part)]
        names = {name for part in parts for name in part._given()}
        merged: dict[str, Any] = {}
        for name in names:
            having = [part for part in parts if getattr(part, name) is not None]
            if name in ("class_ids", "scores") and len(having) < len(parts):
                raise ValueError(
                    f"some parts have {name} and some have not; give {name} to all or to none"
                )
            merged[name] = [row for part in parts for row in _rows(part, name)]
        return cls(**merged)


def _rows(part: Prompts, name: str) -> Sequence[Any]:
    value = getattr(part, name)
    if value is not None:
        return list(value)
    empty: dict[str, Any] = {"points": np.zeros((0, 2)), "labels": np.zeros(0, dtype=np.int64)}
    return [empty.get(name)] * len(part)


def _is_list(index: Any) -> bool:
    return isinstance(index, list | tuple)


def _each(values: Any, clean: Any) -> tuple[Any, ...] | None:
    return None if values is None else tuple(clean(value) for value in values)


def _points(value: Any) -> Floats:
    xy = np.asarray(value, dtype=np.float32)
    if xy.size == 0:
        xy = xy.reshape(0, 2)
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise ValueError(f"points of one prompt have shape (P, 2), got {xy.shape}")
    if not np.isfinite(xy).all():
        raise ValueError(f"points must be finite numbers, got {xy.tolist()}")
    return xy


def _labels(value: Any) -> NDArray[np.int64]:
    labels = np.asarray(value)
    if labels.ndim != 1:
        raise ValueError(f"labels of one prompt have shape (P,), got {labels.shape}")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"labels are 1 (foreground) or 0 (background), got {labels.tolist()}")
    return labels.astype(np.int64)


def _boxes(value: Any) -> Floats | None:
    if value is None:
        return None
    if _is_list(value):
        value = [[np.nan] * 4 if box is None else np.asarray(box) for box in value]
    boxes = np.asarray(value, dtype=np.float32)
    if boxes.size == 0:
        boxes = boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes have shape (N, 4), got {boxes.shape}")
    bad = ~(np.isfinite(boxes).all(axis=1) | np.isnan(boxes).all(axis=1))
    if bad.any():
        raise ValueError(f"boxes must be finite numbers, got {boxes[bad][0].tolist()}")
    if (boxes[:, :2] > boxes[:, 2:]).any():
        reverse = boxes[(boxes[:, :2] > boxes[:, 2:]).any(axis=1)][0].tolist()
        raise ValueError(f"boxes are x0, y0, x1, y1 with x0 <= x1 and y0 <= y1, got {reverse}")
    return boxes


def _tensor(value: Any, what: str) -> torch.Tensor | None:
    if value is None:
        return None
    tensor = torch.as_tensor(value)
    if tensor.ndim == 3 and tensor.shape[0] == 1 and "mask" in what:
        tensor = tensor[0]
    if tensor.ndim != 2 or not tensor.is_floating_point():
        raise ValueError(f"expected {what} of floats, got {tuple(tensor.shape)} {tensor.dtype}")
    return tensor


def _vector(value: Any, dtype: Any, name: str) -> NDArray[Any] | None:
    if value is None:
        return None
    vector = np.asarray(value)
    if vector.size == 0:
        vector = vector.reshape(0)
    if vector.ndim != 1:
        raise ValueError(f"{name} has shape (N,), got {vector.shape}")
    return vector.astype(dtype)
