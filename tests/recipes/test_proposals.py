"""Proposals and what is made of them: AR, everything mode over folders, masks for boxes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

from recipes import boxes_to_masks, everything, instance_seg_coco, object_proposals_lvis
from samkit.data import lvis, sa1b, shapes, yolo_labels
from samkit.data.shapes.export import to_coco
from samkit.metrics.paper import LVIS_PROPOSALS
from samkit.ops import rle
from samkit.stages import Felzenszwalb
from samkit.testing import check_stage, example_samples
from tests.recipes.test_instance_seg import summary


def test_proposals_on_shapes(tmp_path: Path, capsys: Any) -> None:
    object_proposals_lvis.main(limit=2, points_per_side=4, out=tmp_path)
    found = summary(tmp_path)
    assert (found["samples"], found["errors"]) == (2, 0)
    assert found["paper"] == LVIS_PROPOSALS["SAM"]
    assert 0 <= found["metrics"]["AR@1000"] < 1 and 1 < found["metrics"]["proposals"] <= 48
    pipeline = found["run"]["pipeline"]
    for setting in ("pred_iou_thresh=0.0", "stability_score_thresh=0.0", "box_nms_thresh=0.9"):
        assert setting in pipeline
    assert pipeline.endswith("RankByQuality() | Top(1000)")
    assert "0.593" in capsys.readouterr().out


def test_what_the_paper_has_not_is_told(tmp_path: Path) -> None:
    """Crops find smaller things, the guided filter moves outlines; the pipeline's line says so."""
    plain, more = (tmp_path / name for name in ("plain", "more"))
    object_proposals_lvis.main(limit=1, points_per_side=4, out=plain)
    object_proposals_lvis.main(limit=1, points_per_side=4, crops=1, guided=0.5, out=more)
    first, second = summary(plain), summary(more)
    assert second["metrics"]["proposals"] > first["metrics"]["proposals"]
    assert "crop_n_layers=1" in second["run"]["pipeline"]
    assert second["run"]["pipeline"].endswith("Top(1000) | GuidedFilter(radius=0.5)")
    object_proposals_lvis.main(
        limit=1, points_per_side=3, zoom=1.5, large=0.03, out=tmp_path / "zoomed"
    )
    third = summary(tmp_path / "zoomed")
    assert third["run"]["pipeline"].count(" | MaskBoxes() | SegmentZoomed(") == 2
    assert third["run"]["pipeline"].endswith(
        "AverageScores() | FavourLarge(0.03) | NonMaxSuppression(0.75) | Top(1000)"
    )
    assert 0 < third["metrics"]["proposals"] <= first["metrics"]["proposals"]
    with pytest.raises(typer.BadParameter, match="asks no SAM"):
        object_proposals_lvis.main(method="felzenszwalb", zoom=1.5, out=tmp_path / "refused")


def test_proposals_on_lvis(test_data: Path, tmp_path: Path) -> None:
    data = str(test_data / "lvis_v0.5_subset")
    object_proposals_lvis.main(data=data, limit=2, points_per_side=3, out=tmp_path)
    metrics = summary(tmp_path)["metrics"]
    assert set(LVIS_PROPOSALS["SAM"]) <= set(metrics)
    assert summary(tmp_path)["errors"] == 0


def test_val_is_taken_of_several_files(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "lvis_v1_val.json").touch()
    assert object_proposals_lvis.val(str(tmp_path)) is None
    (tmp_path / "annotations" / "lvis_v1_train.json").touch()
    assert object_proposals_lvis.val(str(tmp_path)) == "val"
    with pytest.raises(ValueError, match="no JSON"):
        lvis(tmp_path, split="val")


def test_felzenszwalb_is_an_ordinary_stage(tmp_path: Path) -> None:
    stage = Felzenszwalb(scales=(300, 50))
    check_stage(stage)
    [answer] = stage([example_samples()[0]])
    areas = answer.masks.areas()
    # Every scale takes the whole picture to pieces; what both have counts once, and ranks first.
    assert 48 * 64 < areas.sum() <= 2 * 48 * 64
    assert len({one["counts"] for one in answer.masks.rle()}) == len(answer.masks)
    assert answer.masks.scores[0] == 1 and (np.diff(answer.masks.scores) <= 0).all()
    object_proposals_lvis.main(method="felzenszwalb", limit=1, out=tmp_path)
    assert summary(tmp_path)["metrics"]["proposals"] > 20


def test_proposals_instead_of_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = instance_seg_coco.Proposals
    monkeypatch.setattr(
        instance_seg_coco, "Proposals", lambda sam, **k: few(sam, points_per_side=4, **k)
    )
    instance_seg_coco.main(boxes="proposals", limit=2, out=tmp_path)
    found = summary(tmp_path)
    assert found["errors"] == 0 and found["paper"] == {} and found["metrics"]["AP"] >= 0
    assert "class_agnostic=True" in found["run"]["metric"]
    with pytest.raises(typer.BadParameter, match="--refine"):
        instance_seg_coco.main(boxes="proposals", refine=True, limit=1, out=tmp_path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures, one of them broken."""
    for number, name in enumerate(("a.png", "b/c.png")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(shapes(2)[number].image).save(path)
    (tmp_path / "photos" / "broken.png").write_bytes(b"\x89PNG, or so it seems")
    return tmp_path / "photos"


def everything_of(photos: Path, **more: Any) -> None:
    out = photos.parent / "out"
    everything.main(data=str(photos), out=out, points_per_side=2, label_maps=True, **more)


def test_everything_of_a_folder(photos: Path, capsys: Any) -> None:
    out = photos.parent / "out"
    with pytest.raises(typer.Exit):
        everything_of(photos)
    told = capsys.readouterr().out
    assert "2 of 3 pictures are done" in told
    assert "broken.png: ValueError: cannot read" in told
    dataset = sa1b(out / "masks", images=photos, as_masks=True)
    assert dataset.ids == ["a", "b/c"]
    for sample in dataset:
        assert sample.image.shape == (256, 256, 3) and 0 < len(sample.masks) <= 12
        assert set(sample.masks.points.ravel().tolist()) <= {64.0, 192.0}
        labels = np.array(Image.open(out / "label_maps" / f"{sample.id}.png"))
        assert labels.dtype == np.uint16 and labels.max() <= len(sample.masks)
        assert ((labels > 0) == sample.masks.binary().any(axis=0)).all()
        assert (out / "overlays" / f"{sample.id}.jpg").is_file()

    # Mended, only what was missing is done.
    before = (out / "masks" / "a.json").stat().st_mtime_ns
    Image.fromarray(shapes(1)[0].image).save(photos / "broken.png")
    everything_of(photos)
    assert "3 of 3" in capsys.readouterr().out
    assert (out / "masks" / "a.json").stat().st_mtime_ns == before
    same = [json.loads((out / "masks" / f"{n}.json").read_text()) for n in ("a", "broken")]
    assert same[0]["annotations"] == same[1]["annotations"]
    with pytest.raises(ValueError, match="another run"):
        everything_of(photos, paper=True)


def test_drawn_anew_proposals_find_more(tmp_path: Path, photos: Path) -> None:
    plain, redrawn = (tmp_path / name for name in ("plain", "redrawn"))
    object_proposals_lvis.main(limit=3, points_per_side=8, out=plain)
    object_proposals_lvis.main(limit=3, points_per_side=8, redraw="tiny", out=redrawn)
    assert "Top(1000) | RedrawMasks(" in summary(redrawn)["run"]["pipeline"]
    before, after = (summary(folder)["metrics"]["AR@1000"] for folder in (plain, redrawn))
    assert after > 1.1 * before > 0
    (photos / "broken.png").unlink()
    everything_of(photos, redraw="tiny")
    run = json.loads((photos.parent / "out" / "run.json").read_text())
    assert "| RedrawMasks(" in json.dumps(run) and json.dumps(run).count("NonMaxSuppression(") == 1
    for sample in sa1b(photos.parent / "out" / "masks", images=photos, as_masks=True):
        assert 0 < len(sample.masks) <= 12


def test_everything_may_be_nothing(photos: Path) -> None:
    (photos / "broken.png").unlink()
    everything_of(photos, pred_iou_thresh=1e9)
    out = photos.parent / "out"
    for sample in sa1b(out / "masks", images=photos, as_masks=True):
        assert len(sample.masks) == 0 and len(sample.annotations) == 0
    assert not np.array(Image.open(out / "label_maps" / "a.png")).any()


def test_everything_refuses_to_eat_its_own_output(photos: Path) -> None:
    with pytest.raises(typer.BadParameter, match="overlays would be taken"):
        everything.main(data=str(photos), out=photos / "out")


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """A COCO file with boxes, one mask, a crowd, and keys that nobody knows."""
    path = to_coco(shapes(3), tmp_path / "set")
    whole = json.loads(path.read_text())
    for one in whole["annotations"][1:]:
        one["segmentation"] = []
        one["area"] = 1e6
        one["seen_by"] = {"name": "Ada", "at": [1, 2.5]}
    del whole["annotations"][2]["segmentation"], whole["annotations"][2]["area"]
    whole["annotations"][3]["iscrowd"] = 1
    whole["images"][0]["camera"], whole["extra"] = "left", [None, "kept"]
    path.write_text(json.dumps(whole))
    return path


ADDED = ("segmentation", "area", "area_before", "predicted_iou")


@pytest.mark.parametrize(("polygons", "zoom"), [(False, None), (True, 1.5)])
def test_masks_for_a_coco_file(
    boxes: Path, tmp_path: Path, polygons: bool, zoom: float | None
) -> None:
    boxes_to_masks.main(data=str(boxes), out=tmp_path / "out", polygons=polygons, zoom=zoom)
    before = json.loads(boxes.read_text())
    after = json.loads((tmp_path / "out" / "instances_shapes_masks.json").read_text())
    pairs = list(zip(before.pop("annotations"), after.pop("annotations"), strict=True))
    assert before == after
    assert pairs[0][0] == pairs[0][1], "what has a mask keeps it"
    assert pairs[3][0] == pairs[3][1], "a crowd is not one object"
    for number, (old, new) in enumerate(pairs):
        assert {k: v for k, v in old.items() if k not in ADDED} == {
            k: v for k, v in new.items() if k not in ADDED
        }
        if number not in (0, 3):
            mask = rle.from_coco(new["segmentation"], 256, 256)
            assert rle.areas([mask]).tolist() == [new["area"]] and new["area"] > 0
            assert isinstance(new["segmentation"], list) == polygons
            assert new.get("area_before") == (None if number == 2 else 1e6)


def test_masks_for_boxes_go_on_where_they_were(boxes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    picture = boxes.parents[1] / "images" / "000001.png"
    pixels = picture.read_bytes()
    picture.write_bytes(b"")
    with pytest.raises(typer.Exit):
        boxes_to_masks.main(data=str(boxes), out=out)
    assert sorted(path.name for path in (out / "parts").iterdir()) == ["0.json", "2.json"]
    partly = json.loads((out / "instances_shapes_masks.json").read_text())
    done = {one["image_id"] for one in partly["annotations"] if "predicted_iou" in one}
    assert done == {0, 2}
    picture.write_bytes(pixels)
    boxes_to_masks.main(data=str(boxes), out=out)
    boxes_to_masks.main(data=str(boxes), out=tmp_path / "at_once")
    results = [path / "instances_shapes_masks.json" for path in (out, tmp_path / "at_once")]
    assert results[0].read_text() == results[1].read_text()
    boxes.write_text(boxes.read_text() + " ")
    with pytest.raises(ValueError, match="another run"):
        boxes_to_masks.main(data=str(boxes), out=out)


def test_masks_for_lvis_boxes(test_data: Path, tmp_path: Path) -> None:
    source = test_data / "lvis_v0.5_subset" / "annotations" / "lvis_val_subset.json"
    whole = json.loads(source.read_text())
    for one in whole["annotations"]:
        del one["segmentation"]
    (tmp_path / "lvis_val.json").write_text(json.dumps(whole))
    boxes_to_masks.main(
        data=str(tmp_path / "lvis_val.json"),
        images=test_data / "lvis_v0.5_subset",
        limit=2,
        out=tmp_path / "out",
    )
    after = json.loads((tmp_path / "out" / "lvis_val_masks.json").read_text())
    assert after["images"] == whole["images"] and after["categories"] == whole["categories"]
    assert len({a["image_id"] for a in after["annotations"] if a.get("segmentation")}) == 2


def test_masks_for_yolo_labels(tmp_path: Path) -> None:
    images, labels = tmp_path / "images" / "train", tmp_path / "labels" / "train"
    for folder in (images, labels):
        folder.mkdir(parents=True)
    polygon = "7 0.1 0.1 0.2 0.1 0.2 0.2"
    truths = []
    for sample in shapes(2):
        Image.fromarray(sample.image).save(images / f"{sample.id}.png")
        truths.append(sample.annotations)
    for number, truth in enumerate(truths):
        center, size = (truth.boxes[:, :2] + truth.boxes[:, 2:]) / 512, truth.boxes[:, 2:] / 256
        shares = np.concatenate([center, size - truth.boxes[:, :2] / 256], axis=1)
        lines = [f"{i} " + " ".join(map(str, row)) for i, row in enumerate(shares.tolist())]
        (labels / f"{number}.txt").write_text("\n".join([*lines, "", polygon]) + "\n")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(images / "nothing.png")

    boxes_to_masks.main(data=str(images), out=tmp_path / "out")
    after = yolo_labels(images, labels=tmp_path / "out" / "labels")
    assert [len(sample.annotations) for sample in after] == [*(len(t) + 1 for t in truths), 0]
    for sample, truth in zip(after, truths, strict=False):
        text = (tmp_path / "out" / "labels" / f"{sample.id[:1]}.txt").read_text().splitlines()
        assert text[-1] == polygon
        masks = sample.annotations
        assert masks.class_ids.tolist() == [*range(len(truth)), 7]
        iou = rle.iou(masks.run_lengths[:-1], truth.run_lengths).diagonal()
        assert iou.mean() > 0.2, "they are those of their boxes"


def test_boxes_of_made_up_scenes(tmp_path: Path, capsys: Any) -> None:
    boxes_to_masks.main(limit=1, out=tmp_path)
    assert "0 annotations are left without" in capsys.readouterr().out
    truth = shapes(1)[0].annotations
    ious = []
    for name, redraw in (("plain", None), ("redrawn", "tiny")):
        boxes_to_masks.main(limit=1, redraw=redraw, out=tmp_path / name)
        whole = json.loads(next((tmp_path / name).glob("*_masks.json")).read_text())
        masks = [one["segmentation"] for one in whole["annotations"]]
        ious.append(rle.iou(masks, truth.run_lengths).diagonal().mean())
    assert ious[1] > ious[0] > 0.2
