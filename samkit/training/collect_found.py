"""A SAM is asked about pictures once, and its answers are kept: what a `MaskRefiner` learns from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from samkit.clip.model import Clip
from samkit.clip.projection import load_text_prompt
from samkit.evaluation.each import refuse_other_run
from samkit.pipeline import Stage
from samkit.sam.model import Sam
from samkit.stages import Embed, Top, text_sam
from samkit.stages.text_routes import ask_by_text
from samkit.training.found import Example, Pictures, example, with_found
from samkit.training.processes import ALONE, Processes
from samkit.training.squares import CANDIDATES
from samkit.types import Sample


def collect_found(
    sam: Sam,
    draw: Pictures,
    count: int,
    folder: Path,
    made: Mapping[str, Any],
    ask: Stage | None = None,
    asked: float = 1.0,
    processes: Processes = ALONE,
) -> list[Example]:
    """Pictures with what the SAM found in them, asked where they are not in the folder yet.

    count: of pictures. made: how they are made, of which the folder tells. ask: what finds masks for
    captions too, such as `by_phrase`, in a share of the pictures (asked). processes: which share the asking.
    Raises ValueError for a folder that was made otherwise.
    """
    if not processes.is_first:
        processes.wait()  # until the first has written what the others compare with
    refuse_other_run(folder / "made.json", made)
    if processes.is_first:
        processes.wait()
    for number in range(processes.rank, count, processes.count):
        path, rng = folder / f"{number:06d}.npz", np.random.default_rng((draw.seed, number))
        if not path.is_file():
            image, masks, captions = draw(rng)
            one = example(sam, image, masks, rng, captions)
            if ask and one.captions and rng.random() < asked:
                [answered] = ask([Sample(number, image, phrases=one.captions)])
                assert answered.masks is not None, "which was asked for"
                one = with_found(one, answered.masks)
            one.save(path)
        if (number + 1) % 100 == 0:
            print(f"{sam.name} was asked about {number + 1} of {count} pictures", flush=True)
    processes.wait()
    return [Example.load(folder / f"{number:06d}.npz") for number in range(count)]


def by_phrase(sam: Sam, clip: Clip, prompt: str) -> Stage:
    """The likeliest masks that a text prompt finds for each phrase, in the picture and in crops of it."""
    words = load_text_prompt(prompt)
    reader = text_sam(sam, words)
    find = Embed(reader) | ask_by_text(reader, clip, words, crops=1, several=True)
    return find | Top(CANDIDATES, per="class")
