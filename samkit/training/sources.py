"""What `--data` says: made-up scenes and folders of photographs, each with its share."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samkit.data import coco, folder, lvis, shapes
from samkit.data.dataset import Dataset
from samkit.data.packed import Split, packed
from samkit.data.shapes import render_scene
from samkit.data.shapes.phrases import held_out
from samkit.training.augment import Bools, Pixels
from samkit.training.data import Mixture

# Evaluations count their seeds from 0; nobody who counts from there meets these scenes.
TRAINING_SEED, VALIDATION_SEED = 7_000_000, 8_000_000


def mixture(specs: Sequence[str], image_size: int, seed: int = 0) -> Mixture:
    """Each spec is NAME_OR_PATH or NAME_OR_PATH:SHARE: `shapes`, or what `open_dataset` opens.

    Shares need not sum to anything. Photographs lend objects to paste, `shapes` does not.

    >>> mixture(["shapes:1", "photos/coco:3"], 256)  # doctest: +SKIP
    """
    names, shares = zip(*map(parse, specs), strict=True)
    sources = [
        FreshShapes(TRAINING_SEED + seed, image_size)
        if name == "shapes"
        else Photographs(open_dataset(name, "train"))
        for name in names
    ]
    return Mixture(sources, shares, [name != "shapes" for name in names])


def parse(spec: str) -> tuple[str, float]:
    """("photos/coco", 3.0) for "photos/coco:3"; the share is 1 where none is given."""
    name, _, share = spec.rpartition(":")
    if share.endswith("]"):
        return spec, 1.0
    try:
        number = float(share)
    except ValueError:  # a path without a share, perhaps with a colon of its own
        return spec, 1.0
    if not name:
        return spec, 1.0
    if not number > 0:
        raise ValueError(f"the share in {spec!r} is to be above 0")
    return name, number


def open_dataset(path: str, split: Split) -> Dataset:
    """A folder or file of photographs with masks, by what lies in it.

    masks.jsonl.gz: `packed`. images/ and masks/: `folder`. A JSON file, or annotations/ with one:
    COCO, or LVIS where the name begins with lvis. sa_*.json: SA-1B. Only a packed folder knows which
    pictures are kept for validation; the others are all for training.

    PATH[30:] and PATH[:30] are those pictures of all, in the reader's order, whatever the split.

    Raises ValueError that says what it looked for.
    """
    if part := re.fullmatch(r"(.+)\[(\d*):(\d*)\]", path):
        first, last = (int(number) if number else None for number in part.groups()[1:])
        return open_dataset(part[1], "all")[first:last]
    root = Path(path)
    if (root / "masks.jsonl.gz").is_file():
        return packed(root, split)
    if (root / "images").is_dir() and (root / "masks").is_dir():
        return folder(root / "images", root / "masks")
    if root.suffix == ".json" or (root / "annotations").is_dir():
        return lvis(root) if root.name.startswith("lvis") else coco(root)
    if root.is_dir() and next(root.rglob("sa_*.json"), None):
        from samkit.data.sa1b import sa1b

        return sa1b(root)
    raise ValueError(
        f"no data with masks at {path}; wanted `shapes`, a folder with masks.jsonl.gz, with images/ "
        "and masks/, with annotations/, or with sa_*.json, or a COCO or LVIS JSON file"
    )


def validation_sets(
    specs: Sequence[str], given: Sequence[str], image_size: int, limit: int
) -> dict[str, Dataset]:
    """At most `limit` pictures each to measure on: of `given` where there are any, else unseen ones.

    Unseen are scenes of `shapes` where it is among the specs, and the tenth that every packed folder
    keeps out of training, all folders together as "photographs"; taken at even distances.
    """
    if given:
        return {Path(path).name: _spread(open_dataset(path, "all"), limit) for path in given}
    names = [name for name, _ in map(parse, specs)]
    sets = {"shapes": shapes(limit, VALIDATION_SEED, image_size)} if "shapes" in names else {}
    kept: dict[str, tuple[Dataset, int]] = {}
    for name in names:
        if (Path(name) / "masks.jsonl.gz").is_file():
            dataset = packed(name, "validation")
            kept |= {f"{name}/{id}": (dataset, i) for i, id in enumerate(dataset.ids)}
    if kept:
        together = Dataset("photographs", list(kept), lambda id: kept[id][0][kept[id][1]])
        sets["photographs"] = _spread(together, limit)
    return sets


def _spread(dataset: Dataset, limit: int) -> Dataset:
    places = np.linspace(0, len(dataset) - 1, min(limit, len(dataset))).astype(int)
    by_id = {dataset.ids[place]: int(place) for place in places}
    name = f"{dataset.name}, {len(by_id)} of them"
    return Dataset(name, list(by_id), lambda id: dataset[by_id[id]], dataset.class_names)


@dataclass(frozen=True)
class FreshShapes:
    """Scenes that were never shown before, of one seed."""

    seed: int
    size: int

    def __call__(self, rng: np.random.Generator) -> tuple[Pixels, Bools]:
        scene = render_scene(self.seed, int(rng.integers(2**31)), self.size)
        return scene.image, scene.masks


@dataclass(frozen=True)
class SeenShapes:
    """The same, with the masks of those objects alone whose class and colour no text model is kept from."""

    seed: int
    size: int

    def __call__(self, rng: np.random.Generator) -> tuple[Pixels, Bools]:
        scene = render_scene(self.seed, int(rng.integers(2**31)), self.size)
        return scene.image, scene.masks[[not held_out(caption) for caption in scene.captions]]


@dataclass(frozen=True)
class Photographs:
    """Any picture of a dataset, all alike, with the masks of its objects but crowds."""

    dataset: Dataset

    def __call__(self, rng: np.random.Generator) -> tuple[Pixels, Bools]:
        sample = self.dataset[int(rng.integers(len(self.dataset)))]
        truth = sample.annotations
        if truth is None or truth.run_lengths is None:
            raise ValueError(f"sample {sample.id} of {self.dataset.name} has no masks to learn")
        masks = truth.binary()
        return sample.image, masks if truth.is_crowd is None else masks[~truth.is_crowd]
