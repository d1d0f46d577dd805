"""Packed photographs: a folder made here, and the real ones where they are."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samkit.data.packed import packed, split_of
from samkit.ops import rle

HEIGHT, WIDTH = 24, 32


def pack(folder: Path, count: int) -> None:
    """Pictures in two tar files; number i has value i and i % 3 masks of i + 1 pixels and more."""
    folder.mkdir(parents=True)
    lines = []
    for number in range(count):
        content = io.BytesIO()
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), number, np.uint8)).save(content, "PNG")
        name = f"{folder.name}-{number}.png"
        info = tarfile.TarInfo(name)
        info.size = content.tell()
        content.seek(0)
        with tarfile.open(folder / f"images-00{number % 2}.tar", "a") as tar:
            tar.addfile(info, content)
        cells = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
        masks = cells < 40 * (number % 3 + 1) * np.arange(1, number % 3 + 2)[:, None, None]
        labels = ["zebra", "ant", "cow"]
        found = [{"rle": r, "label": labels[i]} for i, r in enumerate(rle.encode(masks))]
        lines.append({"file": name, "height": HEIGHT, "width": WIDTH, "masks": found})
    with gzip.open(folder / "masks.jsonl.gz", "wt") as file:
        file.write("\n".join(map(json.dumps, lines)))


def test_pictures_masks_and_classes(tmp_path: Path) -> None:
    pack(tmp_path / "p", 5)
    dataset = packed(tmp_path / "p")
    assert dataset.ids == [f"p-{i}.png" for i in range(5)]
    assert dataset.class_names == {1: "ant", 2: "cow", 3: "zebra"}
    sample = dataset[4]
    assert (sample.image == 4).all() and sample.image.shape == (HEIGHT, WIDTH, 3)
    truth = sample.annotations
    assert truth is not None and truth.areas.tolist() == [80, 160]
    assert truth.class_ids.tolist() == [3, 1]
    assert truth.binary().sum(axis=(1, 2)).tolist() == [80, 160]


def test_a_tenth_is_kept_by_its_name(tmp_path: Path) -> None:
    pack(tmp_path / "p", 60)
    parts = {split: packed(tmp_path / "p", split).ids for split in ("train", "validation")}
    assert sorted(parts["train"] + parts["validation"]) == sorted(packed(tmp_path / "p").ids)
    for id in parts["validation"]:
        assert hashlib.sha1(id.encode()).digest()[0] < 26
    assert 1 <= len(parts["validation"]) <= 14
    names = [split_of(f"{i}.jpg") for i in range(2000)]
    assert 150 < names.count("validation") < 260


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no masks\.jsonl\.gz"):
        packed(tmp_path)
    pack(tmp_path / "p", 3)
    with pytest.raises(ValueError, match="train, validation or all"):
        packed(tmp_path / "p", "test")  # type: ignore[arg-type]
    (tmp_path / "p/images-001.tar").unlink()
    with pytest.raises(ValueError, match=r"p-1\.png has masks but is in no images"):
        packed(tmp_path / "p")


def test_real_photographs(test_data: Path) -> None:
    root = test_data.parent / "train"
    if not root.is_dir():
        pytest.skip(f"no training photographs at {root}")
    dataset = packed(root / "voc2007_44")
    assert len(dataset) == 44
    assert sum(len(sample.annotations or ()) for sample in dataset) == 114
    sample = dataset[0]
    assert sample.annotations is not None and sample.image.shape[:2] == sample.annotations.size
