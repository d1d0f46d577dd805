"""Mean IoU on COCO from true boxes or centre clicks: the check that comes after `samkit verify`.

    python recipes/coco_miou.py                                                    tiny, made-up scenes
    python recipes/coco_miou.py --data coco/ --sam vit_h --prompt box
    python recipes/coco_miou.py --data coco/ --sam vit_h --prompt point

Not in the paper. A re-run of ViT-H on val2017, published with EfficientViT-SAM (arXiv 2402.05008),
has mIoU 77.4 (S 72.3, M 80.4, L 81.8) from true boxes and 58.4 from one click. Its protocol: every
object of at least one pixel, crowd regions too, each counted alike; the best of three masks by
predicted IoU.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import typer

from samkit import Sample, evaluate, load_sam
from samkit.data import coco, shapes
from samkit.evaluation import format_summary
from samkit.metrics.bootstrap import bootstrap_means, interval
from samkit.ops import rle
from samkit.pipeline import Stage
from samkit.stages import CenterPoint, Embed, GroundTruthBoxes, Segment

PUBLISHED = {
    "box": {"mIoU": 0.774, "mIoUs": 0.723, "mIoUm": 0.804, "mIoUl": 0.818},
    "point": {"mIoU": 0.584},
}
PROMPTS = {"box": GroundTruthBoxes(include_crowd=True), "point": CenterPoint(include_crowd=True)}


def main(
    sam: str = "tiny",
    data: str = "shapes",
    prompt: Literal["box", "point"] = "box",
    limit: int | None = None,
    out: Path | None = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int = 4,
) -> None:
    """Mean IoU of a SAM's masks with the true ones they were asked for.

    sam: tiny, vit_b, vit_l, vit_h, or a file. data: shapes, or a COCO folder or instances JSON; of a
    folder, val2017. prompt: box or point. out: default runs/coco_miou/PROMPT.
    """
    model = load_sam(sam, device, dtype)
    split = "val2017" if Path(data).is_dir() else None
    dataset = shapes(limit or 100) if data == "shapes" else coco(data, split=split).limit(limit)
    pipeline = Visible() | PROMPTS[prompt] | Embed(model) | Segment(model, multimask_output=True)
    out, paper = out or Path("runs/coco_miou") / prompt, PUBLISHED[prompt]
    summary = evaluate(dataset, pipeline, MeanIoU(), out=out, batch_size=batch_size, paper=paper)
    print(format_summary(summary))
    print("paper: ViT-H on COCO val2017, as published with EfficientViT-SAM")


@dataclass(frozen=True, repr=False)
class Visible(Stage):
    """Keeps the objects of at least one pixel: others can be neither clicked nor found."""

    reads = ("annotations",)
    writes = ("annotations",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [self._of(sample) for sample in samples]

    def _of(self, sample: Sample) -> Sample:
        truth = sample.annotations
        assert truth is not None and truth.run_lengths is not None
        seen = np.flatnonzero(rle.areas(truth.run_lengths))
        kept = replace(
            truth,
            boxes=truth.boxes[seen],
            class_ids=truth.class_ids[seen],
            run_lengths=tuple(truth.run_lengths[i] for i in seen),
            areas=None if truth.areas is None else truth.areas[seen],
            ids=None if truth.ids is None else truth.ids[seen],
            is_crowd=None if truth.is_crowd is None else truth.is_crowd[seen],
            captions=None,
            parents=None,
        )
        return sample.replace(annotations=kept)


@dataclass(frozen=True)
class MeanIoU:
    """Mean over all objects of the IoU of the mask asked for one with its true mask.

    Also by COCO's sizes (area under 32 squared, under 96 squared, the rest), and the middle 95 % of
    the mean over 1,000 resamplings of the images.
    """

    def score(self, sample: Sample) -> Mapping[str, Any]:
        truth, masks = sample.annotations, sample.masks
        assert truth is not None and truth.run_lengths is not None and masks is not None
        pairs = zip(masks.rle(), truth.run_lengths, strict=True)
        areas = rle.areas(truth.run_lengths) if truth.areas is None else truth.areas
        return {"iou": [float(rle.iou([a], [b])[0, 0]) for a, b in pairs], "area": areas.tolist()}

    def summarise(self, rows: Sequence[dict[str, Any]]) -> Mapping[str, float | None]:
        iou = np.array([value for row in rows for value in row["iou"]])
        area = np.array([value for row in rows for value in row["area"]])
        if len(iou) == 0:
            return {"mIoU": None}
        sums, counts = zip(*((sum(row["iou"]), len(row["iou"])) for row in rows), strict=True)
        [low], [high] = interval(bootstrap_means(np.array(sums)[:, None], counts))
        metrics = {"mIoU": float(iou.mean()), "mIoU_low": float(low), "mIoU_high": float(high)}
        for size, (least, most) in {"s": (0, 32), "m": (32, 96), "l": (96, np.inf)}.items():
            chosen = iou[(area >= least**2) & (area < most**2)]
            metrics[f"mIoU{size}"] = float(chosen.mean()) if len(chosen) else None
        return metrics


if __name__ == "__main__":
    typer.run(main)
