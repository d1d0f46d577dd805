"""What stages share that answer phrases: given once for all pictures, or with each sample."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samkit.pipeline import Stage
from samkit.types import Masks, Sample


def ask_for(
    stage: Stage, phrases: Sequence[str] | None, reads: tuple[str, ...], writes: str
) -> None:
    """Which fields a stage reads and writes depends on where its phrases are.

    Phrases given with the stage are written to the samples, so that class ids can be read there.
    """
    if isinstance(phrases, str):
        raise ValueError(f"phrases are a list of texts; write [{phrases!r}]")
    if phrases is not None:
        object.__setattr__(stage, "phrases", tuple(phrases))
    own = ("phrases",)
    object.__setattr__(stage, "reads", reads + (own if phrases is None else ()))
    object.__setattr__(stage, "writes", (writes,) + (() if phrases is None else own))


def phrases_of(sample: Sample, phrases: Sequence[str] | None) -> tuple[str, ...]:
    """The stage's phrases, or where it has none the sample's."""
    if phrases is not None:
        return tuple(phrases)
    assert sample.phrases is not None, "the pipeline checks what a stage reads"
    return sample.phrases


def classes_among(masks: Masks, phrases: int) -> NDArray[np.int64]:
    """The masks' phrases, by their classes (N,). Raises ValueError for classes that are none of them."""
    classes = masks.class_ids
    if len(masks) and (classes is None or classes.min() < 0 or classes.max() >= phrases):
        raise ValueError(
            f"the masks' classes are to be places among the {phrases} phrases, as TextPrompt, RankByText "
            f"and DetectText write them; got {None if classes is None else sorted(set(classes.tolist()))}"
        )
    return np.zeros(0, dtype=np.int64) if classes is None else classes
