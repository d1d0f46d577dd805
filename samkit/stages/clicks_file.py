"""Another method's masks, read from a file, as if they had been clicked for: for the same tables."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from samkit.ops import rle
from samkit.ops.json_text import parse_json
from samkit.ops.masks import pair_iou
from samkit.pipeline import Stage
from samkit.types import Annotations, Sample
from samkit.types.clicks import ClickResults
from samkit.types.sample import SampleId

Key = tuple[SampleId, int, int]  # image, object, clicks


@dataclass(frozen=True, repr=False)
class ClicksFromFile(Stage):
    """The IoU of masks that another method made for every true object, from a file.

    path: JSON list of {"image_id", "annotation_id", "segmentation", "clicks"}. image_id is the
        sample's id; annotation_id that of the object, or its place counted from 0 in data without
        annotation ids; segmentation as COCO's, at the image's size; clicks how many prompts it took,
        1 where not given. A key "score" is taken for the predicted IoU, 1 where not given.
    num_clicks: after how many prompts figures are wanted, ascending.

    Objects are those that `Clicks` takes: no crowds, and at least one pixel that counts. Points are
    not known. The file is read once, at the first call, and goes by its name and content in `repr`.

    Raises FileNotFoundError at once; ValueError for a file of another form, and for a sample of which
    an object has no mask: a method is not measured on those it likes.
    """

    path: str | Path
    num_clicks: tuple[int, ...] = (1,)

    reads = ("annotations",)
    writes = ("clicks",)

    def __post_init__(self) -> None:
        if not Path(self.path).is_file():
            raise FileNotFoundError(f"no file of masks at {self.path}")

    def __repr__(self) -> str:
        name, content = Path(self.path).name, self._content[0][:12]
        return f"ClicksFromFile({name!r}, sha256={content!r}, num_clicks={self.num_clicks})"

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(clicks=self._results(sample)) for sample in samples]

    def _results(self, sample: Sample) -> ClickResults:
        truth = sample.annotations
        assert truth is not None, "the pipeline checks what a stage reads"
        if truth.run_lengths is None:
            raise ValueError(f"sample {sample.id!r} has boxes only, no masks to be compared with")
        crowd = np.zeros(len(truth), bool) if truth.is_crowd is None else truth.is_crowd
        masks = {int(n): _counted(truth, truth.run_lengths[n]) for n in np.flatnonzero(~crowd)}
        objects = [number for number, mask in masks.items() if mask.any()]
        iou = np.zeros((len(objects), self.num_clicks[-1]))
        score = np.zeros_like(iou)
        for row, number in enumerate(objects):
            for clicks in self.num_clicks:
                record = self._record(sample.id, truth, number, clicks)
                found = rle.from_coco(record["segmentation"], *truth.size)
                iou[row, clicks - 1 :] = pair_iou(_counted(truth, found), masks[number])
                score[row, clicks - 1 :] = record.get("score", 1.0)
        return ClickResults(
            self.num_clicks,
            np.array(objects, dtype=np.int64),
            np.array([n for n in masks if n not in objects], dtype=np.int64),
            iou,
            score,
            iou[:, 0].copy(),
            np.full(len(objects), np.nan),
            np.full((*iou.shape, 2), np.nan, dtype=np.float32),
            np.full(iou.shape, -1, dtype=np.int64),
        )

    def _record(
        self, image_id: SampleId, truth: Annotations, number: int, clicks: int
    ) -> Mapping[str, Any]:
        name = number if truth.ids is None else int(truth.ids[number])
        record = self._content[1].get((image_id, name, clicks))
        if record is None:
            raise ValueError(
                f"{Path(self.path).name} has no mask for image_id {image_id!r}, annotation_id {name}, "
                f"clicks {clicks}; every object needs one"
            )
        return record

    @cached_property
    def _content(self) -> tuple[str, dict[Key, Mapping[str, Any]]]:
        """The sha256 of the file, and its records."""
        raw = Path(self.path).read_bytes()
        records = parse_json(raw)
        if not isinstance(records, list):
            raise ValueError(f"{self.path} holds a {type(records).__name__}, not a list of masks")
        found: dict[Key, Mapping[str, Any]] = {}
        for number, record in enumerate(records):
            wanted = {"image_id", "annotation_id", "segmentation"}
            if not isinstance(record, dict) or not wanted <= record.keys():
                raise ValueError(f"{self.path}, record {number} lacks one of {sorted(wanted)}")
            key = (record["image_id"], record["annotation_id"], record.get("clicks", 1))
            if key in found:
                raise ValueError(f"{self.path}, record {number} is a second mask for {key}")
            found[key] = record
        return hashlib.sha256(raw).hexdigest(), found


def _counted(truth: Annotations, run_length: rle.RLE) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """A mask without the pixels that don't count."""
    masks = rle.decode([run_length] if truth.ignored is None else [run_length, truth.ignored])
    return np.asarray(masks[0] if len(masks) == 1 else masks[0] & ~masks[1])
