"""Datasets that ask: the same pictures, with phrases, and the objects that each phrase fits."""

from collections.abc import Callable, Sequence

import numpy as np

from samkit.data.dataset import Dataset
from samkit.data.shapes.phrases import held_out, unique
from samkit.types import Annotations, Sample

Question = tuple[str, list[int]]


def asking(
    dataset: Dataset, questions: Callable[[Annotations], list[Question]], name: str
) -> Dataset:
    """Every sample with the phrases that its annotations give rise to, as `ask` has it.

    questions: an image's phrases, each with the places of the objects that it fits.
    """

    def make(number: int) -> Sample:
        sample = dataset[number]
        return ask(sample, questions(true_masks(sample)))

    places = {id: number for number, id in enumerate(dataset.ids)}
    return Dataset(f"{name} of {dataset.name}", dataset.ids, lambda id: make(places[id]))


def ask(sample: Sample, asked: Sequence[Question]) -> Sample:
    """The sample with phrases and, as annotations, the objects that they fit.

    An object is there once for each phrase that fits it, with the phrase's place as class id. Raises
    ValueError for a sample without true masks.
    """
    truth = true_masks(sample)
    assert truth.run_lengths is not None
    rows = [row for _, own in asked for row in own]
    classes = [number for number, (_, own) in enumerate(asked) for _ in own]
    phrases = tuple(phrase for phrase, _ in asked)
    objects = Annotations(
        truth.size,
        truth.boxes[rows].reshape(-1, 4),
        np.array(classes, dtype=np.int64),
        run_lengths=tuple(truth.run_lengths[row] for row in rows),
        captions=tuple(phrases[i] for i in classes),
        class_names=dict(enumerate(phrases)),
    )
    return sample.replace(phrases=phrases, annotations=objects)


def true_masks(sample: Sample) -> Annotations:
    """The sample's annotations. Raises ValueError where they have no masks."""
    truth = sample.annotations
    if truth is None or truth.run_lengths is None:
        raise ValueError(f"sample {sample.id!r} has no true masks, so none can be asked for")
    return truth


def by_caption(dataset: Dataset) -> Dataset:
    """Each object's own caption, as referring expressions are given; crowds are not asked for."""
    return asking(dataset, captions, "captions")


def by_telling_caption(dataset: Dataset, unseen: bool = False) -> Dataset:
    """Of a made-up scene's captions those that fit no other object of it.

    unseen: only those with a class and a colour that samkit's text models never saw together.
    """

    def telling(truth: Annotations) -> list[Question]:
        found = [captions(truth)[i] for i in unique(truth.captions or ())]
        return [one for one in found if held_out(one[0]) or not unseen]

    return asking(dataset, telling, "unseen phrases" if unseen else "phrases that fit one object")


def by_class(dataset: Dataset) -> Dataset:
    """The name of each class that a picture has objects of, and all of those."""
    return asking(dataset, classes, "classes")


def captions(truth: Annotations) -> list[Question]:
    """Every caption with its object. Raises ValueError where objects have none."""
    if truth.captions is None:
        raise ValueError("these objects have no captions; ask by class")
    return [(caption, [i]) for i, caption in enumerate(truth.captions) if not _crowd(truth, i)]


def classes(truth: Annotations) -> list[Question]:
    """Every class name with the objects of that class. Raises ValueError for a class without a name."""
    found: dict[int, list[int]] = {}
    for place, class_id in enumerate(truth.class_ids.tolist()):
        if not _crowd(truth, place):
            found.setdefault(class_id, []).append(place)
    unnamed = [class_id for class_id in found if class_id not in truth.class_names]
    if unnamed:
        raise ValueError(f"class {unnamed[0]} has no name to ask for")
    return [(truth.class_names[i].replace("_", " "), own) for i, own in found.items()]


def _crowd(truth: Annotations, place: int) -> bool:
    return truth.is_crowd is not None and bool(truth.is_crowd[place])
