"""write_each: a file per sample, resumable; what fails is told."""

import json
from pathlib import Path

import pytest

from samkit.evaluation import write_each
from samkit.pipeline import Pipeline
from samkit.types import Sample
from tests.stand_ins import Brightness, Pictures


def run(
    pictures: Pictures, out: Path, pause: float = 0.0, broken_content: str = "", data: str = "a"
) -> dict:
    def content(sample: Sample) -> str:
        if sample.id == broken_content:
            raise OSError("disk full")
        return json.dumps(float(sample.edges.mean()))

    return write_each(
        pictures,
        Pipeline() | Brightness(pause),
        lambda id: out / f"{id}.json",
        content,
        out / "run.json",
        data,
        progress=False,
    )


def test_every_sample_has_its_file(tmp_path: Path) -> None:
    assert run(Pictures(3), tmp_path) == {}
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["picture 0.json", "picture 1.json", "picture 2.json", "run.json"]
    assert "Brightness" in json.loads((tmp_path / "run.json").read_text())["pipeline"]


def test_what_is_there_is_not_decoded_again_and_what_is_new_is_done(tmp_path: Path) -> None:
    run(Pictures(2), tmp_path)
    (tmp_path / "picture 1.json.tmp").write_text("[1, 2,")  # what a killed process left behind
    more = Pictures(4)
    assert run(more, tmp_path) == {}
    assert sorted(more.decoded) == [2, 3]


def test_what_fails_is_named_and_tried_again(tmp_path: Path) -> None:
    errors = run(Pictures(3, broken=[1]), tmp_path, broken_content="picture 2")
    assert errors == {
        "picture 1": "OSError: file 1 is truncated",
        "picture 2": "OSError: disk full",
    }
    assert not (tmp_path / "picture 1.json").exists()
    again = Pictures(3)
    assert run(again, tmp_path) == {} and sorted(again.decoded) == [1, 2]


def test_another_runs_files_are_left_alone(tmp_path: Path) -> None:
    run(Pictures(1), tmp_path)
    with pytest.raises(ValueError, match=r"(?s)another run.*Brightness\(0.001"):
        run(Pictures(2), tmp_path, pause=0.001)
    with pytest.raises(ValueError, match=r"(?s)another run.*'data': 'b'"):
        run(Pictures(2), tmp_path, data="b")


def test_a_run_in_which_everything_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="all 2 samples failed.*'picture 0'.*truncated"):
        run(Pictures(2, broken=[0, 1]), tmp_path)


def test_two_samples_never_share_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'picture 0' and 'picture 1' would both"):
        write_each(Pictures(2), Brightness(), lambda id: tmp_path / "a", str, tmp_path / "r", "a")
