"""Small real stages, a metric and pictures, for tests that need no SAM."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.pipeline import Stage
from samkit.types import Frame, ImageEmbedding, Masks, Prompts, Sample


@dataclass(frozen=True)
class NamedSam:
    """What a run's header asks of a SAM."""

    name: str = "stand-in"
    dtype: torch.dtype = torch.float32
    device: str = "cpu"


@dataclass(frozen=True, repr=False)
class Encode(Stage):
    """The picture's mean colour as an embedding."""

    sam: NamedSam = NamedSam()
    reads = ("image",)
    writes = ("embedding",)
    phase = "encode"

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(embedding=self.encode(sample.image)) for sample in samples]

    def encode(self, image: NDArray[np.uint8]) -> ImageEmbedding:
        colour = torch.from_numpy(image.astype(np.float32).mean(axis=(0, 1)))
        return ImageEmbedding({"colour": colour}, Frame.fit(image.shape[:2], 16))


@dataclass(frozen=True, repr=False)
class TrueBoxes(Stage):
    """Annotated boxes as prompts."""

    reads = ("annotations",)
    writes = ("prompts",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [
            s.replace(prompts=Prompts.from_boxes(s.annotations.boxes, s.annotations.class_ids))
            for s in samples
        ]


@dataclass(frozen=True, repr=False)
class FillBoxes(Stage):
    """Each box's pixels as its mask, scored by how bright the picture is."""

    reads = ("embedding", "prompts")
    writes = ("masks",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [s.replace(masks=self.fill(s.embedding, s.prompts)) for s in samples]

    def fill(self, embedding: ImageEmbedding, prompts: Prompts) -> Masks:
        masks = np.zeros((len(prompts), *embedding.frame.original_size), dtype=bool)
        for mask, (x0, y0, x1, y1) in zip(masks, _boxes(prompts), strict=True):
            mask[y0:y1, x0:x1] = True
        score = float(embedding["colour"].mean()) / 255
        return Masks.from_binary(masks, np.full(len(masks), score, dtype=np.float32))


def _boxes(prompts: Prompts) -> NDArray[np.int64]:
    return np.zeros((0, 4), int) if prompts.boxes is None else prompts.boxes.astype(int)


@dataclass(frozen=True, repr=False)
class Brightness(Stage):
    """A number per picture that depends, in its last bits, on the batch, and on global randomness.

    Only a run whose batches and seeds are those of an unbroken one gives it back bit for bit.
    """

    pause: float = 0.0
    sam: NamedSam = NamedSam()
    writes = ("edges",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        time.sleep(self.pause)
        means = [float(sample.image.mean()) for sample in samples]
        chance = random.random() + np.random.rand() + float(torch.rand(1))
        shift = np.float32(chance + 1e-3 * sum(means))
        return [
            sample.replace(edges=np.full((1, 1), mean, np.float32) + shift)
            for sample, mean in zip(samples, means, strict=True)
        ]


@dataclass(frozen=True)
class MeanBrightness:
    """The mean of what `Brightness` wrote, and a number that tells in which order it came."""

    scale: float = 1.0

    def score(self, sample: Sample) -> dict[str, Any]:
        return {"value": self.scale * sample.edges.mean()}

    def summarise(self, rows: Sequence[dict[str, Any]]) -> dict[str, float]:
        values = [row["value"] for row in rows]
        in_order = float(np.dot(values, np.arange(len(values))))
        return {"mean": float(np.mean(values)), "in order": in_order, "undefined": float("nan")}


class Pictures(Sequence[Sample]):
    """Small pictures that note when they are decoded; those in `broken` raise."""

    name = "pictures"

    def __init__(self, count: int, broken: Sequence[int] = ()) -> None:
        self.count = count
        self.broken = list(broken)
        self.decoded: list[int] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return Sample(id=f"picture {index}", image=self.maker(index))

    def maker(self, index: int) -> Callable[[], NDArray[np.uint8]]:
        def make() -> NDArray[np.uint8]:
            self.decoded.append(index)
            if index in self.broken:
                raise OSError(f"file {index} is truncated")
            noise = np.random.default_rng(index).integers(0, 256, (6, 5 + index % 3, 3))
            return noise.astype(np.uint8)

        return make
