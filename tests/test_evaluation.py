"""Runs that last: `evaluate` on real files, broken in every way that a run can break."""

import dataclasses
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samkit.evaluation import evaluate, format_summary, rescore
from samkit.pipeline import Stage
from samkit.sam import embedding_file
from samkit.sam.store import SUFFIX
from samkit.types import Sample
from tests import evaluation_worker
from tests.stand_ins import Brightness, Encode, FillBoxes, MeanBrightness, NamedSam, Pictures

ROOT = Path(__file__).parents[1]


def run(samples: Any, out: Path | None, pipeline: Stage | None = None, **given: Any) -> Any:
    given = {"metric": MeanBrightness(), "batch_size": 2, "progress": False, **given}
    return evaluate(samples, pipeline or Brightness(), out=out, **given)


def answer(summary: dict[str, Any]) -> dict[str, Any]:
    """What must be the same however often a run was broken."""
    return {name: summary[name] for name in ("metrics", "samples", "errors")}


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]


@dataclasses.dataclass(frozen=True, repr=False)
class FailsOn(Stage):
    """Raises for one picture, or for batches larger than it can take."""

    id: Any = None
    at_most: int = 100
    writes = ("edges",)

    def __call__(self, samples: Any) -> list[Sample]:
        if len(samples) > self.at_most:
            raise MemoryError("too many at once")
        for sample in samples:
            if sample.id == self.id:
                raise ZeroDivisionError("this one cannot be done")
        return [s.replace(edges=s.image[:1, :, 0].astype(np.float32)) for s in samples]


def test_what_is_written(tmp_path: Path) -> None:
    summary = run(Pictures(5), tmp_path / "new" / "folder", paper={"mean": 100})
    folder = tmp_path / "new" / "folder"
    assert sorted(os.listdir(folder)) == ["rows.jsonl", "summary.json"]
    assert json.loads((folder / "summary.json").read_text()) == summary
    header, *rows = lines(folder)
    assert [row["id"] for row in rows] == [f"picture {i}" for i in range(5)]
    assert summary["metrics"]["mean"] == np.mean([row["row"]["value"] for row in rows])
    assert summary["metrics"]["undefined"] is None  # JSON knows no NaN
    assert summary["paper"] == {"mean": 100}
    assert (summary["samples"], summary["errors"]) == (5, 0)
    assert summary["run"].items() <= header.items()
    assert summary["run"]["sam"] == "stand-in"
    assert summary["run"]["pipeline"] == "Brightness(0.0)"
    assert summary["run"]["metric"] == "MeanBrightness(scale=1.0)"
    assert (summary["run"]["dtype"], summary["run"]["device"]) == ("float32", "cpu")
    assert summary["run"]["versions"]["torch"] == torch.__version__


def test_without_a_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = run(Pictures(5), None)
    assert not list(tmp_path.iterdir())
    assert answer(summary) == answer(run(Pictures(5), tmp_path / "out"))


def test_a_generator_and_a_pipeline_without_a_sam() -> None:
    pipeline = FailsOn()
    summary = run((sample for sample in list(Pictures(3))), None, pipeline)
    assert summary["samples"] == 3
    assert summary["run"]["sam"] is None
    assert re.search("sam +none", format_summary(summary))


def test_killed_three_times_it_ends_as_if_unbroken(tmp_path: Path) -> None:
    unbroken = evaluation_worker.run(None)
    kept, moments = _kill(3, evaluation_worker.run, (tmp_path,), tmp_path / "rows.jsonl")
    assert kept == sorted(kept)
    assert 0 < kept[-1] < 90
    assert not (tmp_path / "summary.json").exists()
    resumed = evaluation_worker.run(tmp_path)
    assert answer(resumed) == answer(unbroken), f"killed at {moments}"
    assert resumed["errors"] == 1


@pytest.mark.slow
def test_killed_twenty_times_over_a_store_it_ends_as_if_unbroken(tmp_path: Path) -> None:
    count, out, store = 120, tmp_path / "out", tmp_path / "store"
    kept, moments = _kill(20, evaluation_worker.run_stored, (out, store, count), out / "rows.jsonl")
    print(f"rows after each kill: {kept}")
    assert kept == sorted(kept) and len(kept) == 20 and kept[-1] < count
    resumed = evaluation_worker.run_stored(out, store, count)
    unbroken = evaluation_worker.run_stored(tmp_path / "unbroken", tmp_path / "other", count)
    assert answer(resumed) == answer(unbroken), f"killed at {moments}"
    assert [row["id"] for row in lines(out)[1:]] == list(range(count))
    # Row by row; only the seconds that each took differ.
    rows, expected = ([row["row"] for row in lines(o)[1:]] for o in (out, tmp_path / "unbroken"))
    assert rows == expected
    # And embedding by embedding: each there once, with its checksum right.
    kept_names = sorted(path.name for path in store.glob(f"*{SUFFIX}"))
    assert kept_names == sorted(path.name for path in (tmp_path / "other").iterdir())
    assert len(kept_names) == count
    for name in kept_names:
        embedding_file.read(store / name, name.removesuffix(SUFFIX), "cpu")


def _kill(
    times: int, work: Any, given: tuple[Any, ...], rows: Path
) -> tuple[list[int], list[float]]:
    """Kills a run that is started again and again; the rows there after each kill, and when it was."""
    # A fresh server process that has torch loaded: each run is a real process, started quickly.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        # The second is what torch imports when the first model is made: a second each time.
        ["tests.evaluation_worker", "torch.fx.experimental.symbolic_shapes"]
    )
    kept, moments = [], []
    for _ in range(times):
        process = context.Process(target=work, args=given, daemon=True)
        process.start()
        _wait_for_growth(rows, process.is_alive)
        moments.append(random.uniform(0, 0.2))
        time.sleep(moments[-1])
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL, f"it was to be killed at {moments}"
        kept.append(rows.read_bytes().count(b"\n") - 1)
    return kept, moments


def test_ctrl_c_keeps_the_rows_and_says_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.evaluation_worker", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    _wait_for_growth(tmp_path / "rows.jsonl", lambda: process.poll() is None)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode not in (0, 1)  # as interrupted, so that shell loops stop too
    kept = len(lines(tmp_path)) - 1
    assert f"stopped after {kept} of 90 samples; the same call goes on from there" in told
    assert str(tmp_path / "rows.jsonl") in told
    assert 0 < kept < 90
    assert answer(evaluation_worker.run(tmp_path)) == answer(evaluation_worker.run(None))


def _wait_for_growth(path: Path, is_alive: Any) -> None:
    """Until a process that has just started has written a row of its own."""
    size, deadline = path.stat().st_size if path.exists() else 0, time.monotonic() + 300
    header = size or None
    while time.monotonic() < deadline:
        assert is_alive(), "the run ended before it was to be broken"
        now = path.stat().st_size if path.exists() else 0
        header = header or now or None
        # Resuming rewrites the file without broken batches: it may shrink first.
        size = min(size, now) if size else header or 0
        if header and now > size:
            return
        time.sleep(0.002)
    raise TimeoutError(f"no rows in {path}")


def test_cut_at_any_byte_it_ends_as_if_unbroken(tmp_path: Path) -> None:
    unbroken = run(Pictures(7), tmp_path)
    path = tmp_path / "rows.jsonl"
    whole = path.read_bytes()
    places = [*range(0, len(whole), 97), len(whole) - 1]
    assert len(places) > 12
    for place in places:
        path.write_bytes(whole[:place])
        assert answer(run(Pictures(7), tmp_path)) == answer(unbroken), f"cut at byte {place}"
        assert path.read_bytes().count(b"\n") == 8


def test_what_is_found_is_not_even_decoded(tmp_path: Path) -> None:
    first = run(Pictures(6), tmp_path)
    again = Pictures(6)
    calls: list[Sample] = []
    second = run(again, tmp_path, on_sample=calls.append)
    assert again.decoded == []
    assert calls == []
    assert answer(first) == answer(second)
    assert second["seconds"]["encode"] == first["seconds"]["encode"]


def test_a_broken_batch_is_computed_whole(tmp_path: Path) -> None:
    unbroken = run(Pictures(6), tmp_path, batch_size=3)
    path = tmp_path / "rows.jsonl"
    text = path.read_text().splitlines(keepends=True)
    path.write_text("".join(text[:2] + text[3:]))
    again = Pictures(6)
    assert answer(run(again, tmp_path, batch_size=3)) == answer(unbroken)
    assert sorted(again.decoded) == [0, 1, 2]
    # The stage does answer differently alone, so the test can fail.
    assert answer(run(Pictures(6), None, batch_size=1)) != answer(unbroken)


def test_seconds_of_broken_runs_add_up(tmp_path: Path) -> None:
    slow = Brightness(pause=0.02)
    run(Pictures(6), tmp_path, slow)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:5]))
    seconds = run(Pictures(6), tmp_path, slow)["seconds"]
    assert set(seconds) == {"data", "encode", "decode", "score", "total"}
    assert (
        0.06 <= seconds["decode"] < seconds["total"]
    )  # three batches, two of them computed before
    parts = sum(taken for phase, taken in seconds.items() if phase != "total")
    assert parts <= seconds["total"] + 1e-3


@pytest.mark.parametrize(
    ("field", "there", "here", "changed"),
    [
        ("pipeline", "Brightness(0.0)", "Brightness(0.1)", {"pipeline": Brightness(0.1)}),
        ("sam", "stand-in", "other", {"pipeline": Brightness(sam=NamedSam("other"))}),
        ("dtype", "float32", "float16", {"pipeline": Brightness(sam=NamedSam(dtype=torch.half))}),
        (
            "metric",
            "MeanBrightness(scale=1.0)",
            "MeanBrightness(scale=2.0)",
            {"metric": MeanBrightness(2.0)},
        ),
        ("seed", 0, 1, {"seed": 1}),
        ("data", "pictures", "samples without a name", {"samples": list(Pictures(4))}),
        (
            "ids",
            "4 from 'picture 0' to 'picture 3', sha256 bbf3b5180300",
            "3 from 'picture 0' to 'picture 2', sha256 c7d58709a831",
            {"samples": Pictures(3)},
        ),
    ],
)
def test_rows_of_another_run_are_refused(
    tmp_path: Path, field: str, there: Any, here: Any, changed: dict[str, Any]
) -> None:
    run(Pictures(4), tmp_path)
    before = (tmp_path / "rows.jsonl").read_bytes()
    with pytest.raises(ValueError, match=f"another run; they differ in .*{field}") as error:
        run(**{"samples": Pictures(4), "out": tmp_path, **changed})
    assert f"\n  {field} there: {there!r}\n  {field} here:  {here!r}" in str(error.value)
    assert "Give another `out`, or delete that file" in str(error.value)
    assert (tmp_path / "rows.jsonl").read_bytes() == before


def test_another_batch_size_or_version_is_warned_about_and_kept(tmp_path: Path) -> None:
    run(Pictures(4), tmp_path)
    path = tmp_path / "rows.jsonl"
    header, *rows = path.read_text().splitlines(keepends=True)
    old = header.replace(f'"torch":"{torch.__version__}"', '"torch":"1.0"')
    assert old != header
    path.write_text(old + "".join(rows[:2]))
    with pytest.warns(UserWarning, match="batch_size was 2, is 1; versions was .*1.0") as caught:
        summary = run(Pictures(4), tmp_path, batch_size=1)
    assert caught[0].filename == __file__
    assert summary["run"]["versions"]["torch"] == "1.0"
    assert summary["run"]["resumed"][0]["batch_size"] == 1
    assert summary["run"]["resumed"][0]["versions"]["torch"] == torch.__version__
    assert summary["samples"] == 4


def test_failures_become_rows_and_are_tried_again(tmp_path: Path) -> None:
    @dataclasses.dataclass(frozen=True)
    class Picky:
        refuses: str = ""

        def score(self, sample: Sample) -> dict[str, Any]:
            if sample.id == self.refuses:
                raise KeyError("no such category")
            return MeanBrightness().score(sample)

        def summarise(self, rows: Any) -> dict[str, float]:
            return MeanBrightness().summarise(rows)

        def __repr__(self) -> str:
            return "Picky()"

    broken = run(Pictures(9, broken=[1, 6]), tmp_path, metric=Picky("picture 4"), batch_size=3)
    assert (broken["samples"], broken["errors"]) == (9, 3)
    errors = {row["index"]: row["error"] for row in lines(tmp_path)[1:] if "error" in row}
    assert errors[1].startswith("OSError: file 1 is truncated (stand_ins.py:")
    assert errors[4].startswith("KeyError: 'no such category' (test_evaluation.py:")
    assert errors[6].startswith("OSError: file 6 is truncated")
    assert len(lines(tmp_path)) == 10  # nothing is dropped
    assert "9 samples, 3 errors" in format_summary(broken)

    repaired = Pictures(9)
    healed = run(repaired, tmp_path, metric=Picky(), batch_size=3)
    assert healed["errors"] == 0
    assert answer(healed) == answer(run(Pictures(9), None, batch_size=3))
    # Each of the three batches held a failure, so each was computed again, whole.
    assert sorted(repaired.decoded) == list(range(9))


def test_one_failing_sample_does_not_take_its_batch_along(tmp_path: Path) -> None:
    summary = run(Pictures(6), tmp_path, FailsOn("picture 4"), batch_size=3)
    errors = [row["id"] for row in lines(tmp_path)[1:] if "error" in row]
    assert errors == ["picture 4"]
    assert summary["errors"] == 1


def test_a_batch_that_fails_only_together_is_told() -> None:
    with pytest.warns(UserWarning, match="2 samples failed together .MemoryError: too many"):
        summary = run(Pictures(2), None, FailsOn(at_most=1))
    assert summary["errors"] == 0


def test_if_all_samples_fail_it_says_so_after_writing_why(tmp_path: Path) -> None:
    with pytest.raises(
        RuntimeError, match="all 3 samples failed, the first .'picture 0'. with OSE"
    ):
        run(Pictures(3, broken=[0, 1, 2]), tmp_path)
    assert [("error" in row) for row in lines(tmp_path)[1:]] == [True] * 3
    assert run(Pictures(3), tmp_path)["errors"] == 0


def test_a_run_that_scored_nothing_does_not_bind_the_next(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="FillBoxes reads prompts"):
        run(Pictures(1), tmp_path, Encode() | FillBoxes())
    with pytest.raises(RuntimeError, match="all 1 samples failed"):
        run(Pictures(1), tmp_path, FailsOn("picture 0"))
    assert run(Pictures(1), tmp_path, FailsOn())["run"]["pipeline"] == "FailsOn(None)"


def test_a_stage_that_changes_the_order_is_caught() -> None:
    class Reverse(Stage):
        def __call__(self, samples: Any) -> list[Sample]:
            return FailsOn()(samples[::-1])

    with pytest.warns(UserWarning, match="stages keep samples in order"):
        run(Pictures(2), None, Reverse())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"samples": [*Pictures(3), *Pictures(2)]}, "ids occur twice: picture 0, picture 1;"),
        ({"samples": []}, "no samples"),
        ({"batch_size": 0}, "batch_size is at least 1, got 0"),
        ({"pipeline": FillBoxes()}, "FillBoxes reads embedding, prompts, which is not there"),
        ({"pipeline": Encode() | FillBoxes()}, "FillBoxes reads prompts.*GroundTruthBoxes"),
        ({"pipeline": Encode() | FailsOn(lambda: 0)}, "a lambda in a pipeline has no name"),
    ],
)
def test_mistakes_are_refused_before_the_first_image(given: Any, told: str) -> None:
    pictures = Pictures(3)
    with pytest.raises(ValueError, match=told):
        run(**{"samples": pictures, "out": None, **given})
    assert pictures.decoded == []


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    run(Pictures(4), tmp_path)
    path = tmp_path / "rows.jsonl"
    text = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*text[:2], text[2][:30] + "\n", *text[3:]]))
    with pytest.raises(ValueError, match="rows.jsonl, line 3 is damaged .*remove the line"):
        run(Pictures(4), tmp_path)


def test_a_foreign_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"my": "results"}\n')
    with pytest.raises(ValueError, match="does not begin with a header"):
        run(Pictures(4), tmp_path)
    assert (tmp_path / "rows.jsonl").read_text() == '{"my": "results"}\n'


def test_the_callers_random_numbers_are_left_alone() -> None:
    def draw() -> tuple[float, ...]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = draw()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    first = run(Pictures(4), None, seed=5)
    assert draw() == expected
    assert answer(run(Pictures(4), None, seed=5)) == answer(first)
    assert answer(run(Pictures(4), None, seed=6)) != answer(first)


def test_every_batch_draws_numbers_of_its_own(tmp_path: Path) -> None:
    same = Pictures(1)[0].image
    samples = [Sample(id=i, image=same) for i in range(4)]
    run(samples, tmp_path, batch_size=2)
    values = [row["row"]["value"] for row in lines(tmp_path)[1:]]
    assert values[0] == values[1] != values[2] == values[3]


def test_rescore_needs_rows_only(tmp_path: Path) -> None:
    summary = run(Pictures(5, broken=[3]), tmp_path, paper={"mean": 3.0})
    again = rescore(tmp_path / "rows.jsonl", MeanBrightness(), paper={"mean": 3.0})
    assert {**again, "seconds": None} == {**summary, "seconds": None}

    class Count:
        def score(self, sample: Sample) -> dict[str, Any]:
            raise AssertionError("nothing is scored again")

        def summarise(self, rows: Any) -> dict[str, float]:
            return {"rows": len(rows)}

    counted = rescore(tmp_path / "rows.jsonl", Count())
    assert counted["metrics"] == {"rows": 4}
    assert counted["run"]["metric"].endswith("Count()")

    path = tmp_path / "rows.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]) + '{"index": 9')
    with pytest.warns(UserWarning, match="rows of 2 of 5 samples so far"):
        assert rescore(path, MeanBrightness())["samples"] == 2
    assert path.read_text().endswith('{"index": 9')  # looking at a running file does not touch it


def test_rows_may_hold_numpy_but_nothing_that_json_does_not_know(tmp_path: Path) -> None:
    class Arrays:
        def score(self, sample: Sample) -> dict[str, Any]:
            wrong = {"tensor": torch.zeros(1)} if sample.id == "picture 1" else {}
            return {"ious": np.array([[0.5, np.nan]]), "count": np.int64(3), 7: (1, 2), **wrong}

        def summarise(self, rows: Any) -> dict[str, float]:
            assert rows == [{"ious": [[0.5, None]], "count": 3, "7": [1, 2]}]
            return {}

    summary = run(Pictures(2), tmp_path, metric=Arrays())
    assert summary["errors"] == 1
    assert "rows and summaries hold numbers, texts, lists and dicts, got Tensor" in str(
        lines(tmp_path)[2]
    )


def test_on_sample_sees_each_finished_sample() -> None:
    seen: list[Sample] = []
    run(Pictures(5, broken=[2]), None, Encode() | Brightness(), on_sample=seen.append)
    assert [sample.id for sample in seen] == [f"picture {i}" for i in (0, 1, 3, 4)]
    assert all(s.edges is not None and s.embedding is None for s in seen)


def test_progress_shows_rate_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    run(Pictures(4, broken=[1]), None, progress=True)
    bar = capsys.readouterr().err
    assert "4/4" in bar
    assert "sample/s" in bar
    assert "errors=1" in bar


def test_the_table_has_ours_beside_the_papers() -> None:
    summary = {
        "metrics": {"AP": 0.31249, "AP_low": 0.3, "AP_high": 0.325, "masks": 1234, "AR": None},
        "paper": {"AP": 0.465, "AP75": 0.5},
        "run": {
            "sam": "tiny-1a2b",
            "dtype": "float32",
            "device": "cpu",
            "pipeline": "GroundTruthBoxes() | Segment(<tiny-1a2b>)",
            "data": "coco(val.json, 78 images)",
        },
        "samples": 78,
        "errors": 2,
        "seconds": {"data": 0.52, "total": 61.04},
    }
    assert format_summary(summary).splitlines() == [
        "           ours  paper        interval",
        "AP        0.312  0.465  0.300 to 0.325",
        "masks      1234      -",
        "AR            -      -",
        "AP75          -  0.500",
        "sam       tiny-1a2b (float32, cpu)",
        "pipeline  GroundTruthBoxes() | Segment(<tiny-1a2b>)",
        "data      coco(val.json, 78 images): 78 samples, 2 errors",
        "seconds   data 0.5, total 61.0",
    ]
