"""What every reader returns: a named sequence of samples that are made when asked for."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

from samkit.types import Sample
from samkit.types.sample import SampleId


class Dataset(Sequence[Sample]):
    """N samples in a fixed order; `dataset[i]` makes the i-th, a slice is a smaller dataset.

    name: identifies the data in result files, e.g. "coco(instances_val2017.json, 78 images)".
    ids: N unique sample ids. make: the i-th record's sample, from its id.
    class_names: the dataset's class ids and their words, empty where it has no classes.

    Raises ValueError that names the doubles where ids are not unique.
    """

    def __init__(
        self,
        name: str,
        ids: Sequence[SampleId],
        make: Callable[[Any], Sample],
        class_names: Mapping[int, str] | None = None,
    ) -> None:
        if len(set(ids)) < len(ids):
            doubles = sorted(str(id) for id, count in Counter(ids).items() if count > 1)
            raise ValueError(f"{name} has sample ids twice: {', '.join(doubles[:5])}")
        self.name = name
        self.ids = list(ids)
        self.class_names = dict(class_names or {})
        self._make = make

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "Dataset": ...
    def __getitem__(self, index: int | slice) -> "Sample | Dataset":
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            name = f"{self.name}[{start}:{stop}]" if step == 1 else f"{self.name}[{index}]"
            return Dataset(name, self.ids[index], self._make, self.class_names)
        return self._make(self.ids[index])

    def limit(self, count: int | None) -> "Dataset":
        """The first `count` samples; all of them for None."""
        return self if count is None or count >= len(self) else self[:count]

    def __repr__(self) -> str:
        return f"<Dataset {self.name}: {len(self)} samples>"
