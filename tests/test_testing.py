"""The laws as a checker: good stages pass, and each law can be broken and is then named."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from samkit.pipeline import Pipeline, Stage
from samkit.testing import check_stage, example_samples
from samkit.testing.differences import difference, pixels_apart
from samkit.types import Frame, Masks, Prompts, Sample
from tests.stand_ins import Encode, FillBoxes, TrueBoxes


@dataclass(frozen=True, repr=False)
class Top(Stage):
    """The best mask of each picture."""

    count: int = 1
    reads = ("masks",)
    writes = ("masks",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [
            s.replace(masks=s.masks[np.argsort(-s.masks.scores)[: self.count]]) for s in samples
        ]


class Stand(Stage):
    """Any function of samples as a stage, to break laws with."""

    def __init__(
        self, act: Callable[[Any], Any], reads: Any = (), writes: Any = ("edges",)
    ) -> None:
        self.act, self.reads, self.writes = act, reads, writes  # type: ignore[misc]

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        answer: list[Sample] = self.act(samples)
        return answer


def edges(sample: Sample, value: Any) -> Sample:
    return sample.replace(edges=np.full(sample.image.shape[:2], value, np.float32))


def each(change: Callable[[Sample], Sample]) -> Callable[[Any], list[Sample]]:
    return lambda samples: [change(sample) for sample in samples]


def test_example_samples_cover_what_laws_speak_of() -> None:
    samples = example_samples()
    assert len({sample.image.shape for sample in samples}) == len(samples) == 5
    assert [len(sample.annotations) for sample in samples] == [3, 1, 0, 1, 2]
    assert samples[3].image.shape == (1, 1, 3)
    for sample, again in zip(samples, example_samples(), strict=True):
        assert difference(vars(sample), vars(again)) is None
        truth = sample.annotations
        masks = Masks.from_binary(truth.binary()) if len(truth) else None
        assert masks is None or masks.areas().all()
        assert not truth.binary().sum(axis=0).max(initial=0) > 1  # pixels that show belong to one
        if masks is not None:  # boxes end behind the last pixel, as COCO's do
            np.testing.assert_array_equal(masks.boxes() + np.array([0, 0, 1, 1]), truth.boxes)
    assert samples[0].image[20, 16].tolist() == [220, 40, 30]
    assert samples[0].annotations.captions == ("a red disc", "a green square", "a blue disc")


@pytest.mark.parametrize(
    ("stage", "before"),
    [
        (TrueBoxes(), None),
        (Encode(), None),
        (FillBoxes(), TrueBoxes() | Encode()),
        (Top(), TrueBoxes() | Encode() | FillBoxes()),
        (TrueBoxes() | Encode() | FillBoxes() | Top(), None),
        (Pipeline(), None),
        (Stand(each(lambda s: edges(s, s.image.mean()))), None),
    ],
)
def test_good_stages_pass(stage: Stage, before: Stage | None) -> None:
    check_stage(stage, before)


def test_own_samples() -> None:
    sample = Sample(id=1, image=lambda: np.zeros((5, 5, 3), np.uint8))
    check_stage(Stand(each(lambda s: edges(s, 1))), samples=[sample])
    with pytest.raises(ValueError, match="TrueBoxes reads annotations"):
        check_stage(TrueBoxes(), samples=[sample])


def brighter_than_the_batch(samples: Sequence[Sample]) -> list[Sample]:
    mean = np.mean([sample.image.mean() for sample in samples]) if samples else 0
    return [edges(sample, sample.image.mean() - mean) for sample in samples]


def in_place(sample: Sample) -> Sample:
    sample.image[0, 0] += 1
    return edges(sample, 1)


def fill(pixels: Callable[[int, Any], Any]) -> Callable[[Any], list[Sample]]:
    """A mask per picture whose pixels depend on how many pictures there are."""

    def act(samples: Sequence[Sample]) -> list[Sample]:
        return [
            s.replace(masks=Masks.from_binary(pixels(len(samples), s.image[None, ..., 0] > 120)))
            for s in samples
        ]

    return act


def flip_one_pixel(count: int, masks: Any) -> Any:
    masks[0, 0, 0] ^= count > 1
    return masks


def flip_in_one_picture(count: int, masks: Any) -> Any:
    """One of 14,630 pixels: less than 0.01 %."""
    if masks.shape[1:] == (60, 90):
        flip_one_pixel(count, masks)
    return masks


def scored(error: float, logits: bool = False) -> Callable[[Any], list[Sample]]:
    """Masks whose scores, or logits, are off by so much in a batch."""

    def act(samples: Sequence[Sample]) -> list[Sample]:
        off = error * (len(samples) > 1)
        answers = []
        for sample in samples:
            masks = Masks(
                Frame.fit(sample.image.shape[:2], 16),
                logits=torch.full((1, 4, 4), 2.0 + off * logits),
                predicted_iou=np.full(1, 0.5 + off * (not logits), np.float32),
            )
            answers.append(sample.replace(masks=masks))
        return answers

    return act


def prompts_off_by(error: float) -> Callable[[Any], list[Sample]]:
    def act(samples: Sequence[Sample]) -> list[Sample]:
        box = [[0, 0, 5, 5 + error * (len(samples) > 1)]]
        return [sample.replace(prompts=Prompts.from_boxes(box)) for sample in samples]

    return act


def first_mask(sample: Sample) -> Sample:
    return edges(sample, sample.masks.scores[0])


counter = itertools.count()
MASKS = TrueBoxes() | Encode() | FillBoxes()


@pytest.mark.parametrize(
    ("law", "told", "stage", "before"),
    [
        (1, "came out", Stand(lambda s: [edges(x, 1) for x in s[:2]]), None),
        (1, "came out", Stand(lambda s: [edges(x, 1) for x in s[::-1]]), None),
        (1, "came out", Stand(each(lambda s: edges(s, 1).replace(id="x"))), None),
        (1, "returned tuple", Stand(lambda s: tuple(edges(x, 1) for x in s)), None),
        (1, r"samples \[\] raised IndexError", Stand(lambda s: [s[0], *s[1:]]), None),
        (2, "edges differs by", Stand(brighter_than_the_batch), None),
        (2, "pixels differ", Stand(fill(flip_one_pixel), writes=("masks",)), None),
        (2, "predicted_iou differs by 0.0001", Stand(scored(1e-4), writes=("masks",)), None),
        (2, "logits differs", Stand(scored(1e-2, logits=True), writes=("masks",)), None),
        (2, "prompts.boxes differs by 0.1", Stand(prompts_off_by(0.1), writes=("prompts",)), None),
        (3, "writes nothing.*edges", Stand(each(lambda s: edges(s, 1)), writes=()), None),
        (3, "no field 'edge'", Stand(each(lambda s: edges(s, 1)), writes=("edge", "edges")), None),
        (3, "changed in place: .*image", Stand(each(in_place)), None),
        (3, "raised TypeError", Stand(each(lambda s: edges(s, len(s.annotations)))), None),
        (
            3,
            r"not declare as read \(.*annotations.*edges differs",
            Stand(each(lambda s: edges(s, s.annotations is None))),
            None,
        ),
        (4, r"\['pixel'\]", Stand(each(lambda s: edges(s, s.image[1, 1, 0]))), None),
        (4, r"\['nothing'\]", Stand(each(first_mask), reads=("masks",)), MASKS),
        (
            4,
            "raised",
            Stand(each(lambda s: edges(s, s.prompts.boxes.sum())), reads=("prompts",)),
            TrueBoxes(),
        ),
        (5, "called twice: .*edges", Stand(each(lambda s: edges(s, next(counter)))), None),
    ],
)
def test_each_law_can_be_broken_and_is_named(
    law: int, told: str, stage: Stage, before: Stage | None
) -> None:
    with pytest.raises(AssertionError, match=f"Stand breaks law {law} .*{told}"):
        check_stage(stage, before)


@pytest.mark.parametrize(
    "act", [fill(flip_in_one_picture), scored(4e-6), scored(1e-4, logits=True)]
)
def test_what_the_second_law_allows(act: Any) -> None:
    check_stage(Stand(act, writes=("masks",)))


def test_pixels_apart_counts_full_size_pixels() -> None:
    pixels = np.zeros((2, 4, 5), dtype=bool)
    other = pixels.copy()
    other[1, 2, :3] = True
    assert pixels_apart(Masks.from_binary(pixels), Masks.from_binary(other)) == (3, 40)
    assert pixels_apart(None, None) == (0, 0)


@pytest.mark.parametrize(
    ("a", "b", "tolerance", "told"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0, None),
        ([1.0, 2.0], [1.0, 2.1], 0.01, "value[1] differs by 0.1"),
        ([1.0, 2.0], [1.0, 2.01], 0.01, None),
        ({"x": 1}, {"x": 1, "y": 2}, 0, "value has ['x'] and ['x', 'y']"),
        (np.zeros(2), np.zeros(3), 0, "value is (2,) float64 and (3,) float64"),
        (np.zeros(2), np.zeros(2, np.float32), 0, "value is (2,) float64 and (2,) float32"),
        (np.array([np.nan, 1]), np.array([np.nan, 1]), 0, None),
        (np.array([np.nan, 1]), np.array([1, 1.0]), 1, "value is finite in different places"),
        (np.array([1e4]), np.array([1e4 + 0.05]), 1e-5, None),
        (torch.ones(2), torch.ones(2), 0, None),
        (torch.ones(2, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.bfloat16), 0.1, "1"),
        (None, Prompts(), 0, "value is NoneType and Prompts"),
        (Prompts(), Prompts(), 0, None),
        (("a", 1), ("a", 2), 0, "value[1] is 1 and 2"),
    ],
)
def test_differences_are_told_in_words(a: Any, b: Any, tolerance: float, told: str | None) -> None:
    found = difference(a, b, tolerance)
    assert found is None if told is None else told in (found or "")
