"""How good a model is on pictures it does not learn from, by four numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.points import center_point
from samkit.sam.model import Sam
from samkit.types import ImageEmbedding, Masks, Prompts, Sample

METRICS = ("click", "oracle", "box", "refined")
OBJECTS, LEAST_SHARE = 4, 0.002


def validate(sam: Sam, sets: Mapping[str, Sequence[Sample]]) -> dict[str, float]:
    """Mean IoU by set ("shapes/click" and so on), and "mean", over the sets and the first three.

    click: one click in the object's middle, of three masks the one with the highest predicted IoU.
    oracle: the best of those three. box: the true box, likewise by predicted IoU. refined: that
    answer asked for once more, with its own logits and one mask, as `samkit.stages.Refine` does.

    Of every picture at most four objects, the largest, if they cover at least 0.2 % of it. Nothing is
    drawn at random.
    """
    was_training = sam.training
    sam.eval()
    found: dict[str, float] = {}
    chosen = []
    for name, samples in sets.items():
        rows = np.array([row for sample in samples for row in scores(sam, sample)])
        if len(rows):
            means = rows.mean(axis=0)
            found |= {f"{name}/{k}": float(v) for k, v in zip(METRICS, means, strict=True)}
            chosen.append(means[:3].mean())
    sam.train(was_training)
    return found | {"mean": float(np.mean(chosen)) if chosen else 0.0}


def scores(sam: Sam, sample: Sample) -> list[tuple[float, ...]]:
    """(click, oracle, box, refined) IoU for each of the objects that are asked for."""
    sample = largest(sample)
    truth = sample.annotations
    assert truth is not None and truth.run_lengths is not None
    if not len(truth):
        return []
    embedding = sam.encode([sample.image])
    clicks = Prompts.from_points(np.stack([center_point(mask) for mask in truth.binary()]))
    _, by_click, best = _asked(sam, embedding, clicks, truth.run_lengths)
    boxes = Prompts.from_boxes(truth.boxes)
    logits, by_box, best_by_box = _asked(sam, embedding, boxes, truth.run_lengths)
    rows = np.arange(len(truth))
    again = Prompts(boxes=truth.boxes, masks=[logits[i, j] for i, j in enumerate(best_by_box)])
    refined = _ious(sam.decode(embedding, [again], multimask_output=False)[0], truth.run_lengths)
    columns = (by_click[rows, best], by_click.max(1), by_box[rows, best_by_box], refined[:, 0])
    return list(zip(*columns, strict=True))


def _asked(
    sam: Sam, embedding: list[ImageEmbedding], prompts: Prompts, truth: Sequence[rle.RLE]
) -> tuple[torch.Tensor, NDArray[Any], NDArray[Any]]:
    """Logits (N, 3, h, w), their IoUs (N, 3) with the truth, and which has the highest predicted."""
    [masks] = sam.decode(embedding, [prompts])
    assert masks.logits is not None
    ious = _ious(masks, truth)
    best = masks.predicted_iou.reshape(ious.shape).argmax(1)
    return masks.logits.unflatten(0, ious.shape), ious, best


def _ious(masks: Masks, truth: Sequence[rle.RLE]) -> NDArray[Any]:
    table = rle.iou(masks.rle(), truth)  # (N M, N): a prompt's masks stand together
    return table[np.arange(len(table)), masks.prompt_index].reshape(len(truth), -1)


def largest(sample: Sample) -> Sample:
    """The sample with at most four objects, the largest, crowds left out."""
    truth = sample.annotations
    assert truth is not None and truth.run_lengths is not None
    areas = rle.areas(truth.run_lengths)
    usable = areas >= LEAST_SHARE * truth.size[0] * truth.size[1]
    if truth.is_crowd is not None:
        usable &= ~truth.is_crowd
    rows = [i for i in np.argsort(-areas, kind="stable") if usable[i]][:OBJECTS]
    kept = replace(
        truth,
        boxes=truth.boxes[rows],
        class_ids=truth.class_ids[rows],
        run_lengths=tuple(truth.run_lengths[i] for i in rows),
        areas=None,
        ids=None,
        is_crowd=None,
        captions=None,
        parents=None,
    )
    return sample.replace(annotations=kept)
