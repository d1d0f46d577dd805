"""Average precision of masks, the way COCO and LVIS count it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from samkit.metrics.average_precision import Objects, accumulate, compare
from samkit.metrics.objects import found_objects, true_objects, truth_and_masks
from samkit.types import Annotations, Masks, Sample
from samkit.types.sample import SampleId

Row = dict[str, Any]

COCO_LIMITS = (1, 10, 100)  # detections per class of an image
LVIS_LIMIT = 300  # detections of an image, all classes together
SIZES = ("", "s", "m", "l")
FREQUENCIES = ("r", "c", "f")


@dataclass(frozen=True)
class Federated:
    """What LVIS knows of one image besides its objects.

    negative: classes that are certainly not in the image. not_exhaustive: classes of which more
    objects may be there than are marked. frequency: "r", "c" or "f" of every class.
    """

    negative: Iterable[int] = ()
    not_exhaustive: Iterable[int] = ()
    frequency: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MaskAP:
    """Average precision and recall of `sample.masks` against `sample.annotations`.

    iou_type: "segm" compares masks; "bbox" compares the boxes around them.
    lvis: LVIS's rules: the best 300 detections of an image count, those of classes that nobody
        looked for are dropped, wrong ones of classes not marked exhaustively cost nothing.
        Otherwise COCO's: the best 100 of each class of an image count, crowds are ignored.
    class_agnostic: any found object may match any true one, COCOeval's `useCats = 0`.

    A detection's size is its mask's area, a true object's what the dataset states.

    `summarise` gives fractions, -1 where no true object falls in: AP, AP50, AP75, APs, APm, APl,
    AR1, AR10, AR100, ARs, ARm, ARl; with `lvis` not these ARs but AR@300, ARs@300, ARm@300 and
    ARl@300, and by class frequency APr, APc, APf.

    Raises ValueError for an unknown iou_type, and for `class_agnostic` with `lvis`: precision means
    nothing where most objects are unmarked (R. Girshick, lvis-api pull request 36).

    >>> MaskAP().summarise([])["AP"]
    -1.0
    """

    iou_type: Literal["segm", "bbox"] = "segm"
    lvis: bool = False
    class_agnostic: bool = False

    def __post_init__(self) -> None:
        if self.iou_type not in ("segm", "bbox"):
            raise ValueError(f"iou_type is 'segm' or 'bbox', got {self.iou_type!r}")
        if self.lvis and self.class_agnostic:
            raise ValueError(
                "class-agnostic precision means nothing on LVIS, where most objects are unmarked; "
                "use MaskAR for recall without classes"
            )

    def score(self, sample: Sample) -> Row:
        """One image's row. Raises ValueError where truth, masks or their classes are missing."""
        annotations, masks = truth_and_masks(sample)
        labels = Federated(
            annotations.negative_class_ids,
            annotations.not_exhaustive_class_ids,
            annotations.class_frequency,
        )
        truth = true_objects(annotations, self.iou_type)
        found = found_objects(masks, self.iou_type, self._class_ids(masks, annotations))
        return self.score_objects(sample.id, truth, found, labels)

    def score_objects(
        self, image_id: SampleId, truth: Objects, found: Objects, labels: Federated
    ) -> Row:
        """The same for objects that come from elsewhere, such as a results file."""
        if self.class_agnostic:
            truth, found = truth.without_classes(), found.without_classes()
        if not self.lvis:
            return {"image_id": image_id, "classes": compare(truth, found, COCO_LIMITS[-1])}
        if len(found) > LVIS_LIMIT:
            found = found.best(LVIS_LIMIT)
        looked_for = {*truth.class_ids.tolist(), *labels.negative}
        found = found[np.flatnonzero([c in looked_for for c in found.class_ids.tolist()])]
        records = compare(truth, found, LVIS_LIMIT)
        for record in records:
            record["not_exhaustive"] = record["class_id"] in labels.not_exhaustive
            record["frequency"] = _frequency(labels.frequency, record["class_id"])
        return {"image_id": image_id, "classes": records}

    def summarise(self, rows: Iterable[Row]) -> dict[str, float]:
        """The metrics of all images. The order of rows changes nothing: that of ids is taken."""
        by_class: dict[int, list[dict[str, Any]]] = {}
        for row in sorted(rows, key=lambda row: _sort_key(row["image_id"])):
            for record in row["classes"]:
                by_class.setdefault(record["class_id"], []).append(record)
        # A class without any true object has no precision; COCO leaves it out of the mean.
        known = {c: r for c, r in sorted(by_class.items()) if any(x["true_areas"] for x in r)}
        limits = (LVIS_LIMIT,) if self.lvis else COCO_LIMITS
        parts = [accumulate(records, limits) for records in known.values()]
        precision = np.stack([p for p, _ in parts]) if parts else np.zeros((0, 10, 101, 4, 3))
        recall = np.stack([r for _, r in parts]) if parts else np.zeros((0, 10, 4, 3))

        summary = {
            "AP": _mean(precision[:, :, :, 0, -1]),
            "AP50": _mean(precision[:, 0, :, 0, -1]),
            "AP75": _mean(precision[:, 5, :, 0, -1]),
        }
        summary |= {f"AP{SIZES[a]}": _mean(precision[:, :, :, a, -1]) for a in (1, 2, 3)}
        if not self.lvis:
            summary |= {f"AR{n}": _mean(recall[:, :, 0, m]) for m, n in enumerate(COCO_LIMITS)}
            return summary | {f"AR{SIZES[a]}": _mean(recall[:, :, a, -1]) for a in (1, 2, 3)}
        frequency = np.array([records[0]["frequency"] for records in known.values()], dtype=str)
        for letter in FREQUENCIES:
            summary[f"AP{letter}"] = _mean(precision[frequency == letter][:, :, :, 0, -1])
        return summary | {
            f"AR{size}@{LVIS_LIMIT}": _mean(recall[:, :, a, -1]) for a, size in enumerate(SIZES)
        }

    def _class_ids(self, masks: Masks, annotations: Annotations) -> NDArray[np.int64]:
        class_ids = masks.class_ids
        if class_ids is None:
            if not self.class_agnostic:
                raise ValueError(
                    "the masks have no class_ids; give the prompts class_ids, "
                    "or use MaskAP(class_agnostic=True)"
                )
            return np.zeros(len(masks), dtype=np.int64)
        if annotations.class_names and not self.class_agnostic:
            unknown = sorted(set(class_ids.tolist()) - set(annotations.class_names))
            if unknown:
                raise ValueError(
                    f"masks have classes that the dataset has not: {unknown[:5]}; "
                    "map the detector's classes to the dataset's ids by their names"
                )
        return class_ids


def _frequency(frequency: Mapping[int, str], class_id: int) -> str:
    if frequency.get(class_id) not in FREQUENCIES:
        raise ValueError(
            f"class {class_id} has no frequency of 'r', 'c' or 'f'; read the data with "
            "samkit.data.lvis, or count the COCO way with MaskAP()"
        )
    return frequency[class_id]


def _sort_key(image_id: SampleId) -> tuple[bool, SampleId]:
    return isinstance(image_id, str), image_id


def _mean(values: NDArray[np.float64]) -> float:
    counted = values[values > -1]
    return float(counted.mean()) if counted.size else -1.0
