"""Pictures to embeddings, prompts to masks, masks to better masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samkit.pipeline import Stage
from samkit.sam.family import SamModel
from samkit.types import ImageEmbedding, Masks, Prompts, Sample


@dataclass(frozen=True, repr=False)
class Embed(Stage):
    """Image embeddings, the expensive half: once per image, shared by all later stages."""

    sam: SamModel

    reads = ("image",)
    writes = ("embedding",)
    phase = "encode"

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        embeddings = self.sam.encode([sample.image for sample in samples])
        return [s.replace(embedding=e) for s, e in zip(samples, embeddings, strict=True)]


@dataclass(frozen=True, repr=False)
class Segment(Stage):
    """One mask per prompt, or several.

    multimask_output: True takes the best of three by predicted IoU; False the single mask; None
        follows the paper's rule (sec. 3, app. A): a prompt of one part - one point, or one box, or
        one text's tokens - is ambiguous and takes the best of three, any other the single mask.
    several: all of the three are kept, not the best alone, each with its score; their `prompt_index`
        tells whose they are. `Top(k, per="class")` behind it finds the k best of each phrase.
    """

    sam: SamModel
    multimask_output: bool | None = None
    several: bool = False

    reads = ("embedding", "prompts")
    writes = ("masks",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        embeddings = [_embedding(sample) for sample in samples]
        prompts = [_prompts(sample) for sample in samples]
        multimask = [self._multimask(asked) for asked in prompts]
        parts: list[list[Masks]] = [[] for _ in samples]
        for wanted in (True, False):
            rows = [np.flatnonzero(choice == wanted) for choice in multimask]
            asked = [own[chosen] for own, chosen in zip(prompts, rows, strict=True)]
            answers = self.sam.decode(embeddings, asked, multimask_output=wanted)
            for part, answer, own in zip(parts, answers, rows, strict=True):
                part.append(_all(answer, own) if self.several else _best(answer, own))
        return [s.replace(masks=_in_order(part)) for s, part in zip(samples, parts, strict=True)]

    def _multimask(self, prompts: Prompts) -> NDArray[np.bool_]:
        if self.multimask_output is not None:
            return np.full(len(prompts), self.multimask_output)
        return num_parts(prompts) <= 1


@dataclass(frozen=True, repr=False)
class Refine(Stage):
    """Every mask once more: its prompt together with its own logits (paper, sec. 7.4, app. D.4).

    The paper does not say which output the second pass reads. By its rule for more than one prompt
    it is the single mask (multimask_output=False, what training does once logits are fed back);
    True takes the best of three.
    """

    sam: SamModel
    multimask_output: bool = False

    reads = ("embedding", "prompts", "masks")
    writes = ("masks",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        asked = []
        for sample in samples:
            masks = _masks(sample)
            if masks.logits is None:
                raise ValueError(
                    f"sample {sample.id}: Refine feeds logits back, but its masks hold only run "
                    "lengths; put Refine straight behind Segment"
                )
            if masks.lie_in_crops:
                raise ValueError(
                    f"sample {sample.id}: Refine asks the whole picture, but its masks' logits lie in "
                    "crops; put it straight behind Segment"
                )
            prompts = _prompts(sample)[masks.prompt_index]
            asked.append(prompts.replace(masks=tuple(masks.logits)))
        answers = self.sam.decode([_embedding(s) for s in samples], asked, self.multimask_output)
        return [
            sample.replace(masks=self._refined(sample, answer))
            for sample, answer in zip(samples, answers, strict=True)
        ]

    def _refined(self, sample: Sample, answer: Masks) -> Masks:
        before = _masks(sample)
        masks = _best(answer, np.arange(len(before)))
        return masks.replace(prompt_index=before.prompt_index)


def num_parts(prompts: Prompts) -> NDArray[np.int64]:
    """(N,) of how many points, boxes, embeddings and masks each prompt consists.

    An embedding is one thing that is asked, however many tokens it takes to say it.
    """
    tokens = [e is not None and len(e) > 0 for e in prompts.embeddings or [None] * len(prompts)]
    masks = [m is not None for m in prompts.masks or [None] * len(prompts)]
    return np.asarray(prompts.num_points + prompts.has_box + tokens + masks, dtype=np.int64)


def _best(answer: Masks, rows: NDArray[np.int64]) -> Masks:
    """Of each prompt's masks the one with the highest predicted IoU; `rows` are the prompts' places."""
    if not len(rows):
        return answer
    iou = answer.predicted_iou.reshape(len(rows), -1)
    best = np.arange(len(rows)) * iou.shape[1] + iou.argmax(axis=1)
    return answer[best].replace(prompt_index=rows)


def _all(answer: Masks, rows: NDArray[np.int64]) -> Masks:
    """Every mask, with its prompt's place; `rows` are the prompts' places."""
    return answer.replace(prompt_index=rows[answer.prompt_index])


def _in_order(parts: Sequence[Masks]) -> Masks:
    masks = Masks.concat(parts)
    return masks[np.argsort(masks.prompt_index, kind="stable")]


def _prompts(sample: Sample) -> Prompts:
    assert sample.prompts is not None, "the pipeline checks what a stage reads"
    return sample.prompts


def _embedding(sample: Sample) -> ImageEmbedding:
    assert sample.embedding is not None, "the pipeline checks what a stage reads"
    return sample.embedding


def _masks(sample: Sample) -> Masks:
    assert sample.masks is not None, "the pipeline checks what a stage reads"
    return sample.masks
