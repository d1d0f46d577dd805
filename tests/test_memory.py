"""Freed memory is kept at hand for the next call, and goes back to the system while a run goes on."""

import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samkit.ops import memory
from samkit.ops.memory import give_back_freed_memory
from samkit.pipeline import Stage
from samkit.types import Sample
from tests.stand_ins import MeanBrightness, Pictures
from tests.test_evaluation import run

pytestmark = pytest.mark.skipif(
    not give_back_freed_memory(), reason="only glibc keeps freed memory and has malloc_trim"
)
MEGABYTE = 1 << 20
PIECE = 64 * 1024  # below what glibc asks the system for, and gives back, one by one


def held() -> int:
    """The memory that this process holds, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def litter() -> Any:
    """Allocates 100 MB in pieces and frees all but the last, which keeps glibc from shrinking."""
    pieces = [np.ones(PIECE, np.uint8) for _ in range(100 * MEGABYTE // PIECE)]
    return pieces[-1]


def test_freed_pieces_go_back() -> None:
    last = litter()
    before = held()
    assert give_back_freed_memory()
    assert held() < before - 80 * MEGABYTE
    assert last.all()


@dataclasses.dataclass(frozen=True, repr=False)
class Litters(Stage):
    """Leaves freed memory behind, as the arrays of any batch do, below something that stays."""

    stays: list[Any]
    writes = ("edges",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        self.stays.append(litter())
        return [sample.replace(edges=np.ones((1, 1), np.float32)) for sample in samples]


@dataclasses.dataclass(frozen=True)
class Held(MeanBrightness):
    """What is held once all samples are done."""

    def summarise(self, rows: Sequence[dict[str, Any]]) -> dict[str, float]:
        return {"held": held()}


@pytest.mark.parametrize(("seconds", "goes_back"), [(0.0, True), (1e9, False)])
def test_a_run_gives_back_between_batches(
    monkeypatch: pytest.MonkeyPatch, seconds: float, goes_back: bool
) -> None:
    monkeypatch.setattr(memory, "SECONDS_BETWEEN", seconds)
    give_back_freed_memory()
    before = held()
    summary = run(Pictures(3), None, Litters([]), metric=Held(), batch_size=1)
    grown = summary["metrics"]["held"] - before
    assert (grown < 50 * MEGABYTE) == goes_back, f"grown by {grown / MEGABYTE:.0f} MB"
    give_back_freed_memory()


FAULTS_OF_A_DECODE = """
import resource
import numpy as np
from samkit import Prompts, load_sam
from samkit.testing import example_samples
sam, sample = load_sam("tiny", device="cpu"), example_samples()[0]
prompts = Prompts(points=np.full((16, 1, 2), 5.0), labels=np.ones((16, 1)))
embeddings = sam.encode([sample.image])
faults = []
for turn in range(12):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    sam.decode(embeddings, [prompts])
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(sum(faults[2:]))
"""


KEEPS_NOTHING = """
from samkit.sam import checkpoints
checkpoints.keep_some_freed_memory = lambda: None
"""


def faults(script: str) -> int:
    """In a process of its own, since whatever was freed before teaches glibc too."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_a_call_takes_the_pages_that_the_last_one_freed() -> None:
    kept, given_back = faults(FAULTS_OF_A_DECODE), faults(KEEPS_NOTHING + FAULTS_OF_A_DECODE)
    assert kept < given_back / 2, f"{kept} pages in ten calls, {given_back} if none are kept"
