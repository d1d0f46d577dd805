"""The recipes, run as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from recipes import instance_seg_coco

ROOT = Path(__file__).parents[2]


def run(recipe: str, *arguments: object) -> str:
    command = [sys.executable, f"recipes/{recipe}.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def summary(out: Path) -> dict[str, dict[str, float]]:
    return json.loads((out / "summary.json").read_text())


def test_without_a_network_or_arguments_it_segments_shapes(tmp_path: Path) -> None:
    text = run("instance_seg_coco", "--limit", 6, "--out", tmp_path, "--save-images", 2)
    found = summary(tmp_path)
    assert found["samples"] == 6 and found["errors"] == 0
    assert found["paper"] == {"AP": 0.465, "APs": 0.308, "APm": 0.510, "APl": 0.617}
    # A model that segments at all, asked with true boxes; random weights have 0.000.
    assert found["metrics"]["AP50"] > 0.1
    assert "tiny" in text and "shapes-v" in text and "objects_per_scene" in text
    assert sorted(p.name for p in (tmp_path / "images").iterdir()) == ["0.png", "1.png"]


@pytest.mark.parametrize("recipe", ["instance_seg_coco", "instance_seg_lvis"])
def test_a_store_keeps_embeddings_for_the_next_run(tmp_path: Path, recipe: str) -> None:
    store, found = tmp_path / "store", []
    for out in (tmp_path / "first", tmp_path / "second"):
        run(recipe, "--limit", 2, "--device", "cpu", "--store", store, "--out", out)
        found.append(summary(out))
        assert len(list(store.iterdir())) == 2
    assert found[0]["metrics"] == found[1]["metrics"]
    assert found[0]["run"]["sam"].endswith("+stored-float16")


def test_outlines_that_follow_the_picture_are_better_for_tiny(tmp_path: Path) -> None:
    for name, radius in (("plain", None), ("guided", 0.25)):
        instance_seg_coco.main(limit=12, out=tmp_path / name, guided=radius)
    plain, guided = (summary(tmp_path / name) for name in ("plain", "guided"))
    assert "Segment(" in plain["run"]["pipeline"] and "GuidedFilter()" in guided["run"]["pipeline"]
    assert guided["metrics"]["AP"] > 1.1 * plain["metrics"]["AP"]


def test_made_up_objects_are_better_drawn_anew(tmp_path: Path) -> None:
    for name, redraw in (("plain", None), ("drawn", "tiny")):
        instance_seg_coco.main(limit=12, out=tmp_path / name, redraw=redraw)
    plain, drawn = (summary(tmp_path / name) for name in ("plain", "drawn"))
    assert "RedrawMasks(<mask-refiner-" in drawn["run"]["pipeline"]
    assert drawn["metrics"]["AP"] > 1.3 * plain["metrics"]["AP"]


def test_boxes_seen_up_close_are_better_for_tiny(tmp_path: Path) -> None:
    for name, zoom in (("plain", None), ("zoomed", 1.5)):
        instance_seg_coco.main(limit=4, out=tmp_path / name, zoom=zoom)
    plain, zoomed = (summary(tmp_path / name) for name in ("plain", "zoomed"))
    assert "SegmentZoomed(" in zoomed["run"]["pipeline"]
    assert zoomed["metrics"]["AP"] > 1.3 * plain["metrics"]["AP"]
    with pytest.raises(typer.BadParameter, match="--zoom is for boxes"):
        instance_seg_coco.main(zoom=1.5, refine=True)


def test_boxes_of_a_results_file_keep_their_scores(test_data: Path, tmp_path: Path) -> None:
    boxes = test_data / "eval_reference_coco/generated_on_val2017_subset/results_perturbed_gt.json"
    data = test_data / "coco_val2017_subset"
    run("instance_seg_coco", "--data", data, "--boxes", boxes, "--limit", 5, "--out", tmp_path)
    found = summary(tmp_path)
    assert found["errors"] == 0 and 0 < found["metrics"]["AP"] < 1
    assert "results_perturbed_gt.json" in found["run"]["pipeline"]


def test_refined_lvis(test_data: Path, tmp_path: Path) -> None:
    data = test_data / "lvis_v0.5_subset"
    text = run("instance_seg_lvis", "--data", data, "--refine", "--limit", 4, "--out", tmp_path)
    assert summary(tmp_path)["metrics"]["AP"] > 0.02
    assert "Refine(" in text and "0.447" in text


def test_a_detector_of_ultralytics(test_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("ultralytics", reason="needs the extra `yolo`")
    from tests.yolo_files import save_random_yolo

    detector = save_random_yolo(tmp_path / "random.pt")
    data = test_data / "coco_val2017_subset"
    run(
        "instance_seg_coco",
        "--data",
        data,
        "--boxes",
        detector,
        "--limit",
        2,
        "--out",
        tmp_path / "o",
    )
    found = summary(tmp_path / "o")
    assert found["errors"] == 0 and "Detect(<random-" in found["run"]["pipeline"]


def test_a_wrong_kind_of_boxes_is_refused() -> None:
    command = [sys.executable, "recipes/instance_seg_coco.py", "--boxes", "boxes.txt"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode != 0 and "FILE.json" in done.stderr
