"""RefCOCO's files, in small."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samkit.data import refcoco
from samkit.data.refcoco import read_plain_pickle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures; of the first one object has two sentences, and both are in the split."""
    annotations = [
        {"id": 10 * image + i, "image_id": image, "category_id": 3, "iscrowd": 0, "area": 4,
         "bbox": [2 * i, 0, 2, 2], "segmentation": [[2 * i, 0, 2 * i + 2, 0, 2 * i + 2, 2, 2 * i, 2]]}
        for image in (1, 2) for i in (0, 1)
    ]  # fmt: skip
    images = [{"id": i, "file_name": f"{i}.png", "height": 4, "width": 6} for i in (1, 2)]
    categories = [{"id": 3, "name": "mug"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    for i in (1, 2):
        Image.fromarray(np.full((4, 6, 3), 40 * i, np.uint8)).save(tmp_path / f"{i}.png")
    refs = [
        {
            "image_id": 1,
            "ann_id": 11,
            "split": "val",
            "sentences": [{"sent": "right"}, {"sent": "2nd"}],
        },
        {"image_id": 1, "ann_id": 10, "split": "val", "sentences": [{"sent": "left"}]},
        {"image_id": 2, "ann_id": 20, "split": "train", "sentences": [{"sent": "it"}]},
    ]
    (tmp_path / "refs(unc).p").write_bytes(pickle.dumps(refs, protocol=2))
    return tmp_path


def test_sentences_ask_for_their_objects(folder: Path) -> None:
    [sample] = refcoco(folder, "val")
    assert sample.id == 1 and sample.phrases == ("right", "2nd", "left")
    truth = sample.annotations
    assert truth.class_ids.tolist() == [0, 1, 2] and truth.boxes[:, 0].tolist() == [2, 2, 0]
    assert truth.binary()[0, :2, 2:4].all() and truth.binary()[0].sum() == 4
    assert sample.image[0, 0, 0] == 40
    assert [s.phrases for s in refcoco(folder, "train")] == [("it",)]
    assert refcoco(folder, "val").name == f"{folder.name}(refs(unc).p, val, 1 images)"


def test_what_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(ValueError, match="no split 'test'; it has train, val"):
        refcoco(folder, "test")
    with pytest.raises(FileNotFoundError, match="found none; give `by`"):
        refcoco(folder, by="umd")
    (folder / "refs(google).p").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="found refs"):
        refcoco(folder)


def test_nothing_in_the_pickle_is_run(folder: Path, capsys) -> None:
    class Evil:
        def __reduce__(self):
            return print, ("it ran",)

    path = folder / "refs(unc).p"
    for content in (pickle.dumps([Evil()]), b"nonsense", path.read_bytes()[:40]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="no pickle of plain values, or damaged"):
            read_plain_pickle(path)
    assert capsys.readouterr().out == ""
