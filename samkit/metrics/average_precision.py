"""What MaskAP is made of: one image as overlaps, and many images as precision and recall.

The overlaps are all that matching needs, so they are what a row holds: small, exact and readable.
Matching and accumulation are faster-coco-eval's; it answers as pycocotools does, and the tests hold
it to that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from faster_coco_eval import mask as coco_mask
from numpy.typing import NDArray

from samkit.ops import rle

Floats = NDArray[np.float64]

# The lowest IoU at which COCO calls anything a match; smaller overlaps need not be kept.
LOWEST_IOU = 0.5


@dataclass(frozen=True, eq=False)
class Objects:
    """N true or found objects of one image, as evaluators see them; every field is N long.

    class_ids: (N,) int. areas: (N,) square pixels, which decide the size bin.
    regions: N run lengths, or (N, 4) xywh boxes in pixels.
    scores: (N,) of found objects. is_crowd: (N,) bool of true ones.
    """

    class_ids: NDArray[np.int64]
    areas: Floats
    regions: Sequence[rle.RLE] | Floats
    scores: Floats
    is_crowd: NDArray[np.bool_]

    @classmethod
    def found(
        cls, class_ids: NDArray[Any], areas: Any, regions: Any, scores: NDArray[Any]
    ) -> "Objects":
        """Detections. Raises ValueError for a score that is not a number: it cannot be ranked."""
        if np.isnan(scores).any():
            raise ValueError("a detection's score is NaN; drop it or give it a number")
        return cls(
            np.asarray(class_ids, dtype=np.int64),
            np.asarray(areas, dtype=np.float64),
            regions,
            np.asarray(scores, dtype=np.float64),
            np.zeros(len(scores), dtype=bool),
        )

    @classmethod
    def true(cls, class_ids: NDArray[Any], areas: Any, regions: Any, is_crowd: Any) -> "Objects":
        """The truth; `is_crowd` None means that nothing is a crowd."""
        none = np.zeros(len(class_ids), dtype=bool)
        return cls(
            np.asarray(class_ids, dtype=np.int64),
            np.asarray(areas, dtype=np.float64),
            regions,
            np.zeros(len(class_ids)),
            none if is_crowd is None else np.asarray(is_crowd, dtype=bool),
        )

    def __len__(self) -> int:
        return len(self.class_ids)

    def __getitem__(self, rows: NDArray[Any]) -> "Objects":
        """The objects at an array of indices."""
        regions = self.regions
        picked = regions[rows] if isinstance(regions, np.ndarray) else [regions[i] for i in rows]
        return Objects(
            self.class_ids[rows], self.areas[rows], picked, self.scores[rows], self.is_crowd[rows]
        )

    def of_class(self, class_id: int) -> "Objects":
        return self[np.flatnonzero(self.class_ids == class_id)]

    def best(self, count: int) -> "Objects":
        """At most `count`, highest score first; equal scores keep their order, as in COCOeval."""
        return self[np.argsort(-self.scores, kind="stable")[:count]]

    def without_classes(self) -> "Objects":
        """All as class 0, ordered by the class they had: the order of COCOeval's `useCats = 0`."""
        objects = self[np.argsort(self.class_ids, kind="stable")]
        return Objects(
            np.zeros_like(self.class_ids),
            objects.areas,
            objects.regions,
            objects.scores,
            objects.is_crowd,
        )


def overlaps(found: Objects, truth: Objects) -> Floats:
    """IoU (N, M) of found with true regions; over a crowd, the share of the found one inside."""
    if not len(found) or not len(truth):
        return np.zeros((len(found), len(truth)))
    if isinstance(found.regions, np.ndarray):
        crowd = truth.is_crowd.astype(int).tolist()
        return np.asarray(coco_mask.iou(found.regions, truth.regions, crowd))
    assert not isinstance(truth.regions, np.ndarray)
    return rle.iou(found.regions, truth.regions, truth.is_crowd.tolist())


def compare(truth: Objects, found: Objects, max_detections: int) -> list[dict[str, Any]]:
    """One record for each class that is true or found in the image, in the order of class ids.

    Each has class_id; scores and areas of the best `max_detections` found, best first; areas and
    crowd flags of the true objects; and [found, true, IoU] for every pair from `LOWEST_IOU` up.
    """
    records = []
    for class_id in np.union1d(truth.class_ids, found.class_ids).tolist():
        true_here, found_here = truth.of_class(class_id), found.of_class(class_id)
        found_here = found_here.best(max_detections)
        iou = overlaps(found_here, true_here)
        pairs = [[int(d), int(t), float(iou[d, t])] for d, t in np.argwhere(iou >= LOWEST_IOU)]
        records.append(
            {
                "class_id": class_id,
                "scores": found_here.scores.tolist(),
                "areas": found_here.areas.tolist(),
                "true_areas": true_here.areas.tolist(),
                "crowd": true_here.is_crowd.astype(int).tolist(),
                "iou": pairs,
            }
        )
    return records


def accumulate(
    records: Sequence[dict[str, Any]], max_detections: Sequence[int]
) -> tuple[Floats, Floats]:
    """Precision (T, R, A, M) and recall (T, A, M) of one class, from its record in each image.

    T: the 10 IoU thresholds .50:.05:.95; R: the 101 recalls 0:.01:1; A: all, small, medium, large;
    M: `max_detections` per image. -1 where no true object falls in. Equal scores rank in the order
    of `records`.
    """
    images = [{"id": i} for i in range(len(records))]
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for i, record in enumerate(records):
        # Ids start at 1: the evaluator reads a match with object 0 as no match.
        truth += [
            {"id": len(truth) + 1 + n, "area": area, "iscrowd": crowd, **_place(i)}
            for n, (area, crowd) in enumerate(
                zip(record["true_areas"], record["crowd"], strict=True)
            )
        ]
        loose = record.get("not_exhaustive", False)
        found += [
            {
                "id": len(found) + 1 + n,
                "area": area,
                "score": score,
                "lvis_mark": loose,
                **_place(i),
            }
            for n, (area, score) in enumerate(zip(record["areas"], record["scores"], strict=True))
        ]

    def iou_of(image: int, _: int) -> Floats:
        return _dense(records[image])

    evaluator = COCOeval_faster(
        *(
            COCO({"images": images, "categories": [{"id": 0}], "annotations": annotations})
            for annotations in (truth, found)
        ),
        # Neither masks nor boxes reach the evaluator: it asks for IoUs, and those are at hand.
        iouType="bbox",
    )
    evaluator.computeIoU = iou_of
    evaluator.params.maxDets = list(max_detections)
    evaluator.evaluate()
    evaluator.accumulate()
    precision, recall = evaluator.eval["precision"], evaluator.eval["recall"]
    return np.asarray(precision)[:, :, 0], np.asarray(recall)[:, 0]


def _place(image: int) -> dict[str, int]:
    return {"image_id": image, "category_id": 0}


def _dense(record: dict[str, Any]) -> Floats:
    iou = np.zeros((len(record["scores"]), len(record["true_areas"])))
    for found, true, value in record["iou"]:
        iou[found, true] = value
    return iou
