"""Masks are found in made-up scenes once, and kept: what a CLIP pair learns to choose from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samkit.clip.model import Clip
from samkit.clip.projection import load_text_prompt
from samkit.data.shapes import shapes
from samkit.data.shapes.phrases import learnable
from samkit.evaluation.each import refuse_other_run
from samkit.pipeline import Stage
from samkit.sam.mask_refiner import load_mask_refiner
from samkit.sam.model import Sam
from samkit.stages import Embed, GuidedFilter, Proposals, RankByText, RedrawMasks, text_sam
from samkit.stages.proposals_settings import KEEP_ALL
from samkit.stages.rank_by_text import FOR_TINY
from samkit.stages.text_routes import ask_by_text, redraw_likeliest
from samkit.training.choice import choice
from samkit.types import Sample


def collect_choices(
    finds: Sequence[tuple[Stage, int]],
    seed: int,
    side: int,
    masks: int,
    folder: Path,
    made: Mapping[str, Any],
) -> list[Path]:
    """Files of `Choice`, made where they are not in the folder yet.

    finds: what finds masks, and in how many scenes, one after the other. seed: of the scenes. side: of
    crops. masks: kept of a scene. made: how they are made, of which the folder tells. Raises ValueError
    for a folder that was made otherwise.
    """
    refuse_other_run(folder / "made.json", made)
    which = [number for number, (_, count) in enumerate(finds) for _ in range(count)]
    files = []
    for number, sample in enumerate(shapes(len(which), seed)):
        path = folder / f"{number:06d}.npz"
        if not path.is_file():
            find, _ = finds[which[number]]
            [found] = find([telling(sample)])
            one = choice(found, side, masks, np.random.default_rng(number))
            if one is None:
                continue
            one.save(path)
        files.append(path)
        if len(files) % 50 == 0:
            print(f"masks of {len(files)} scenes", flush=True)
    return files


def telling(sample: Sample) -> Sample:
    """The scene with those captions as phrases that fit one object alone and may be trained on."""
    assert sample.annotations is not None and sample.annotations.captions is not None
    captions = sample.annotations.captions
    return sample.replace(phrases=tuple(captions[place] for place in learnable(captions)))


def from_everything(sam: Sam, clip: Clip, redraw: str | None = None) -> Stage:
    """Everything mode's masks; with a refiner drawn anew, each phrase's likeliest if it is told phrases.

    redraw: of `load_mask_refiner`.
    """
    find = Embed(sam) | Proposals(sam, points_per_side=16, **KEEP_ALL)
    if redraw is None:
        return find
    refiner = load_mask_refiner(redraw)
    if not refiner.reads(clip.texts_name):
        return find | RedrawMasks(refiner, passes=2)
    look = RankByText(clip, each="phrase", **FOR_TINY)
    return find | look | redraw_likeliest(refiner, clip, prompted=False)


def from_prompt(sam: Sam, clip: Clip, prompt: str, redraw: str | None = None) -> Stage:
    """The masks that a text prompt finds for each phrase; with a refiner the likeliest, drawn told it."""
    words = load_text_prompt(prompt)
    reader = text_sam(sam, words)
    ask = Embed(reader) | ask_by_text(reader, clip, words, crops=2, several=True)
    if redraw is None:
        return ask | GuidedFilter(radius=0.25)
    return ask | redraw_likeliest(load_mask_refiner(redraw), clip, prompted=True)
