"""The grammar: what `a | b` does, what it refuses, and how little it holds in memory."""

import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samkit.pipeline import LoadError, Pipeline, Stage, describe, load_ahead
from samkit.testing import example_samples
from samkit.types import Sample
from tests.stand_ins import Brightness, Encode, FillBoxes, NamedSam, Pictures, TrueBoxes


@dataclass(frozen=True, repr=False)
class Note(Stage):
    """Writes down which samples came by, and whether they had an embedding."""

    seen: list[Any]
    phase = "note"

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        self.seen.append([(s.id, s.embedding is not None) for s in samples])
        return list(samples)


class NoteWithMasks(Note):
    """The same, where there are masks."""

    reads = ("masks",)


@dataclass(frozen=True, repr=False)
class Settings(Stage):
    """For what the repr shows."""

    detector: Any = None
    threshold: float = 0.5
    names: Any = ()


def detector(images: Any, confidence: float = 0.25) -> Any:
    """A function with a name."""


def test_stages_run_in_order_and_a_pipeline_is_a_stage() -> None:
    notes: list[Any] = []
    prepare = Note(notes) | TrueBoxes()
    pipeline = prepare | (Encode() | FillBoxes())
    assert [type(stage).__name__ for stage in pipeline.stages] == [
        "Note",
        "TrueBoxes",
        "Encode",
        "FillBoxes",
    ]
    assert set(pipeline.reads) == {"annotations", "image"}
    assert set(pipeline.writes) == {"prompts", "embedding", "masks"}
    samples = example_samples()
    answers = pipeline(samples)
    assert [s.id for s in answers] == [s.id for s in samples]
    assert [len(s.masks) for s in answers] == [3, 1, 0, 1, 2]
    assert notes == [[(s.id, False) for s in samples]]


def test_a_call_keeps_the_embedding_and_a_run_drops_it_after_its_last_reader() -> None:
    notes: list[Any] = []
    pipeline = TrueBoxes() | Encode() | Note(notes) | FillBoxes() | NoteWithMasks(notes)
    sample = example_samples()[0]
    assert pipeline([sample])[0].embedding is not None
    notes.clear()
    assert pipeline.run([sample])[0].embedding is None
    assert notes == [[(sample.id, True)], [(sample.id, False)]]
    # One that nobody reads is dropped at once, also in the middle.
    notes.clear()
    (Encode() | Note(notes)).run([sample])
    assert notes == [[(sample.id, False)]]


@pytest.mark.parametrize(
    ("pipeline", "told"),
    [
        (
            Encode() | FillBoxes(),
            r"FillBoxes reads prompts, which is not there; .* such as GroundTruthBoxes\(\)",
        ),
        (Pipeline([FillBoxes()]), r"FillBoxes reads embedding, prompts, .* such as Embed\(sam\)"),
        (TrueBoxes() | Encode(), "TrueBoxes reads annotations"),
    ],
)
def test_reading_what_nobody_wrote_is_refused_before_the_first_image(
    pipeline: Pipeline, told: str
) -> None:
    pictures = Pictures(3)
    for use in (pipeline, pipeline.run):
        with pytest.raises(ValueError, match=told):
            use(pictures)
    assert pictures.decoded == []
    with pytest.raises(ValueError, match=told):
        next(pipeline.stream(pictures))


def test_one_sample_without_the_field_is_enough_to_refuse() -> None:
    samples = example_samples()[:2]
    samples[1] = samples[1].replace(annotations=None)
    with pytest.raises(ValueError, match="TrueBoxes reads annotations"):
        Pipeline([TrueBoxes()])(samples)
    assert Pipeline([TrueBoxes()])([]) == []


def test_run_keeps_the_clock_of_each_phase() -> None:
    seconds = {"encode": 100.0}
    (Encode() | Note([]) | Brightness(pause=0.01)).run(example_samples(), seconds)
    assert set(seconds) == {"encode", "note", "decode"}
    assert seconds["encode"] > 100
    assert 0.01 <= seconds["decode"] < 1


class Counted:
    """Pictures that tell how many are decoded and not yet let go of by `taken`."""

    def __init__(self, count: int) -> None:
        self.count, self.decoded, self.taken, self.most_ahead = count, 0, 0, 0
        self.lock = threading.Lock()

    def picture(self) -> np.ndarray:
        with self.lock:
            self.decoded += 1
            self.most_ahead = max(self.most_ahead, self.decoded - self.taken)
        return np.zeros((2, 2, 3), np.uint8)

    def generator(self) -> Iterator[Sample]:
        return (Sample(id=i, image=self.picture) for i in range(self.count))


@pytest.mark.parametrize("make", [lambda c: c.generator(), lambda c: list(c.generator())])
@pytest.mark.parametrize(("batch_size", "ahead"), [(1, 2), (4, 1), (3, 0)])
def test_a_stream_holds_few_pictures_whatever_their_number(
    make: Callable[[Counted], Any], batch_size: int, ahead: int
) -> None:
    counted = Counted(60)
    stream = Encode() | Brightness()
    for sample in stream.stream(make(counted), batch_size, ahead):
        time.sleep(0.001)  # let the readers run ahead as far as they may
        counted.taken = sample.id + 1
    assert counted.decoded == 60
    assert counted.most_ahead <= batch_size * (1 + ahead)  # the batch at work and those ahead
    if ahead:
        assert counted.most_ahead > batch_size


def test_a_stream_starts_before_the_samples_end_and_stops_when_left() -> None:
    counted = Counted(10**9)
    stream = (Encode() | Brightness()).stream(counted.generator(), batch_size=2)
    assert [next(stream).id for _ in range(3)] == [0, 1, 2]
    stream.close()
    time.sleep(0.05)
    decoded = counted.decoded
    assert decoded <= 8
    time.sleep(0.05)
    assert counted.decoded == decoded


def test_a_stream_that_is_left_does_not_decode_what_waits() -> None:
    counted = Counted(100)

    def slow() -> np.ndarray:
        time.sleep(0.01)
        return counted.picture()

    samples = [Sample(id=i, image=slow) for i in range(100)]
    stream = Pipeline([Encode()]).stream(samples, batch_size=20)
    next(stream)
    stream.close()
    assert counted.decoded < 30  # of the 60 that were asked for


def test_a_stream_gives_what_a_call_gives() -> None:
    pipeline = TrueBoxes() | Encode() | FillBoxes()
    samples = example_samples()
    streamed = list(pipeline.stream(samples, batch_size=2))
    assert [s.id for s in streamed] == [s.id for s in samples]
    for one, other in zip(streamed, pipeline(samples), strict=True):
        assert one.masks.rle() == other.masks.rle()
        assert one.embedding is None


def test_an_unreadable_picture_is_named() -> None:
    pictures = Pictures(4, broken=[2])
    batches = list(load_ahead(pictures, batch_size=2))
    assert [type(item) for batch in batches for item in batch] == [
        Sample,
        Sample,
        LoadError,
        Sample,
    ]
    assert (batches[1][0].id, str(batches[1][0].error)) == ("picture 2", "file 2 is truncated")
    stream = Pipeline([Encode()]).stream(pictures)
    assert [next(stream).id, next(stream).id] == ["picture 0", "picture 1"]
    with pytest.raises(
        ValueError, match="'picture 2' cannot be read: file 2 is truncated"
    ) as error:
        next(stream)
    assert isinstance(error.value.__cause__, OSError)


def test_a_sample_that_cannot_even_be_made_is_named() -> None:
    class Records(Sequence[Sample]):
        ids = ("good", "bad")

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: Any) -> Any:
            if index:
                raise KeyError("no polygon in this record")
            return Sample(id="good", image=np.zeros((1, 1, 3), np.uint8))

    [[good, bad]] = list(load_ahead(Records(), batch_size=2))
    assert isinstance(good, Sample)
    assert isinstance(bad, LoadError)
    assert bad.id == "bad"


def test_batches_are_cut_at_fixed_places() -> None:
    sizes = [len(batch) for batch in load_ahead(Pictures(7), batch_size=3)]
    assert sizes == [3, 3, 1]
    with pytest.raises(ValueError, match="batch_size is at least 1, got 0"):
        next(load_ahead(Pictures(7), batch_size=0))


@pytest.mark.parametrize(
    ("stage", "source"),
    [
        (TrueBoxes() | Encode(), "TrueBoxes() | Encode(NamedSam(...))"),
        (Pipeline(), "Pipeline()"),
        (Note([]), "Note([])"),
        (Settings(detector), "Settings(tests.test_pipeline.detector)"),
        (Settings(detector, 0.3), "Settings(tests.test_pipeline.detector, threshold=0.3)"),
        (
            Settings(functools.partial(detector, confidence=0.001)),
            "Settings(tests.test_pipeline.detector(confidence=0.001))",
        ),
        (
            Settings("a", names={"x": detector}),
            "Settings('a', names={'x': tests.test_pipeline.detector})",
        ),
        (Settings(torch.nn.ReLU.forward), "Settings(torch.nn.modules.activation.ReLU.forward)"),
        # The whole path: two files of one name in two folders are two runs.
        (Settings(Path("/data/a/boxes.json")), "Settings('/data/a/boxes.json')"),
        (Settings(NamedSam("vit_b-1a2b")), "Settings(<vit_b-1a2b>)"),
        (Settings(object()), "Settings(builtins.object)"),
    ],
)
def test_a_repr_is_the_source(stage: Stage, source: str) -> None:
    assert repr(stage).replace("<stand-in>", "NamedSam(...)") == source


@pytest.mark.parametrize(
    "setting", [lambda images: [], functools.partial(lambda x: x, 1), {"a": lambda: 0}]
)
def test_a_lambda_has_no_name_to_recognise_a_run_by(setting: Any) -> None:
    with pytest.raises(ValueError, match="a lambda in a pipeline has no name .* use a def"):
        describe(setting)
