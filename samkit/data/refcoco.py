"""RefCOCO, RefCOCO+ and RefCOCOg: COCO's objects with what people call them."""

import io
import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

from samkit.data.coco import coco
from samkit.data.dataset import Dataset
from samkit.data.phrases import ask, true_masks
from samkit.types import Sample


def refcoco(
    path: str | Path,
    split: str = "val",
    by: str | None = None,
    images: str | Path | None = None,
    limit: int | None = None,
) -> Dataset:
    """The pictures of a split, asked by every sentence that people wrote about one of their objects.

    path: a folder with instances.json and refs(unc).p, refs(google).p or refs(umd).p, as the REFER
        toolkit ships them. split: such as "val", "testA", "testB" or "test". by: "unc", "google" or
        "umd"; needed only where there are several. images: the folder of COCO's pictures.

    Sample ids are COCO's image ids. A sample's `phrases` are the sentences, and its annotations the
    objects they speak of, one for each, with the sentence's place as class id: what `PhraseIoU` reads.

    Raises FileNotFoundError where a file is not there, ValueError for a file that holds anything else
    than plain lists and texts, and for a split that it has not.

    >>> refcoco("refcoco+", split="testA", images="train2014")  # doctest: +SKIP
    """
    folder = Path(path)
    found = sorted(folder.glob(f"refs({by or '*'}).p"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise FileNotFoundError(f"wanted one refs(...).p in {folder}, found {names}; give `by`")
    sentences: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    splits = set()
    for ref in read_plain_pickle(found[0]):
        splits.add(ref["split"])
        if ref["split"] == split:
            for sentence in ref["sentences"]:
                sentences[ref["image_id"]].append((str(sentence["sent"]), ref["ann_id"]))
    if not sentences:
        raise ValueError(f"{found[0]} has no split {split!r}; it has {', '.join(sorted(splits))}")
    whole = coco(folder / "instances.json", images=images)
    places = {id: number for number, id in enumerate(whole.ids)}
    ids = [id for id in whole.ids if id in sentences][:limit]

    def make(id: int) -> Sample:
        sample = whole[places[id]]
        rows = {int(own): row for row, own in enumerate(true_masks(sample).ids)}  # type: ignore[arg-type]
        return ask(sample, [(text, [rows[own]]) for text, own in sentences[id]])

    name = f"{folder.name}({found[0].name}, {split}, {len(ids)} images)"
    return Dataset(name, ids, make, whole.class_names)


def read_plain_pickle(path: Path) -> Any:
    """What a pickle of lists, dicts, texts and numbers holds; nothing in it is run.

    Raises ValueError that names the file where it holds anything else, or is damaged.
    """
    try:
        return _Plain(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # a damaged pickle raises whatever its bytes lead to
        raise ValueError(f"{path} is no pickle of plain values, or damaged: {error}") from error


class _Plain(pickle.Unpickler):
    """Refuses every name that a pickle would import."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"it wants to import {module_name}.{global_name}")
