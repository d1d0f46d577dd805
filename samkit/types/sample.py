"""One image with what is known about it, and the truth that a dataset tells."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samkit.ops import rle
from samkit.ops.images import read_image
from samkit.types.frame import ImageEmbedding, Size
from samkit.types.masks import Masks
from samkit.types.prompt_fields import Floats
from samkit.types.prompts import Prompts

Image = NDArray[np.uint8]
SampleId = int | str


@dataclass(frozen=True, eq=False)
class Annotations:
    """The true objects of one image, N of them; every field is N long or None.

    size: (height, width) of the image.
    boxes: (N, 4) xyxy pixels.
    class_ids: (N,) int, the dataset's own ids; `class_names` maps them to words.
    run_lengths: N masks as COCO run lengths; None where a dataset has boxes only.
    areas: (N,) square pixels as the dataset states them (COCO's size bins use these).
    ids: (N,) the dataset's annotation ids.
    is_crowd: (N,) bool, regions of many objects that evaluators ignore.
    captions: N texts that describe each object.
    parents: (N,) index of the object that this one is a part of, -1 for a whole.
    negative_class_ids, not_exhaustive_class_ids: LVIS's federated labels of the image.
    class_frequency: LVIS's "r", "c" or "f" (rare, common, frequent) of every class.
    ignored: one mask of the pixels that count neither as object nor as background.
    boundaries: (A, H, W) bool, the boundary pixels as each of A annotators drew them.
    """

    size: Size
    boxes: Floats
    class_ids: NDArray[np.int64]
    run_lengths: tuple[rle.RLE, ...] | None = None
    areas: NDArray[np.float64] | None = None
    ids: NDArray[np.int64] | None = None
    is_crowd: NDArray[np.bool_] | None = None
    captions: tuple[str, ...] | None = None
    parents: NDArray[np.int64] | None = None
    class_names: Mapping[int, str] = field(default_factory=dict)
    negative_class_ids: tuple[int, ...] = ()
    not_exhaustive_class_ids: tuple[int, ...] = ()
    class_frequency: Mapping[int, str] = field(default_factory=dict)
    ignored: rle.RLE | None = None
    boundaries: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        names = ("run_lengths", "areas", "ids", "is_crowd", "captions", "parents")
        values = [self.boxes, self.class_ids, *(getattr(self, name) for name in names)]
        lengths = {
            name: len(value)
            for name, value in zip(("boxes", "class_ids", *names), values, strict=True)
            if value is not None
        }
        if len(set(lengths.values())) > 1:
            raise ValueError(f"fields of Annotations share their length, got {lengths}")

    def __len__(self) -> int:
        return len(self.boxes)

    def binary(self) -> NDArray[np.bool_]:
        """The masks as pixels, (N, H, W) bool. Raises ValueError where there are none."""
        if self.run_lengths is None:
            raise ValueError("these annotations have boxes only, no masks")
        return rle.decode(self.run_lengths, self.size)


FIELDS = (
    "id",
    "image",
    "annotations",
    "phrases",
    "embedding",
    "prompts",
    "masks",
    "clicks",
    "edges",
)


class Sample:
    """A frozen record: one image with what is known about it.

    id: int or str, unique in its dataset.
    image: (H, W, 3) uint8 RGB. It may be given as a function that makes it; then nothing is decoded
        until it is asked for, and every access decodes anew, so a list of samples stays small.
        `loaded()` keeps the pixels.
    annotations: the truth, where known. phrases: texts asked about this image.
    embedding, prompts, masks, clicks, edges: what stages wrote; None before.

    >>> Sample(id=7, image=np.zeros((4, 6, 3), np.uint8)).replace(phrases=("a cat",)).phrases
    ('a cat',)
    """

    id: SampleId
    annotations: Annotations | None
    phrases: tuple[str, ...] | None
    embedding: ImageEmbedding | None
    prompts: Prompts | None
    masks: Masks | None
    clicks: Any
    edges: NDArray[np.float32] | None

    def __init__(
        self,
        id: SampleId,
        image: Image | Callable[[], Image],
        annotations: Annotations | None = None,
        phrases: Sequence[str] | None = None,
        embedding: ImageEmbedding | None = None,
        prompts: Prompts | None = None,
        masks: Masks | None = None,
        clicks: Any = None,
        edges: NDArray[np.float32] | None = None,
    ) -> None:
        if not callable(image):
            image = check_image(image)
        self.__dict__.update(
            id=id,
            _image=image,
            annotations=annotations,
            phrases=None if phrases is None else tuple(phrases),
            embedding=embedding,
            prompts=prompts,
            masks=masks,
            clicks=clicks,
            edges=edges,
        )

    @classmethod
    def open(cls, path: str | Path) -> "Sample":
        """A picture from a file; its id is the path as given. The file is read when needed."""
        if not Path(path).is_file():
            raise FileNotFoundError(f"no picture at {path}")
        return cls(id=str(path), image=lambda: read_image(path))

    @property
    def image(self) -> Image:
        """(H, W, 3) uint8 RGB pixels."""
        source = self.__dict__["_image"]
        return check_image(source()) if callable(source) else source

    def loaded(self) -> "Sample":
        """The same sample with its pixels in memory."""
        return self.replace(image=self.image) if callable(self.__dict__["_image"]) else self

    def replace(self, **changes: Any) -> "Sample":
        """A copy with other values in the named fields. Raises TypeError for unknown names."""
        values = {name: self.__dict__["_image" if name == "image" else name] for name in FIELDS}
        return Sample(**{**values, **changes})

    def known(self) -> Iterator[str]:
        """Names of the fields that hold something."""
        return (name for name in FIELDS if name == "image" or getattr(self, name) is not None)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"Sample is frozen; write sample.replace({name}=...)")

    def __repr__(self) -> str:
        known = ", ".join(name for name in self.known() if name != "id")
        return f"Sample({self.id!r}: {known})"


def check_image(image: Any) -> Image:
    """The image itself. Raises ValueError unless it is (H, W, 3) uint8 with at least one pixel."""
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or array.size == 0:
        raise ValueError(
            f"an image is (H, W, 3) uint8 RGB, got {array.shape} {array.dtype}; "
            "samkit.ops.images.read_image turns any picture file into that"
        )
    return array
