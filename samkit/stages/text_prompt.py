"""Text to masks as the paper does it: CLIP's embedding of a phrase is the prompt (sec. 7.5, app. D.5)."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch

from samkit.clip.model import PLAIN, Clip
from samkit.clip.projection import DECODER, ENCODER, TextProjection, load_text_prompt
from samkit.ops.fingerprint import same_weights
from samkit.pipeline import Stage
from samkit.sam.low_rank import with_change
from samkit.sam.model import Sam
from samkit.stages.asked import ask_for, phrases_of
from samkit.types import Prompts, Sample


@dataclass(frozen=True, repr=False)
class TextPrompt(Stage):
    """One prompt for each phrase: tokens made of its CLIP embedding, for `Segment`.

    clip: what `load_clip` gives. phrases: asked of every picture; None takes each sample's own
        `phrases`. Prompts' class ids are places among them; masks inherit these.
    projection: what `load_text_prompt` gives; None is the shipped one, which belongs to the shipped
        pair and the SAM tiny. Where a SAM was trained along, give `Embed` and `Segment` the one that
        `text_sam` makes of yours.
    with_points: points, boxes and masks that help, as the paper adds a click where text alone fails:
        prompts that are already there have phrases as their class ids, and each gets its phrase's
        tokens beside what it holds. Phrases without one stay text alone, and come behind.
    templates: sentences with {} where a phrase goes, averaged.

    Raises ValueError for empty phrases, a projection of another CLIP, and helping prompts without
    class ids.

    >>> import samkit
    >>> from samkit.clip import load_clip
    >>> from samkit.stages import Embed, Segment
    >>> sam, clip = text_sam(samkit.load_sam("tiny")), load_clip("tiny")
    >>> find = Embed(sam) | TextPrompt(clip, ["a red disc"]) | Segment(sam)
    """

    clip: Clip
    phrases: Sequence[str] | None = None
    _: KW_ONLY
    projection: TextProjection | None = None
    with_points: bool = False
    templates: tuple[str, ...] = PLAIN

    def __post_init__(self) -> None:
        ask_for(self, self.phrases, ("prompts",) if self.with_points else (), "prompts")
        projection = self.projection or load_text_prompt("tiny")
        # Of one CLIP's numbers another makes nothing, even where there are equally many.
        same = same_weights(projection.clip_name, self.clip.texts_name)
        if not same or projection.clip_width != self.clip.width:
            raise ValueError(
                f"the projection {projection.name} reads {projection.clip_width} numbers of "
                f"{projection.clip_name}, and {self.clip.name} gives {self.clip.width} of its own; "
                "train one for it with recipes/train_text_prompt.py"
            )
        object.__setattr__(self, "projection", projection)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        asked = [phrases_of(sample, self.phrases) for sample in samples]
        known = list(dict.fromkeys(phrase for some in asked for phrase in some))
        tokens = dict(zip(known, self._tokens(known), strict=True))
        done = []
        for sample, some in zip(samples, asked, strict=True):
            prompts = self._prompts(sample, [tokens[phrase] for phrase in some])
            phrases = sample.phrases if self.phrases is None else self.phrases
            done.append(sample.replace(prompts=prompts, phrases=phrases))
        return done

    @torch.no_grad()
    def _tokens(self, phrases: Sequence[str]) -> list[torch.Tensor]:
        if not phrases:
            return []
        assert self.projection is not None
        embeddings = self.clip.texts(phrases, self.templates)
        return list(self.projection.read(embeddings.to(next(self.projection.parameters()).device)))

    def _prompts(self, sample: Sample, tokens: Sequence[torch.Tensor]) -> Prompts:
        alone = np.arange(len(tokens))
        helped = Prompts()
        if self.with_points and sample.prompts is not None and len(sample.prompts):
            classes = sample.prompts.class_ids
            if classes is None or not set(classes.tolist()) <= set(alone.tolist()):
                raise ValueError(
                    f"prompts that help phrases say which by class_ids from 0 to {len(tokens) - 1}, "
                    f"got {None if classes is None else classes.tolist()} (sample {sample.id!r})"
                )
            helped = sample.prompts.replace(embeddings=tuple(tokens[int(i)] for i in classes))
            alone = np.setdiff1d(alone, classes)
        if not len(alone):
            return helped
        rest = Prompts(embeddings=tuple(tokens[int(i)] for i in alone), class_ids=alone)
        if helped.scores is not None:
            rest = rest.replace(scores=np.ones(len(alone), dtype=np.float32))
        return Prompts.concat([helped, rest])


def text_sam(sam: Sam, projection: TextProjection | None = None) -> Sam:
    """The SAM that was trained to read a projection's tokens: give it to `Embed` and to `Segment`.

    Decoder, and encoder where that was taught too, are its own; the rest is the SAM's. Clicks and boxes
    are better asked of `sam`, which stays as it is.
    projection: None is the shipped one. Where nothing was trained along the SAM is given back.

    Raises ValueError for a SAM of another size; warns where it was trained along with other weights
    than this SAM's.
    """
    projection = projection or load_text_prompt("tiny")
    if not projection.decoder and not projection.encoder:
        return sam
    reader = copy.copy(sam)
    reader._modules = dict(sam._modules)
    try:
        if projection.decoder:
            reader.mask_decoder = copy.deepcopy(sam.mask_decoder)
            reader.mask_decoder.load_state_dict(_without(DECODER, projection.decoder))
        if projection.encoder:
            change = _without(ENCODER, projection.encoder)
            reader._modules["image_encoder"] = with_change(sam.image_encoder, change)
            reader.taught = projection.name
    except (RuntimeError, KeyError) as error:
        raise ValueError(
            f"what {projection.name} changes is of {projection.sam_name}, not of {sam.name}"
        ) from error
    if not same_weights(projection.sam_name, sam.name):
        warnings.warn(
            f"{projection.name} was trained along with {projection.sam_name}, and this is {sam.name}: "
            "train one for it with recipes/train_text_prompt.py",
            stacklevel=2,
        )
    reader.name = f"{sam.name}+{projection.name}"
    return reader.eval()


def _without(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
