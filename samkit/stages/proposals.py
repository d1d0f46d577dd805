"""Everything mode: a grid of points to all masks of a picture."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.components import remove_small_regions
from samkit.ops.grids import Box, crop_boxes, cut_off, layer_grids
from samkit.ops.nms import non_max_suppression
from samkit.ops.regions import cut, stability
from samkit.ops.upscale import regions
from samkit.pipeline import Stage
from samkit.sam.family import SamModel
from samkit.stages.encode_crops import CROPS_AT_ONCE
from samkit.stages.proposals_candidates import Candidates
from samkit.stages.proposals_settings import check
from samkit.types import Frame, ImageEmbedding, Masks, Prompts, Sample


@dataclass(frozen=True, repr=False)
class Proposals(Stage):
    """All masks of a picture, found from a grid of points: the official `SamAutomaticMaskGenerator`.

    The parameters are the official ones with the official defaults, which suit ViT-H:

    points_per_side: points along each side of the picture, so the square of it in all; 0 for none.
    points_per_batch: points decoded together; it bounds memory and changes no answer.
    pred_iou_thresh: masks whose predicted IoU is not above this are dropped; 0 drops none.
    stability_score_thresh, stability_score_offset: masks are dropped whose stability - the IoU of the
        masks cut at logits + and - offset - is below the threshold; 0 drops none.
    box_nms_thresh: of masks whose boxes overlap by more than this IoU the one with the higher
        predicted IoU stays.
    crop_n_layers: layers of crops that are looked at as well; layer i has 2**i crops a side. A mask
        that ends at a crop's edge is dropped.
    crop_nms_thresh: as `box_nms_thresh`, between crops; the mask of the smaller crop stays.
    crop_overlap_ratio: how far crops of the first layer overlap, as a share of the shorter side.
    crop_n_points_downscale_factor: layer i has points_per_side divided by this to the power i.
    point_grids: instead of points_per_side (then None), for the picture and for each layer of crops
        (n, 2) xy points as shares of the sides.
    min_mask_region_area: holes and islands of fewer pixels are filled and removed; 0 leaves them.

    What the paper has and the official release lacks is off unless asked for (app. B):

    max_coverage: masks that cover this share of the picture or more are dropped; the paper's is 0.95.
    drop_small_masks: with min_mask_region_area, drops a mask all of whose parts are smaller; the
        official code keeps the largest part.

    keep_logits: hands on the low-resolution logits beside the run lengths, 256 KB a mask; those found in
        crops lie in their crop (`Masks.by_crop`).
    progress: called as progress(points done, points in all) after every batch of a call.

    The masks are held as run lengths, in the order of the official generator, with their stability,
    the point that made each (`points`) and its crop (`crop_boxes`). `prompt_index` numbers the points,
    crop after crop. Masks without a pixel, and those with NaN as predicted IoU, are never handed on;
    the official code hands them on where its filters are off.

    Full-size logits exist for one mask at a time, and only over its own part of the picture.
    Raises ValueError for settings that contradict each other.

    >>> import samkit
    >>> from samkit.stages import Embed
    >>> find = Embed(sam := samkit.load_sam("tiny")) | Proposals(sam, points_per_side=2)
    >>> [sample] = find([Sample(id=1, image=np.zeros((48, 64, 3), np.uint8))])
    """

    sam: SamModel
    _: KW_ONLY
    points_per_side: int | None = 32
    points_per_batch: int = 64
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    stability_score_offset: float = 1.0
    box_nms_thresh: float = 0.7
    crop_n_layers: int = 0
    crop_nms_thresh: float = 0.7
    crop_overlap_ratio: float = 512 / 1500
    crop_n_points_downscale_factor: int = 1
    point_grids: Sequence[Any] | None = None
    min_mask_region_area: int = 0
    max_coverage: float | None = None
    drop_small_masks: bool = False
    keep_logits: bool = False
    progress: Callable[[int, int], None] | None = field(default=None, repr=False)

    reads = ("embedding",)
    writes = ("masks",)

    def __post_init__(self) -> None:
        check(self)
        if self.point_grids is not None:
            # Tuples, so that `repr` tells all of them.
            grids = tuple(tuple(map(tuple, np.asarray(g).tolist())) for g in self.point_grids)
            object.__setattr__(self, "point_grids", grids)
        if self.crop_n_layers:
            object.__setattr__(self, "reads", ("image", "embedding"))

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        plans = [self._plan(_embedding(sample).frame) for sample in samples]
        counter = _Counter(self.progress, sum(len(xy) for plan in plans for _, xy in plan))
        return [
            sample.replace(masks=self._propose(sample, plan, counter))
            for sample, plan in zip(samples, plans, strict=True)
        ]

    def _plan(self, frame: Frame) -> list[tuple[Box, NDArray[np.float64]]]:
        """The crops of a picture, itself first, and the points in each, in the crop's pixels."""
        if self.point_grids is not None:
            grids = [np.asarray(grid, dtype=np.float64).reshape(-1, 2) for grid in self.point_grids]
        else:
            assert self.points_per_side is not None, "checked when it was made"
            grids = layer_grids(
                self.points_per_side, self.crop_n_layers, self.crop_n_points_downscale_factor
            )
        boxes = crop_boxes(frame.original_size, self.crop_n_layers, self.crop_overlap_ratio)
        return [(box, grids[layer] * (box[2] - box[0], box[3] - box[1])) for box, layer in boxes]

    def _propose(
        self, sample: Sample, plan: Sequence[tuple[Box, NDArray[np.float64]]], counter: "_Counter"
    ) -> Masks:
        found, first = [], 0
        embeddings = self._embeddings(sample, [box for box, _ in plan])
        for (box, xy), embedding in zip(plan, embeddings, strict=True):
            found.append(self._crop(sample, embedding, box, xy, first, counter))
            first += len(xy)
        masks = Masks.concat(found)
        if len(plan) > 1 and len(masks):
            assert masks.crop_boxes is not None
            sides = masks.crop_boxes[:, 2:] - masks.crop_boxes[:, :2]
            smallest_first = 1 / sides.prod(axis=1)
            masks = masks[non_max_suppression(masks.boxes(), smallest_first, self.crop_nms_thresh)]
        return self._without_small_regions(masks) if self.min_mask_region_area > 0 else masks

    def _embeddings(self, sample: Sample, boxes: Sequence[Box]) -> Iterator[ImageEmbedding]:
        """The picture's own embedding, then its crops', each in a frame of its own."""
        yield _embedding(sample)
        image = sample.image if len(boxes) > 1 else None
        for start in range(1, len(boxes), CROPS_AT_ONCE):
            assert image is not None
            some = boxes[start : start + CROPS_AT_ONCE]
            yield from self.sam.encode([image[y0:y1, x0:x1] for x0, y0, x1, y1 in some])

    def _crop(
        self,
        sample: Sample,
        embedding: ImageEmbedding,
        box: Box,
        xy: NDArray[np.float64],
        first: int,
        counter: "_Counter",
    ) -> Masks:
        """A crop's masks, duplicates removed; `first` is the number of its first point."""
        frame = _embedding(sample).frame
        candidates = Candidates()
        # No points are one batch too: an empty one.
        for start in range(0, max(1, len(xy)), self.points_per_batch):
            asked = xy[start : start + self.points_per_batch]
            masks, boxes = self._batch(embedding, asked, frame, box)
            candidates.add(masks.replace(prompt_index=masks.prompt_index + first + start), boxes)
            counter.add(len(asked))
        return candidates.suppressed(self.box_nms_thresh)

    def _batch(
        self, embedding: ImageEmbedding, xy: NDArray[np.float64], whole: Frame, box: Box
    ) -> tuple[Masks, NDArray[np.float32]]:
        """The masks of a batch of points that pass all filters, and their boxes."""
        frame = embedding.frame
        [answer] = self.sam.decode([embedding], [Prompts.from_points(xy)])
        assert answer.logits is not None, "what a SAM decodes are logits"
        iou = answer.predicted_iou
        good = iou > self.pred_iou_thresh if self.pred_iou_thresh > 0 else ~np.isnan(iou)
        rows, run_lengths, scores, boxes = [], [], [], []
        for row, region in zip(
            np.flatnonzero(good),
            regions(
                answer.logits[good],
                -self.stability_score_offset,
                frame.model_size,
                frame.resized_size,
                frame.original_size,
            ),
            strict=True,
        ):
            score = stability(region, self.stability_score_offset)
            if self.stability_score_thresh > 0 and not score >= self.stability_score_thresh:
                continue
            placed = replace(region, left=region.left + box[0], top=region.top + box[1])
            mask = cut(placed, whole.original_size)
            if mask is None or self._covers_too_much(mask.area, whole):
                continue
            rows.append(row)
            run_lengths.append(mask.run_lengths)
            scores.append(score)
            boxes.append(mask.box)
        chosen = np.asarray(rows, dtype=np.int64)
        prompts = answer.prompt_index[chosen]
        masks = Masks(
            whole,
            logits=answer.logits[chosen] if self.keep_logits else None,
            run_lengths=tuple(run_lengths),
            predicted_iou=iou[chosen],
            prompt_index=prompts,
            stability=np.asarray(scores, dtype=np.float32),
            points=(xy[prompts] + box[:2]).astype(np.float32),
            crop_boxes=np.tile(np.array(box, dtype=np.float32), (len(rows), 1)),
        )
        xyxy = np.array(boxes, dtype=np.float32).reshape(-1, 4)
        whole_ones = ~cut_off(xyxy, box, whole.original_size)
        return masks[whole_ones], xyxy[whole_ones]

    def _covers_too_much(self, area: int, frame: Frame) -> bool:
        height, width = frame.original_size
        return self.max_coverage is not None and area >= self.max_coverage * height * width

    def _without_small_regions(self, masks: Masks) -> Masks:
        """Cleaned masks, without the duplicates that cleaning made: unchanged ones come first."""
        run_lengths, unchanged = [], []
        for one in masks.rle():
            mask, changed = remove_small_regions(
                rle.decode([one])[0], self.min_mask_region_area, self.drop_small_masks
            )
            run_lengths.append(rle.encode(mask[None])[0] if changed else one)
            unchanged.append(not changed)
        masks = masks.replace(run_lengths=tuple(run_lengths))
        threshold = max(self.box_nms_thresh, self.crop_nms_thresh)
        masks = masks[non_max_suppression(masks.boxes(), unchanged, threshold)]
        return masks[masks.areas() > 0]


@dataclass
class _Counter:
    """Points done of all points of a call."""

    progress: Callable[[int, int], None] | None
    total: int
    done: int = 0

    def add(self, count: int) -> None:
        self.done += count
        if self.progress is not None and count:
            self.progress(self.done, self.total)


def _embedding(sample: Sample) -> ImageEmbedding:
    assert sample.embedding is not None, "the pipeline checks what a stage reads"
    return sample.embedding
