"""Boxes of somebody's detector, read from a results file."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from samkit.ops.boxes import FARTHEST, xywh_to_xyxy
from samkit.ops.json_text import parse_json
from samkit.pipeline import Stage
from samkit.types import Prompts, Sample
from samkit.types.sample import SampleId

Row = tuple[list[float], int, float]
NO_BOXES = Prompts.from_boxes([], class_ids=[], scores=[])


@dataclass(frozen=True, repr=False)
class BoxesFromFile(Stage):
    """Box prompts that somebody's detector left in a COCO results file.

    path: JSON list of {"image_id", "category_id", "bbox": [x, y, width, height], "score"}, such as
        the published ViTDet-H files; masks in it are not looked at. Boxes belong to the sample
        whose id is their image_id and keep the file's order; a sample without any gets zero prompts.

    The file is read once, at the first call. It goes by its name and content in `repr`.
    Raises FileNotFoundError at once, and ValueError with the record's number when the file is read.
    """

    path: str | Path

    reads = ()
    writes = ("prompts",)

    def __post_init__(self) -> None:
        if not Path(self.path).is_file():
            raise FileNotFoundError(f"no file of boxes at {self.path}")

    def __repr__(self) -> str:
        return f"BoxesFromFile({Path(self.path).name!r}, sha256={self._content[0][:12]!r})"

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        boxes = self._content[1]
        return [sample.replace(prompts=boxes.get(sample.id, NO_BOXES)) for sample in samples]

    def check(self, ids: Iterable[SampleId]) -> None:
        """Raises ValueError where no box belongs to any of the sample ids: file and data do not fit."""
        boxes, ids = self._content[1], list(ids)
        if boxes.keys().isdisjoint(ids):
            raise ValueError(
                f"{Path(self.path).name} has no box for any of the {len(ids)} samples: its image ids are "
                f"like {_some(boxes)}, the samples' like {_some(ids)}; is it made for other data?"
            )

    @cached_property
    def _content(self) -> tuple[str, dict[SampleId, Prompts]]:
        """The sha256 of the file and each image's boxes."""
        raw = Path(self.path).read_bytes()
        try:
            records = parse_json(raw)
        except ValueError as error:
            raise ValueError(f"{self.path} is no JSON: {error}") from error
        if not isinstance(records, list):
            raise ValueError(
                f"{self.path} holds a {type(records).__name__}, not a list of results; an annotations "
                "file is read by samkit.data.coco, and its boxes are prompts with GroundTruthBoxes()"
            )
        rows: dict[SampleId, list[Row]] = defaultdict(list)
        for number, record in enumerate(records):
            try:
                image_id, row = _parse(record)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
                raise ValueError(f"{self.path}, record {number}: {reason}") from error
            rows[image_id].append(row)
        return hashlib.sha256(raw).hexdigest(), {
            image_id: _to_prompts(its_rows) for image_id, its_rows in rows.items()
        }


def _parse(record: Any) -> tuple[SampleId, Row]:
    """image_id and (xywh, category_id, score) of one record; raises what is wrong with it."""
    if not isinstance(record, dict):
        raise TypeError(
            f"expected an object with image_id, category_id, bbox, score; got {record!r}"
        )
    image_id, bbox = record["image_id"], [float(value) for value in record["bbox"]]
    if not isinstance(image_id, int | str) or isinstance(image_id, bool):
        raise TypeError(f"image_id is a number or a text, got {image_id!r}")
    if len(bbox) != 4 or not all(abs(v) < FARTHEST / 2 for v in bbox) or min(bbox[2:]) < 0:
        raise ValueError(
            f"bbox is [x, y, width, height] in pixels, neither size negative, got {bbox}"
        )
    score, category_id = float(record["score"]), record["category_id"]
    if not abs(score) < 1e38:  # neither for NaN, nor beyond float32
        raise ValueError(f"score is a finite number, got {score}")
    if type(category_id) is not int or abs(category_id) >= 2**63:
        raise ValueError(f"category_id is a whole number, got {category_id!r}")
    return image_id, (bbox, category_id, score)


def _to_prompts(rows: list[Row]) -> Prompts:
    boxes, class_ids, scores = zip(*rows, strict=True)
    return Prompts.from_boxes(xywh_to_xyxy(boxes), class_ids=class_ids, scores=scores)


def _some(ids: Iterable[SampleId]) -> str:
    return ", ".join(repr(image_id) for image_id, _ in zip(ids, range(3), strict=False)) or "none"
