"""The five laws that every stage obeys, checked by running it."""

import copy
from collections.abc import Iterator, Sequence

from samkit.pipeline import Pipeline, Stage
from samkit.testing.differences import difference, pixels_apart
from samkit.testing.examples import example_samples
from samkit.types import Prompts, Sample
from samkit.types.sample import FIELDS

LAWS = {
    1: "ids and order are kept, and as many samples come out as go in",
    2: "batching never changes an answer",
    3: "only declared fields are read and written",
    4: "zero prompts, zero masks and one-pixel images pass through",
    5: "the same input gives the same output",
}
SCORES_TOLERANCE = 1e-5
PIXELS_TOLERANCE = 1e-4


def check_stage(
    stage: Stage, before: Stage | None = None, samples: Sequence[Sample] | None = None
) -> None:
    """Runs a stage every way the laws speak of.

    before: a stage or pipeline that makes what this one reads, e.g. `GroundTruthBoxes() | Embed(sam)`.
    samples: what to check with, a few of different sizes; `example_samples()` where not given. The
        fourth law is checked on what they hold, and with their prompts and masks taken away.

    Law 2 allows 0.01 % of all mask pixels to differ between one by one and together, and numbers by
    1e-5 of the largest magnitude (logits and embeddings by 1e-4); repeated calls must agree bit for
    bit. A stage needs no field that it does not declare in `reads`, except `image`.

    Raises AssertionError that names the law and the difference.
    """
    given = [sample.loaded() for sample in (example_samples() if samples is None else samples)]
    inputs = given if before is None else before(given)
    (Pipeline() | stage).check(inputs)
    untouched = copy.deepcopy(inputs)

    alone = [_call(stage, [sample], 4 if _is_special(sample) else 1)[0] for sample in inputs]
    for emptied in _emptied(inputs):
        _call(stage, emptied, 4)
    together = _call(stage, inputs, 1)
    if _call(stage, [], 1):
        _fail(stage, 1, "no samples went in and some came out")

    _check_fields(stage, inputs, together)
    _compare(stage, 3, untouched, inputs, "its input was changed in place")
    _compare(stage, 5, together, _call(stage, inputs, 5), "called twice")
    undeclared = [f for f in FIELDS if f not in ("id", "image", *stage.reads)]
    bare = [sample.replace(**dict.fromkeys(undeclared)) for sample in inputs]
    _compare(
        stage,
        3,
        [_only(sample, stage.writes) for sample in together],
        [_only(sample, stage.writes) for sample in _call(stage, bare, 3)],
        f"with and without fields that it does not declare as read ({', '.join(undeclared)})",
    )
    _check_batching(stage, alone, together)


def _call(stage: Stage, samples: Sequence[Sample], law: int) -> list[Sample]:
    """The stage's answer, held to the first law. An error breaks the law that is being checked."""
    ids = [sample.id for sample in samples]
    try:
        answer = stage(samples)
    except Exception as error:
        text = f"samples {ids} raised {type(error).__name__}: {error}"
        raise AssertionError(_broken(stage, law, text)) from error
    if not isinstance(answer, list):
        _fail(stage, 1, f"it returned {type(answer).__name__}, not a list")
    if [sample.id for sample in answer] != ids:
        _fail(stage, 1, f"{ids} went in and {[sample.id for sample in answer]} came out")
    return answer


def _check_fields(stage: Stage, inputs: Sequence[Sample], outputs: Sequence[Sample]) -> None:
    unknown = [field for field in (*stage.reads, *stage.writes) if field not in FIELDS]
    if unknown:
        _fail(stage, 3, f"a sample has no field {unknown[0]!r}; it has {', '.join(FIELDS)}")
    kept = [field for field in FIELDS if field not in stage.writes]
    before, after = ([_only(s, kept) for s in samples] for samples in (inputs, outputs))
    _compare(stage, 3, before, after, f"it writes {', '.join(stage.writes) or 'nothing'}")


def _check_batching(stage: Stage, alone: Sequence[Sample], together: Sequence[Sample]) -> None:
    what = "one by one and together"
    one_by_one, batch = ([_only(s, FIELDS) for s in samples] for samples in (alone, together))
    _compare(stage, 2, one_by_one, batch, what, SCORES_TOLERANCE)
    counts = [pixels_apart(a.masks, b.masks) for a, b in zip(alone, together, strict=True)]
    apart, total = (sum(column) for column in zip(*counts, strict=True))
    if apart > PIXELS_TOLERANCE * total:
        _fail(stage, 2, f"{what}, {apart} of {total} mask pixels differ")


def _compare(
    stage: Stage,
    law: int,
    a: Sequence[object],
    b: Sequence[object],
    what: str,
    tolerance: float = 0,
) -> None:
    for first, second in zip(a, b, strict=True):
        found = difference(first, second, tolerance, "sample")
        if found is not None:
            _fail(stage, law, f"{what}: {found}")


def _only(sample: Sample, names: Sequence[str]) -> dict[str, object]:
    return {"id": sample.id, **{name: getattr(sample, name) for name in names}}


def _is_special(sample: Sample) -> bool:
    contents = (sample.annotations, sample.prompts, sample.masks)
    return sample.image.shape[:2] == (1, 1) or any(c is not None and not len(c) for c in contents)


def _emptied(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Two samples with no prompts or masks left: as empty fields of the same kinds, and of none."""
    for none_asked in (lambda prompts: prompts[:0], lambda prompts: Prompts()):
        if {"prompts", "masks"} & {name for sample in samples for name in sample.known()}:
            yield [
                sample.replace(
                    prompts=None if sample.prompts is None else none_asked(sample.prompts),
                    masks=None if sample.masks is None else sample.masks[:0],
                )
                for sample in samples[:2]
            ]


def _fail(stage: Stage, law: int, text: str) -> None:
    raise AssertionError(_broken(stage, law, text))


def _broken(stage: Stage, law: int, text: str) -> str:
    return f"{type(stage).__name__} breaks law {law} ({LAWS[law]}): {text}"
