"""The benchmark over the 23 datasets, on small ones laid out as their owners do."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.point_to_mask_23 import main
from samkit.evaluation.rows import read_rows
from samkit.evaluation.suite_table import report
from samkit.metrics.click_plot import plot_clicks
from tests.data import sa23_layouts as layouts


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two sound datasets, and one whose picture is of another size than its masks."""
    root = tmp_path_factory.mktemp("datasets")
    layouts.ppdls(root / "ppdls")
    layouts.ndd20(root / "ndd20")
    layouts.ibd(root / "ibd")
    layouts.picture(root / "ibd/train/1.png", (20, 20))
    return root


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    main(root=root, out=out, batch_size=2)
    return out


def table(out):
    return (out / "table.md").read_text()


def line(out, name):
    [found] = [row for row in table(out).splitlines() if row.startswith(f"| {name} ")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_one_table_with_the_papers_numbers(whole):
    assert line(whole, "ppdls")[:5] == ["ppdls", "2", "4", "0", "0"]
    assert line(whole, "ppdls")[-1] == "+46.9"
    # A region of two points has no pixel to click on.
    assert line(whole, "ndd20")[:5] == ["ndd20", "2", "2", "1", "0"]
    assert line(whole, "mean of 2")[5:11] != [""] * 6
    assert line(whole, "SAM ViT-H, mean of 23")[5:10] == ["58.1", "-", "-", "81.3", "-"]
    content = json.loads((whole / "summary.json").read_text())
    assert list(content["datasets"]) == ["ppdls", "ndd20", "ibd"] and content["mean_of"] == 2
    one, two = (content["datasets"][name]["metrics"]["mIoU@1"] for name in ("ppdls", "ndd20"))
    assert content["mean"]["mIoU@1"] == pytest.approx((one + two) / 2)
    assert f"{50 * (one + two):.1f}" == line(whole, "mean of 2")[5]
    assert (whole / "point_to_mask_23.png").stat().st_size > 10_000


def test_a_picture_that_does_not_fit_is_refused_with_both_sizes_and_the_rest_goes_on(whole):
    assert line(whole, "ibd")[1:7] == ["1", "-", "-", "1", "-", "-"]
    assert "1.png is (20, 20) (height, width), its annotations are (12, 16)" in table(whole)
    assert "ibd: all 1 samples failed" in table(whole)


def test_two_processes_give_the_table_of_one(root, whole, tmp_path):
    for name in ("ndd20", "ibd", "ppdls"):
        main(root=root, out=tmp_path, only=[name], batch_size=2)
    assert table(tmp_path).replace(str(tmp_path), "") == table(whole).replace(str(whole), "")


def test_stopped_it_goes_on(root, whole, tmp_path):
    main(root=root, out=tmp_path, only=["ppdls"], batch_size=1)
    path = tmp_path / "ppdls/rows.jsonl"
    before, (header, first, _) = table(tmp_path), path.read_text().splitlines(keepends=True)
    path.write_text(header + first)
    main(root=root, out=tmp_path, only=["ppdls"], batch_size=1)
    assert table(tmp_path) == before
    assert path.read_text().startswith(header + first)
    with pytest.raises(ValueError, match="rows of another run; they differ in pipeline"):
        main(root=root, out=tmp_path, only=["ppdls"], batch_size=1, feedback="none")
    main(root=root, out=tmp_path / "other", only=["ndd20"], batch_size=1, feedback="none")
    (tmp_path / "other/ndd20").rename(tmp_path / "ndd20")
    with pytest.raises(ValueError, match="runs of different kinds: ppdls is .*, ndd20 is"):
        report(tmp_path)


def start(root, out, *names):
    only = [part for name in names for part in ("--only", name)]
    script = Path(__file__).parents[2] / "benchmarks/point_to_mask_23.py"
    command = [sys.executable, script, "--root", root, "--out", out, "--batch-size", "2", *only]
    return subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_two_processes_at_the_same_time_give_the_table_of_one(root, whole, tmp_path):
    (tmp_path / "out").mkdir()
    both = [start(root, tmp_path / "out", *names) for names in (["ndd20"], ["ibd", "ppdls"])]
    assert [process.wait(300) for process in both] == [0, 0]
    assert table(tmp_path / "out") == table(whole)
    ours, theirs = (
        json.loads((out / "summary.json").read_text()) for out in (tmp_path / "out", whole)
    )
    assert ours["mean"] == theirs["mean"]


@pytest.mark.slow
def test_killed_and_started_again_it_gives_the_same_table(tmp_path):
    root, straight, stopped = (tmp_path / name for name in ("datasets", "straight", "stopped"))
    layouts.ibd(root / "ibd")
    for folder in ("train", "train_labels"):
        for number in range(2, 41):
            shutil.copy(root / f"ibd/{folder}/1.png", root / f"ibd/{folder}/{number}.png")
    main(root=root, out=straight, batch_size=2)
    process = start(root, stopped)
    rows = stopped / "ibd/rows.jsonl"
    while process.poll() is None and not (rows.is_file() and rows.read_text().count("\n") > 3):
        time.sleep(0.01)
    process.kill()
    process.wait(60)
    # Not before its first batches, and not behind its last one.
    assert 3 < rows.read_text().count("\n") < 41 and not (stopped / "table.md").exists()
    assert start(root, stopped).wait(300) == 0
    assert table(stopped) == table(straight)


def test_a_broken_file_is_counted_and_named(tmp_path):
    layouts.ppdls(tmp_path / "ppdls")
    label = tmp_path / "ppdls/Plant_Phenotyping_Datasets/Plant/Tobacco/tobacco_plant002_label.png"
    label.write_bytes(label.read_bytes()[:40])
    main(root=tmp_path, out=tmp_path / "out")
    assert line(tmp_path / "out", "ppdls")[:5] == ["ppdls", "2", "2", "0", "1"]
    assert f"ppdls: Tobacco/tobacco_plant002_rgb.png: ValueError: cannot read {label}" in table(
        tmp_path / "out"
    )
    _, rows = read_rows(tmp_path / "out/ppdls/rows.jsonl")
    assert sum("error" in row for row in rows.values()) == 1


def test_beside_another_run(root, whole, tmp_path):
    main(root=root, out=tmp_path, only=["ndd20"], feedback="none", batch_size=2, beside=whole)
    ours, theirs = (
        json.loads((out / "summary.json").read_text())["datasets"]["ndd20"]["metrics"]
        for out in (tmp_path, whole)
    )
    content = json.loads((tmp_path / "summary.json").read_text())
    difference = content["differences"]["ndd20"]
    assert difference["images"] == 2
    assert difference["mIoU@5"] == pytest.approx(ours["mIoU@5"] - theirs["mIoU@5"])
    assert difference["mIoU@1"] == 0  # the first click has nothing to feed back
    assert line(tmp_path, "ndd20")[-1] == "0.0 (0.0 to 0.0)"


def test_other_splits_are_said_to_be_others(tmp_path):
    layouts.ishape(tmp_path / "ishape")
    for subset in ("antenna", "wire"):
        folder = tmp_path / f"ishape/ishape_dataset/{subset}"
        (folder / "val").rename(folder / "train")
    main(root=tmp_path, out=tmp_path / "out", split=["ishape=train"], limit=1)
    assert line(tmp_path / "out", "ishape (train)")[1] == "1"
    assert "ishape: split train; the paper takes validation." in table(tmp_path / "out")


def test_the_plot_needs_a_dataset(tmp_path):
    with pytest.raises(ValueError, match="no datasets to draw"):
        plot_clicks({}, tmp_path / "plot.png")
    figures = {f"mIoU@{k}": 0.1 * k for k in (1, 2, 3, 5, 9)} | {"oracle": 0.5}
    plot_clicks({"one": figures, "two": {**figures, "mIoU@1_low": 0.0}}, tmp_path / "plot.png")
    from PIL import Image

    assert np.asarray(Image.open(tmp_path / "plot.png").convert("L")).std() > 5
