"""What stages share that answer phrases: given once for all pictures, or with each sample."""

from collections.abc import Sequence

from samkit.pipeline import Stage
from samkit.types import Sample


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
