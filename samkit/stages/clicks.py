"""Simulated clicks: every true object is clicked, looked at, corrected, looked at again."""

import itertools
import os
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from samkit.ops.points import Click, center_point, random_point
from samkit.pipeline import Stage
from samkit.sam.family import SamModel
from samkit.stages.clicked_object import Answer, ClickedObject
from samkit.types import Prompts, Sample
from samkit.types.clicks import ClickResults

# Objects that are worked on together: bounds the low-resolution logits that exist at a time.
OBJECTS_AT_ONCE = 128


@dataclass(frozen=True, repr=False)
class Clicks(Stage):
    """Clicks on every true object, each next one where the answer errs most (paper 7.1, D.1).

    num_clicks: after how many clicks figures are wanted, ascending; as many as the last are made.
    feedback: "logits" gives the model its last answer's logits together with all clicks so far, as
        the paper trains it; "none" gives it the clicks only. The paper does not say which it does
        at evaluation.
    first: the first prompt, "center" of the object (farthest from its border), a "random" pixel of
        it, or its true "box", which then counts as the first click.
    include_crowd: also click on regions of many objects (COCO's `iscrowd`).
    most_objects: of an image with more, so many are drawn at random; None takes all.
    seed: of all that is drawn at random, which depends on it and on the sample's id alone.

    After one click the mask with the highest predicted IoU is taken of those the model gives, later
    the single mask. IoU is measured at the size of the image; pixels that the annotations ignore
    count neither way. An object whose mask is faultless is not clicked any more and keeps it.
    `sample.clicks` becomes a `ClickResults`.

    Raises ValueError for annotations without masks or of another size than the image, and for
    feedback="logits" with a model that gives none.
    """

    sam: SamModel
    num_clicks: tuple[int, ...] = (1, 2, 3, 5, 9)
    feedback: Literal["logits", "none"] = "logits"
    first: Literal["center", "random", "box"] = "center"
    include_crowd: bool = field(default=False, kw_only=True)
    most_objects: int | None = field(default=None, kw_only=True)
    seed: int = field(default=0, kw_only=True)

    reads = ("embedding", "annotations")
    writes = ("clicks",)

    def __post_init__(self) -> None:
        counts = list(self.num_clicks)
        if not counts or counts[0] < 1 or counts != sorted(set(counts)):
            raise ValueError(f"num_clicks are ascending numbers from 1, got {self.num_clicks}")
        if self.feedback not in ("logits", "none"):
            raise ValueError(f"feedback is 'logits' or 'none', got {self.feedback!r}")
        if self.first not in ("center", "random", "box"):
            raise ValueError(f"first is 'center', 'random' or 'box', got {self.first!r}")

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        objects = [self._objects(sample) for sample in samples]
        todo = (target for own in objects for target in own if target.pixels)
        with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="samkit-clicks") as pool:
            while together := list(itertools.islice(todo, OBJECTS_AT_ONCE)):
                self._play(together, pool)
        return [
            sample.replace(clicks=_results(own, self.num_clicks))
            for sample, own in zip(samples, objects, strict=True)
        ]

    def _objects(self, sample: Sample) -> list[ClickedObject]:
        truth, embedding = sample.annotations, sample.embedding
        assert truth is not None and embedding is not None, "the pipeline checks what a stage reads"
        if truth.run_lengths is None:
            raise ValueError(
                f"sample {sample.id!r} has boxes only; Clicks needs annotations with masks"
            )
        if truth.size != embedding.frame.original_size:
            raise ValueError(
                f"the image of sample {sample.id!r} is {embedding.frame.original_size} (height, "
                f"width), its annotations {truth.size}"
            )
        crowd = np.zeros(len(truth), bool) if truth.is_crowd is None else truth.is_crowd
        chosen = np.arange(len(truth)) if self.include_crowd else np.flatnonzero(~crowd)
        if self.most_objects is not None and len(chosen) > self.most_objects:
            drawn = self._rng(sample).choice(chosen, self.most_objects, replace=False)
            chosen = np.sort(drawn)
        return [ClickedObject(sample, truth, embedding, int(number)) for number in chosen]

    def _play(self, objects: Sequence[ClickedObject], pool: ThreadPoolExecutor) -> None:
        for target, prompt in zip(objects, pool.map(self._first, objects), strict=True):
            target.prompt(prompt)
        for turn in range(self.num_clicks[-1]):
            asked = [target for target in objects if len(target.points) == turn + 1]
            answers = self._answers(asked, multimask_output=turn == 0)
            last = turn + 1 == self.num_clicks[-1]
            list(pool.map(ClickedObject.hear, asked, answers, itertools.repeat(last)))

    def _first(self, target: ClickedObject) -> Click | None:
        if self.first == "box":
            return None
        mask = target.mask
        if self.first == "center":
            xy = center_point(mask.pixels)
        else:
            xy = random_point(mask.pixels, self._rng(target.sample, target.number))
        return xy + np.array([mask.left, mask.top], dtype=np.float32), 1

    def _rng(self, sample: Sample, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(str(sample.id).encode()), *numbers])

    def _answers(self, asked: Sequence[ClickedObject], multimask_output: bool) -> list[Answer]:
        """What each object was answered."""
        groups = [list(own) for _, own in itertools.groupby(asked, lambda o: id(o.sample))]
        prompts = [self._prompts(own) for own in groups]
        embeddings = [own[0].embedding for own in groups]
        found: list[Answer] = []
        for own, masks in zip(
            groups, self.sam.decode(embeddings, prompts, multimask_output), strict=True
        ):
            if self.feedback == "logits" and masks.logits is None and self.num_clicks[-1] > 1:
                raise ValueError(f"{self.sam.name} gives no logits; use Clicks(feedback='none')")
            each = len(masks) // len(own)
            found += [(masks, slice(place, place + each)) for place in range(0, len(masks), each)]
        return found

    def _prompts(self, own: Sequence[ClickedObject]) -> Prompts:
        skip = 1 if self.first == "box" else 0
        clicked = len(own[0].points) > skip
        back = self.feedback == "logits" and own[0].logits is not None
        return Prompts(
            points=[np.array(target.points[skip:]) for target in own] if clicked else None,
            labels=[target.labels[skip:] for target in own] if clicked else None,
            boxes=np.stack([target.box for target in own]) if skip else None,
            masks=[target.logits for target in own] if back else None,
        )


def _results(objects: Sequence[ClickedObject], num_clicks: tuple[int, ...]) -> ClickResults:
    played = [target for target in objects if target.iou]
    most = num_clicks[-1]

    def table(rows: list[list[float]]) -> NDArray[np.float64]:
        """Rows filled up with their last value: a faultless mask stays what it is."""
        full = [row + row[-1:] * (most - len(row)) for row in rows]
        return np.array(full, dtype=np.float64).reshape(len(rows), most)

    points = np.full((len(played), most, 2), np.nan, dtype=np.float32)
    labels = np.full((len(played), most), -1, dtype=np.int64)
    for row, target in enumerate(played):
        points[row, : len(target.points)] = target.points
        labels[row, : len(target.labels)] = target.labels
    return ClickResults(
        num_clicks,
        np.array([target.number for target in played], dtype=np.int64),
        np.array([target.number for target in objects if not target.iou], dtype=np.int64),
        table([target.iou for target in played]),
        table([target.predicted_iou for target in played]),
        np.array([target.oracle for target in played], dtype=np.float64),
        np.array([target.agreement for target in played], dtype=np.float64),
        points,
        labels,
    )
