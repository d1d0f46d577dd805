"""The edge recipe, its benchmark and the command, run as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from samkit.cli import app
from samkit.data.edge_maps import read_edge_map

ROOT = Path(__file__).parents[2]


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout


def summary(out: Path) -> dict[str, dict[str, float]]:
    return json.loads((out / "summary.json").read_text())


def test_made_up_scenes_and_their_maps_scored_again(tmp_path: Path) -> None:
    """Edges are scored, written, and score the same when they are read from the files."""
    recipe, out = "recipes/edge_detection_bsds500.py", tmp_path / "own"
    text = run(recipe, "--limit", 1, "--out", out, "--save-images", 1)
    found = summary(out)
    assert found["samples"] == 1 and found["errors"] == 0
    assert 0 < found["metrics"]["ODS"] < 1 and found["paper"]["ODS"] == 0.768
    assert "EDETR" in text and "Edges()" in text
    for name in ("curve.png", "sheet.png"):
        assert np.asarray(Image.open(out / name).convert("L")).std() > 1
    assert read_edge_map(out / "maps/0.png").max() == 1

    run(recipe, "--limit", 1, "--out", tmp_path / "again", "--maps", out / "maps")
    again = summary(tmp_path / "again")
    assert again["metrics"] == found["metrics"] and again["run"]["sam"] is None


@pytest.mark.slow
def test_the_authors_maps(test_data: Path, tmp_path: Path) -> None:
    maps = test_data / "bsds500/BSDS500/ucm2/test"
    options = ["--data", test_data / "bsds500", "--maps", maps, "--limit", 2, "--workers", 2]
    run("recipes/edge_detection_bsds500.py", *options, "--out", tmp_path)
    assert 0.7 < summary(tmp_path)["metrics"]["ODS"] < 0.8  # pictures 100007 and 104010


@pytest.mark.slow
def test_beside_sobel_and_canny(test_data: Path, tmp_path: Path) -> None:
    options = ["--data", test_data / "bsds500", "--limit", 1, "--out", tmp_path]
    text = run("benchmarks/classical_edges.py", *options)
    for name in ("Sobel", "Canny_1", "Canny_2", "tiny_guided", "tiny_zoomed"):
        assert summary(tmp_path / name)["metrics"]["ODS"] > 0.3
    assert "paper, SAM" in text and (tmp_path / "curves.png").is_file()


def test_the_command(tmp_path: Path) -> None:
    pixels = np.full((60, 90, 3), 40, np.uint8)
    pixels[15:45, 25:65] = (220, 180, 60)
    Image.fromarray(pixels).save(tmp_path / "square.png")
    call = ["edges", str(tmp_path / "square.png"), "-o", str(tmp_path / "e.png")]
    done = CliRunner().invoke(app, [*call, "--points-per-side", "4"])
    assert done.exit_code == 0, done.output
    edges = read_edge_map(tmp_path / "e.png")
    assert edges.shape == (60, 90) and edges.max() == 1 and "edges of" in done.output
    outline = np.zeros((60, 90), bool)
    outline[14:46, 24:66] = True
    outline[17:43, 27:63] = False
    before = [edges]
    for more in (["--guided", "0.05"], ["--guided", "0.05", "--zoom", "1.5"]):
        done = CliRunner().invoke(app, [*call, "--points-per-side", "4", *more])
        assert done.exit_code == 0, done.output
        led = read_edge_map(tmp_path / "e.png")
        assert (led > 0.6)[outline].sum() > 0.9 * (led > 0.6).sum() > 80, more
        assert all((led != one).any() for one in before)
        before.append(led)
    done = CliRunner().invoke(app, ["edges", str(tmp_path / "none.png")])
    assert done.exit_code == 2 and "no picture at" in done.output
