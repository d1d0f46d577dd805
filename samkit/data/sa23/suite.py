"""Which of the 23 datasets are there, and what the others want."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from samkit.data.dataset import Dataset
from samkit.data.sa23.facts import DATASETS, Facts
from samkit.data.sa23.places import dataset_folder
from samkit.data.sa23.readers import READERS


@dataclass(frozen=True)
class Found:
    """One dataset of the suite under a root: the dataset, or why it cannot be read."""

    facts: Facts
    split: str
    dataset: Dataset | None = None
    problem: str = ""

    @property
    def as_paper(self) -> bool:
        """Whether the split is the paper's."""
        return self.split == self.facts.split


def sa23(
    name: str, root: str | Path, split: str | None = None, limit: int | None = None
) -> Dataset:
    """One of the 23 datasets of the paper's study of clicks (7.1, D.1), as its owner ships it.

    name: one of `DATASETS`, whose layout says what the folder holds. root: the folder in which the
    datasets' folders lie, each called by its name or beginning with it. split: another than the
    paper's. limit: the first so many images. Draw the paper's number of masks by `sample_images`.

    Raises ValueError for an unknown name, FileNotFoundError that says what is missing.

    >>> sa23("bbbc038v1", "datasets")  # doctest: +SKIP
    <Dataset bbbc038v1(670 images): 670 samples>
    """
    if name not in DATASETS:
        raise ValueError(f"there is no dataset {name!r} in the suite; it has {', '.join(DATASETS)}")
    papers = DATASETS[name].split
    if papers == "all" and split not in (None, "all"):
        raise ValueError(f"{name} is taken whole; there is no split {split} to choose")
    return READERS[name](dataset_folder(root, name), split or papers).limit(limit)


def suite(
    root: str | Path, names: Sequence[str] = (), splits: Mapping[str, str] | None = None
) -> list[Found]:
    """All 23 datasets, or those named, with the dataset or what is missing for it.

    splits: by name, where another split is wanted than the paper's. Raises as `sa23` for unknown
    names, FileNotFoundError where there is no `root`.
    """
    if not Path(root).is_dir():
        raise FileNotFoundError(f"no folder at {root}")
    wanted = dict(splits or {})
    unknown = [name for name in (*names, *wanted) if name not in DATASETS]
    if unknown:
        raise ValueError(f"there is no dataset {unknown[0]!r}; the suite has {', '.join(DATASETS)}")
    found = []
    for name in names or DATASETS:
        facts = DATASETS[name]
        split = wanted.get(name, facts.split)
        try:
            found.append(Found(facts, split, sa23(name, root, split)))
        except (OSError, ValueError, ImportError) as error:
            found.append(Found(facts, split, problem=str(error)))
    return found
