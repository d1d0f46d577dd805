"""Several ways to find masks, and what all of them find side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from samkit.pipeline import Stage
from samkit.types import Masks, Sample


@dataclass(frozen=True, repr=False)
class Together(Stage):
    """The masks of several pipelines: of every sample first those that the first one finds, and so on.

    ways: stages or pipelines that write masks. Each gets the sample as it came, so none sees what
        another wrote; behind, masks are there and phrases, but no embeddings and prompts that they made.

    Masks are held as run lengths. Whatever only some of the ways know of their masks is left out: where
    one gives no classes, there are none. `prompt_index` counts on from one way to the next, so masks of
    different ways answer different prompts. Scores are left as they are; ways that score unlike each
    other are for a stage behind to rank, such as `RankByText(clip, each="own")`.

    Raises ValueError for no way, for one that writes no masks, and for ways asked different phrases.

    >>> import samkit
    >>> from samkit.stages import Embed, GroundTruthBoxes, Proposals, Segment
    >>> sam = samkit.load_sam("tiny")
    >>> find = Embed(sam) | Together([Proposals(sam), GroundTruthBoxes() | Segment(sam)])
    """

    ways: Sequence[Stage]

    def __post_init__(self) -> None:
        object.__setattr__(self, "ways", tuple(self.ways))
        if not self.ways:
            raise ValueError("give at least one way to find masks")
        for way in self.ways:
            if "masks" not in way.writes:
                raise ValueError(f"{way} writes no masks; put a Segment or Proposals at its end")
        needed = dict.fromkeys(field for way in self.ways for field in way.reads)
        asked = any("phrases" in way.writes for way in self.ways)
        object.__setattr__(self, "reads", tuple(needed))
        object.__setattr__(self, "writes", ("masks", "phrases") if asked else ("masks",))

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        found = [way(samples) for way in self.ways]
        return [
            sample.replace(masks=_joined(answers), phrases=_phrases(answers))
            for sample, *answers in zip(samples, *found, strict=True)
        ]


def _phrases(answers: Sequence[Sample]) -> tuple[str, ...] | None:
    """What class ids are places among, which is to be the same whoever found the masks."""
    asked = {one.phrases for one in answers if one.phrases is not None}
    if len(asked) > 1:
        raise ValueError(
            f"the ways were asked different phrases: {', '.join(map(str, sorted(asked)))}; give all the "
            "same, so that classes mean one thing"
        )
    return next(iter(asked), None)


def _joined(answers: Sequence[Sample]) -> Masks:
    """All masks of all answers with the fields that all of them have."""
    parts = [one.masks.with_run_lengths() for one in answers if one.masks is not None]
    known = [field.name for field in fields(Masks) if field.name not in ("frame", "logits")]
    known = [name for name in known if all(getattr(part, name) is not None for part in parts)]
    even, prompts = [], 0
    for part in parts:
        rows = {name: getattr(part, name) for name in known}
        rows["prompt_index"] = part.prompt_index + prompts
        prompts += int(part.prompt_index.max(initial=-1)) + 1
        even.append(Masks(parts[0].frame, **rows))
    return Masks.concat(even)
