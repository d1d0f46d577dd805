"""What `--data` may say."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samkit.data import shapes
from samkit.data.packed import split_of
from samkit.data.shapes import to_coco
from samkit.training.sources import Photographs, mixture, open_dataset, parse, validation_sets
from tests.data.test_packed import pack


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("shapes", ("shapes", 1.0)),
        ("photos/coco:3", ("photos/coco", 3.0)),
        ("photos/coco:.5", ("photos/coco", 0.5)),
        ("c:/photos", ("c:/photos", 1.0)),
        ("c:/photos:2", ("c:/photos", 2.0)),
        ("photos[3:5]", ("photos[3:5]", 1.0)),
        ("photos[:30]:2", ("photos[:30]", 2.0)),
    ],
)
def test_specs(spec: str, expected: tuple[str, float]) -> None:
    assert parse(spec) == expected


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        parse("shapes:0")


def test_every_kind_of_data(tmp_path: Path) -> None:
    pack(tmp_path / "packed", 12)
    for folder in ("own/images", "own/masks"):
        (tmp_path / folder).mkdir(parents=True)
    value = np.zeros((8, 8), np.uint8)
    value[2:6, 2:6] = 1
    Image.fromarray(value).save(tmp_path / "own/masks/a.png")
    Image.fromarray(value * 100).save(tmp_path / "own/images/a.png")
    to_coco(shapes(2), tmp_path / "coco")
    for path, count in (("packed", 12), ("own", 1), ("coco", 2)):
        dataset = open_dataset(str(tmp_path / path), "all")
        assert len(dataset) == count
        image, masks = Photographs(dataset)(np.random.default_rng(0))
        assert image.shape[:2] == masks.shape[1:] and masks.any()
    assert (
        open_dataset(f"{tmp_path}/packed[:5]", "train").ids
        == open_dataset(f"{tmp_path}/packed", "all").ids[:5]
    )
    with pytest.raises(ValueError, match="no data with masks"):
        open_dataset(str(tmp_path), "all")


def test_what_is_kept_for_validation_is_never_learned(tmp_path: Path) -> None:
    pack(tmp_path / "a", 30)
    pack(tmp_path / "b", 30)
    specs = [f"{tmp_path}/a:2", f"{tmp_path}/b", "shapes"]
    learned = {
        Path(str(id)).name
        for source in mixture(specs, 64).sources
        if isinstance(source, Photographs)
        for id in source.dataset.ids
    }
    sets = validation_sets(specs, [], 64, 40)
    kept = {Path(str(id)).name for id in sets["photographs"].ids}
    assert kept and not kept & learned and {split_of(name) for name in kept} == {"validation"}
    assert len(sets["shapes"]) == 40
    assert len(validation_sets(specs, [], 64, 2)["photographs"]) == 2
    given = validation_sets(specs, [f"{tmp_path}/a[20:]"], 64, 40)
    assert [len(samples) for samples in given.values()] == [10]


def test_crowds_are_not_learned(tmp_path: Path) -> None:
    to_coco(shapes(1), tmp_path)
    [file] = (tmp_path / "annotations").glob("*.json")
    content = json.loads(file.read_text())
    for one in content["annotations"]:
        one["iscrowd"] = 1
    file.write_text(json.dumps(content))
    _, masks = Photographs(open_dataset(str(tmp_path), "all"))(np.random.default_rng(0))
    assert len(masks) == 0
