"""What a model answered about one image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from samkit.ops import masks as mask_ops
from samkit.ops import rle, upscale
from samkit.ops.regions import cut
from samkit.types.frame import Frame
from samkit.types.rows import Index, rows_at

if TYPE_CHECKING:
    import supervision

Floats = NDArray[np.float32]

# Full-size float pixels that exist at one time (128 MB); fixed, so answers don't vary by machine.
PIXELS_AT_ONCE = 1 << 25


@dataclass(frozen=True, eq=False)
class Masks:
    """N masks of one image: low-resolution logits, run lengths, or both.

    Where both are there the run lengths win: a cleaned mask is no longer its logits. Full-size pixels
    are made on demand, a chunk at a time. Every array is N long:

    frame: how the model's square lies in the image.
    logits: (N, h, w) low-resolution logits, above 0 inside; None once gone. They lie in `frame`, or
        where `crop_boxes` are given each in its crop (`by_crop`).
    run_lengths: N COCO run lengths at the image's size; None until they are made.
    predicted_iou: (N,) the model's own estimate of each mask's IoU. It is not a probability.
    prompt_index: (N,) which prompt each mask answers.
    scores: (N,) what ranks: the detector's score where one was given, else the predicted IoU.
    class_ids: (N,) the prompt's class, or None.
    stability: (N,) stability scores where a stage has worked them out, else None.
    points: (N, 2) xy of the one point that made each mask, where a grid did; else None.
    crop_boxes: (N, 4) xyxy of the part of the image that each mask was found in, or None.
    """

    frame: Frame
    logits: torch.Tensor | None = None
    run_lengths: tuple[rle.RLE, ...] | None = None
    predicted_iou: Floats = None  # type: ignore[assignment]  # filled below, never None afterwards
    prompt_index: NDArray[np.int64] = None  # type: ignore[assignment]
    scores: Floats = None  # type: ignore[assignment]
    class_ids: NDArray[np.int64] | None = None
    stability: Floats | None = None
    points: Floats | None = None
    crop_boxes: Floats | None = None

    def __post_init__(self) -> None:
        content = self.run_lengths if self.run_lengths is not None else self.logits
        if content is None:
            raise ValueError("masks need logits or run_lengths")
        count = len(content)
        if self.predicted_iou is None:
            object.__setattr__(self, "predicted_iou", np.ones(count, dtype=np.float32))
        if self.prompt_index is None:
            object.__setattr__(self, "prompt_index", np.arange(count))
        if self.scores is None:
            object.__setattr__(self, "scores", self.predicted_iou)
        lengths = {name: len(value) for name, value in self._rows().items()}
        if set(lengths.values()) != {count}:
            raise ValueError(f"fields of Masks share their length, got {lengths}")

    def _rows(self) -> dict[str, Any]:
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "frame"}
        return {name: value for name, value in values.items() if value is not None}

    def __len__(self) -> int:
        return len(self.predicted_iou)

    def __getitem__(self, index: Index) -> "Masks":
        """The masks at an integer, slice, list of indices or boolean array; always Masks.

        >>> confident = masks[masks.predicted_iou > 0.9]  # doctest: +SKIP
        """
        rows = rows_at(index, len(self))
        picked: dict[str, Any] = {}
        for name, value in self._rows().items():
            if isinstance(value, tuple):
                picked[name] = tuple(value[i] for i in rows)
            elif isinstance(value, torch.Tensor):
                picked[name] = value[torch.from_numpy(rows).to(value.device)]
            else:
                picked[name] = value[rows]
        return Masks(frame=self.frame, **picked)

    def replace(self, **changes: Any) -> "Masks":
        """A copy with other values in the named fields."""
        return Masks(**{"frame": self.frame, **self._rows(), **changes})

    @classmethod
    def from_binary(cls, masks: NDArray[np.bool_], scores: ArrayLike | None = None) -> "Masks":
        """Masks from (N, H, W) bool pixels, held as run lengths."""
        height, width = masks.shape[1:]
        given = None if scores is None else np.asarray(scores, dtype=np.float32)
        # The frame of an image that no model has resized.
        frame = Frame((height, width), (height, width), max(height, width))
        return cls(frame, run_lengths=tuple(rle.encode(masks)), scores=given)  # type: ignore[arg-type]

    @classmethod
    def concat(cls, parts: Sequence["Masks"]) -> "Masks":
        """All masks of all parts in order; they are of one image and hold the same fields.

        Raises ValueError for no parts, several frames, or different fields.
        """
        if not parts:
            raise ValueError(
                "nothing to put together: an image's frame is needed even for no masks"
            )
        names = set(parts[0]._rows())
        if any(set(part._rows()) != names or part.frame != parts[0].frame for part in parts):
            raise ValueError("parts must be of the same image and hold the same fields")
        merged: dict[str, Any] = {}
        for name in names:
            values = [part._rows()[name] for part in parts]
            if isinstance(values[0], tuple):
                merged[name] = tuple(row for value in values for row in value)
            elif isinstance(values[0], torch.Tensor):
                merged[name] = torch.cat(values)
            else:
                merged[name] = np.concatenate(values)
        return cls(frame=parts[0].frame, **merged)

    @property
    def lie_in_crops(self) -> bool:
        """Whether any mask was found in a crop of its own, other than what `frame` shows."""
        if self.crop_boxes is None:
            return False
        height, width = self.frame.original_size
        return bool((self.crop_boxes != (self.frame.crop_box or (0, 0, width, height))).any())

    def by_crop(self) -> Iterator["Masks"]:
        """The masks of each crop together, in that crop's own frame: where their logits lie.

        Run lengths stay those of the whole image. Masks that were found in no crops are one group.
        """
        if not self.lie_in_crops:
            yield self
            return
        assert self.crop_boxes is not None, "they lie in some"
        crops, which = np.unique(self.crop_boxes, axis=0, return_inverse=True)
        for number, crop in enumerate(crops):
            x0, y0, x1, y1 = (int(end) for end in crop)
            own = Frame.fit((y1 - y0, x1 - x0), self.frame.model_size)
            frame = own.cropped_from(self.frame.original_size, x0, y0)
            yield self[np.flatnonzero(which.flatten() == number)].replace(frame=frame)

    def full_logits(self) -> Iterator[torch.Tensor]:
        """Chunks (n, *crop size) of float32 logits at the size of the image, or of its crop.

        Raises ValueError once the logits are gone, and for those of several crops.
        """
        if self.logits is None:
            raise ValueError("these masks hold no logits any more, only run lengths")
        if self.lie_in_crops:
            raise ValueError(
                "logits of crops have sizes of their own; take them by Masks.by_crop()"
            )
        height, width = self.frame.crop_size
        per_mask = max(self.frame.model_size**2, height * width)
        step = max(1, PIXELS_AT_ONCE // per_mask)
        for start in range(0, len(self.logits), step):
            yield mask_ops.upscale_logits(
                self.logits[start : start + step],
                self.frame.model_size,
                self.frame.resized_size,
                self.frame.crop_size,
            )

    def _logits_in_frame(self) -> torch.Tensor:
        if self.logits is None:
            raise ValueError("these masks hold no logits any more, only run lengths")
        if self.lie_in_crops:
            raise ValueError(
                "logits of crops have sizes of their own; take them by Masks.by_crop()"
            )
        return self.logits

    def binary_chunks(self) -> Iterator[NDArray[np.bool_]]:
        """Chunks (n, H, W) of bool pixels at the original image's size, in order."""
        if self.run_lengths is not None:
            step = max(1, PIXELS_AT_ONCE // max(1, int(np.prod(self.frame.original_size))))
            for start in range(0, len(self), step):
                yield rle.decode(self.run_lengths[start : start + step])
            return
        for logits in self.full_logits():
            yield self._uncrop((logits > 0).cpu().numpy())

    def _uncrop(self, masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if self.frame.crop_box is None:
            return masks
        x0, y0, x1, y1 = self.frame.crop_box
        whole = np.zeros((len(masks), *self.frame.original_size), dtype=bool)
        whole[:, y0:y1, x0:x1] = masks
        return whole

    def binary(self) -> NDArray[np.bool_]:
        """All masks as (N, H, W) bool pixels of the original image. Slice first if N is large."""
        chunks = list(self.binary_chunks())
        return np.concatenate(chunks) if chunks else np.zeros((0, *self.frame.original_size), bool)

    def rle(self) -> list[rle.RLE]:
        """N COCO run lengths, {"size": [height, width], "counts": str}."""
        if self.run_lengths is not None:
            return list(self.run_lengths)
        logits = self._logits_in_frame()
        frame, size = self.frame, self.frame.original_size
        left, top = frame.crop_box[:2] if frame.crop_box is not None else (0, 0)
        found = []
        for region in upscale.exact_regions(
            logits, frame.model_size, frame.resized_size, frame.crop_size
        ):
            mask = cut(replace(region, left=region.left + left, top=region.top + top), size)
            found.append(rle.empty(*size) if mask is None else mask.run_lengths)
        return found

    def boxes(self) -> Floats:
        """(N, 4) xyxy; x1, y1 are the last column and row inside (the official generator's way)."""
        if self.run_lengths is not None:
            xywh = rle.boxes_xywh(self.run_lengths)
            last = np.where(xywh[:, 2:] > 0, xywh[:, :2] + xywh[:, 2:] - 1, 0)
            return np.concatenate([xywh[:, :2], last], axis=1).astype(np.float32)
        chunks = [mask_ops.mask_boxes(chunk) for chunk in self.binary_chunks()]
        return np.concatenate(chunks) if chunks else np.zeros((0, 4), dtype=np.float32)

    def outer_boxes(self) -> Floats:
        """(N, 4) xyxy that end behind the last pixel, as boxes of prompts and crops do."""
        return self.boxes() + np.array([0, 0, 1, 1], dtype=np.float32)

    def areas(self) -> NDArray[np.int64]:
        """(N,) pixels inside each mask."""
        if self.run_lengths is not None:
            return rle.areas(self.run_lengths)
        chunks = [chunk.sum(axis=(1, 2), dtype=np.int64) for chunk in self.binary_chunks()]
        return np.concatenate(chunks) if chunks else np.zeros(0, dtype=np.int64)

    @property
    def stability_score(self) -> Floats:
        """(N,) IoU of each mask cut at logits +1 and -1, at full size; worked out if not at hand."""
        if self.stability is not None:
            return self.stability
        scores = [mask_ops.stability_score(chunk) for chunk in self.full_logits()]
        return torch.cat(scores).cpu().numpy() if scores else np.zeros(0, dtype=np.float32)

    def with_run_lengths(self) -> "Masks":
        """The same masks held as run lengths only: what is kept once nobody reads logits."""
        return self.replace(run_lengths=tuple(self.rle()), logits=None)

    def to_detections(self) -> "supervision.Detections":
        """supervision `Detections` with compact masks; boxes are inclusive, confidence holds `scores`."""
        import supervision
        from supervision.detection.compact_mask import CompactMask

        run_lengths = self.rle()
        xyxy = self.replace(run_lengths=tuple(run_lengths)).boxes()
        return supervision.Detections(
            xyxy=xyxy,
            mask=CompactMask.from_coco_rle(run_lengths, xyxy, self.frame.original_size),
            confidence=self.scores.copy(),
            class_id=None if self.class_ids is None else self.class_ids.copy(),
        )

    def to_coco(self, image_id: int | str, bbox: bool = True) -> list[dict[str, Any]]:
        """N COCO records: image_id, category_id, segmentation, area, score, and bbox as pycocotools.

        bbox: xywh with width = last - first + 1. Leave it out (False) of a results file that is to
            be evaluated as masks: evaluators would take area bins from the box, not from the mask.
        """
        run_lengths = self.rle()
        areas, boxes = rle.areas(run_lengths), rle.boxes_xywh(run_lengths)
        classes = np.ones(len(self), np.int64) if self.class_ids is None else self.class_ids
        return [
            {
                "image_id": image_id,
                "category_id": int(classes[i]),
                "segmentation": run_lengths[i],
                "area": int(areas[i]),
                "score": float(self.scores[i]),
                **({"bbox": boxes[i].tolist()} if bbox else {}),
            }
            for i in range(len(self))
        ]
