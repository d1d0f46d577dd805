"""The suite of 23: its table of facts, what is there, and random images of it."""

import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from samkit.cli import app
from samkit.data import Dataset, sa23, sample_images, suite
from samkit.data.sa23 import DATASETS, format_suite
from samkit.data.sa23.label_maps import masks_of
from samkit.data.sa23.objects import annotations
from samkit.ops import rle
from samkit.types import Sample
from tests.data import sa23_layouts as layouts


def test_the_table_adds_up_to_the_papers():
    facts = DATASETS.values()
    assert len(DATASETS) == 23
    assert sum(one.images for one in facts) == 40_188
    assert sum(one.masks for one in facts) == 172_653
    assert sum(one.delta > 0 for one in facts) == 16
    assert np.mean([one.delta for one in facts]) == pytest.approx(9.24, abs=0.005)
    assert [one.delta for one in facts] == sorted((one.delta for one in facts), reverse=True)
    assert all(one.home.startswith("https://") and one.layout and one.licence for one in facts)


def scattered(counts, broken=()):
    """A dataset with so many masks in each image; an empty mask and a crowd beside them."""

    def make(id):
        if id in broken:
            raise ValueError(f"{id} is broken")
        masks = np.zeros((counts[id] + 2, 2, 30), bool)
        masks[np.arange(counts[id]), 0, np.arange(counts[id])] = True
        masks[-1] = True
        crowd = np.arange(len(masks)) == len(masks) - 1
        truth = annotations((2, 30), rle.encode(masks), is_crowd=crowd)
        made.append(id)
        return Sample(id, lambda: np.zeros((2, 30, 3), np.uint8), truth)

    made = []
    return Dataset("scattered", list(range(len(counts))), make), made


def test_a_small_dataset_is_taken_whole_in_random_order():
    dataset, made = scattered([3, 4, 5])
    drawn = sample_images(dataset, masks=6, largest=12)
    assert drawn.whole and drawn.masks == 12
    assert sorted(drawn.dataset.ids) == [0, 1, 2]
    assert [len(sample.annotations) for sample in drawn.dataset] == [
        [5, 6, 7][id] for id in drawn.dataset.ids
    ]
    assert len(made) == 3  # counted and evaluated, but read once


def test_a_large_one_is_cut_where_there_are_enough_masks():
    counts = np.random.default_rng(0).integers(1, 20, 400).tolist()
    dataset, _ = scattered(counts)
    drawn = sample_images(dataset, masks=500, largest=800)
    assert not drawn.whole
    of = [counts[id] for id in drawn.dataset.ids]
    assert sum(of) == drawn.masks >= 500 > sum(of[:-1])
    assert drawn.dataset.ids == sample_images(dataset, 500, 800).dataset.ids
    other = sample_images(dataset, 500, 800, seed=1)
    assert other.dataset.ids != drawn.dataset.ids
    assert other.dataset.name != drawn.dataset.name
    # Between the two limits nothing is cut, whatever the order.
    assert sample_images(dataset, masks=500, largest=sum(counts)).whole


def test_limits_go_along_the_same_order():
    counts = [3] * 40
    dataset, made = scattered(counts)
    whole = sample_images(dataset, 30, 60).dataset.ids
    made.clear()
    few = sample_images(dataset, 30, 60, limit=4)
    assert few.dataset.ids == whole[:4] and not few.whole and few.masks == 12
    assert len(made) < 40
    assert sample_images(dataset, 30, 60, limit=400).dataset.ids == whole


def test_images_without_objects_are_left_out_and_broken_ones_kept():
    dataset, _ = scattered([3, 2, 2], broken=(1,))
    nothing = Sample("none", lambda: np.zeros((2, 30, 3), np.uint8), annotations((2, 30), []))
    both = Dataset("both", [0, 1, 2, "none"], lambda id: nothing if id == "none" else dataset[id])
    drawn = sample_images(both)
    assert set(drawn.dataset.ids) == {0, 1, 2}
    assert (drawn.masks, drawn.without_objects) == (5, 1)
    assert drawn.unreadable == {1: "ValueError: 1 is broken"}
    with pytest.raises(ValueError, match="1 is broken"):
        drawn.dataset[drawn.dataset.ids.index(1)]


def test_label_maps_give_the_masks_that_pixels_give():
    rng = np.random.default_rng(0)
    for shape in [(1, 1), (1, 9), (9, 1), (7, 5), (40, 30)]:
        for most in (1, 2, 5):
            values = rng.integers(0, most, shape)
            masks = masks_of(values)
            assert list(masks) == np.unique(values).tolist()
            for value, mask in masks.items():
                assert mask == rle.encode((values == value)[None])[0]


def test_all_23_are_found_and_counted(tmp_path):
    pytest.importorskip("h5py")
    expected = {name: writer(tmp_path / name) for name, writer in layouts.WRITERS.items()}
    found = suite(tmp_path)
    assert [one.facts.name for one in found] == list(DATASETS)
    assert all(one.dataset is not None and one.as_paper for one in found)
    text = format_suite(found, tmp_path, count_masks=True)
    assert "23 of 23 datasets" in text and "missing" not in text
    lines = {line.split()[0]: line.split() for line in text.splitlines()[1:24]}
    for name, masks in expected.items():
        images = [kinds for kinds in masks.values() if kinds]
        seen = sum(mask.any() for kinds in images for mask in kinds)
        if name == "cityscapes":
            seen -= 1  # the group of cars
        assert lines[name][2:6:2] == [str(len(images)), str(seen)], name
        facts = DATASETS[name]
        assert lines[name][3:6:2] == [str(facts.images), str(facts.masks)]


def test_what_is_missing_is_told_with_its_place_and_home(tmp_path):
    layouts.gtea(tmp_path / "GTEA hands")
    layouts.ade20k(tmp_path / "ade20k")
    (tmp_path / "ovis").mkdir()
    found = {one.facts.name: one for one in suite(tmp_path, splits={"ade20k": "training"})}
    assert [name for name, one in found.items() if one.dataset is not None] == ["gtea"]
    assert "there: validation" in found["ade20k"].problem
    done = CliRunner().invoke(app, ["suite", "--root", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "2 of 23 datasets" in done.output
    assert f"no annotations_train.json in {tmp_path / 'ovis'}" in done.output
    assert f"{tmp_path}/dram/test/MOVEMENT/ARTIST/*.jpg" in done.output
    assert DATASETS["dram"].home in done.output and DATASETS["dram"].licence in done.output


def test_a_library_that_is_not_installed_is_named(tmp_path, monkeypatch):
    (tmp_path / "hypersim/ai_001_001/images").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "h5py", None)
    [one] = suite(tmp_path, ["hypersim"])
    assert one.dataset is None and 'pip install "samkit[data]"' in one.problem


def test_folders_that_could_be_one_dataset(tmp_path):
    for name in ("LVIS_v1", "lvis-v0.5"):
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=r"LVIS_v1 and .*lvis-v0.5 could both be lvis"):
        sa23("lvis", tmp_path)
    layouts.lvis(tmp_path / "lvis")
    assert len(sa23("lvis", tmp_path)) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--split", "lvis"], "expected --split NAME=SPLIT, got lvis"),
        (["--split", "coco=val"], "no dataset 'coco'; the suite has ppdls"),
    ],
)
def test_mistakes_are_answered_in_one_line(tmp_path, options, told):
    done = CliRunner().invoke(app, ["suite", "--root", str(tmp_path), *options])
    assert done.exit_code == 2 and told in done.output
    assert CliRunner().invoke(app, ["suite", "--root", str(tmp_path / "no")]).exit_code == 2
    assert CliRunner().invoke(app, ["suite", "--root", str(tmp_path)]).exit_code == 1


def test_names_and_splits_that_do_not_exist(tmp_path):
    layouts.ppdls(tmp_path / "ppdls")
    with pytest.raises(ValueError, match="no dataset 'coco' in the suite"):
        sa23("coco", tmp_path)
    with pytest.raises(ValueError, match="ppdls is taken whole; there is no split train"):
        sa23("ppdls", tmp_path, split="train")
    with pytest.raises(FileNotFoundError, match="no folder dram"):
        sa23("dram", tmp_path)


def test_the_documentation_has_the_table(request):
    text = (request.config.rootpath / "docs/sa23.md").read_text()
    for facts in DATASETS.values():
        numbers = f"| {facts.images} | {facts.masks} | {facts.delta:+.1f} | {facts.licence} |"
        assert f"| `{facts.name}` | [{facts.title}]({facts.home}) |" in text
        assert numbers in text and f"| `{facts.name}` | {facts.masks_are} |" in text
        assert f"{facts.name}/\n    " + facts.layout.replace("\n", "\n    ") in text
