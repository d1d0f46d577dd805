"""What is asked of a model about one image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from samkit.types.prompt_fields import (
    Floats,
    boxes_field,
    class_ids_field,
    each,
    labels_field,
    points_field,
    real_numbers,
    scores_field,
    tensors_field,
)
from samkit.types.rows import Index, rows_at

if TYPE_CHECKING:
    import supervision


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

    Coordinates may lie outside the image, as those of detectors do: see `samkit.sam.decoding`.
    Raises ValueError, with what was expected and what came, where lengths, shapes, kinds of number
    or labels do not fit, for NaN, infinity and reversed boxes.

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
            "points": points_field(self.points),
            "labels": labels_field(self.labels),
            "boxes": boxes_field(self.boxes),
            "masks": tensors_field(self.masks, "mask logits (h, w)", "masks"),
            "embeddings": tensors_field(self.embeddings, "an embedding (tokens, D)", "embeddings"),
            "class_ids": class_ids_field(self.class_ids),
            "scores": scores_field(self.scores),
        }
        lengths = {name: len(value) for name, value in clean.items() if value is not None}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"fields of Prompts share their length, got {lengths}")
        pairs = zip(clean["points"] or (), clean["labels"] or (), strict=True)
        for number, (xy, labels) in enumerate(pairs):
            if len(xy) != len(labels):
                raise ValueError(f"prompt {number} has {len(xy)} points but {len(labels)} labels")
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
        xy = each(xy, lambda row: real_numbers(row, "points"), "points") or ()
        if all(row.ndim == 1 and row.size for row in xy):
            if any(len(row) != 2 for row in xy):
                shape = (len(xy), *xy[0].shape)
                raise ValueError(f"points have shape (N, 2) or (N, P, 2), got {shape}")
            xy = tuple(row[None] for row in xy)
        if labels is None:
            labels = [np.ones(len(np.atleast_1d(row)), dtype=np.int64) for row in xy]
        else:
            labels = each(labels, lambda row: np.atleast_1d(real_numbers(row, "labels")), "labels")
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
