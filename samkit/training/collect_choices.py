"""Masks are found in made-up scenes once, and kept: what a CLIP pair learns to choose from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samkit.data.shapes import shapes
from samkit.data.shapes.phrases import held_out, unique
from samkit.evaluation.each import refuse_other_run
from samkit.pipeline import Stage
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
    asked = (captions[place] for place in unique(captions))
    return sample.replace(phrases=tuple(caption for caption in asked if not held_out(caption)))
