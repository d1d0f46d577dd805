"""Teach a small network to draw a SAM's masks anew (mask refinement), for `stages.RedrawMasks`.

    python recipes/train_mask_refiner.py                                tiny's masks of made-up scenes, an hour
    python recipes/train_mask_refiner.py --clip tiny --prompt tiny --side 80    the same, told what is meant
    python recipes/train_mask_refiner.py --pictures 20 --steps 5        a trial
    python recipes/train_mask_refiner.py --sam vit_b --data photos/coco --side 128 --device cuda
    python recipes/train_mask_refiner.py --start tiny --clip tiny --data shapes --data photos/my_parts
    python recipes/train_mask_refiner.py --mean a.safetensors --mean b.safetensors --clip tiny    of several sittings
    torchrun --nproc_per_node 2 -- recipes/train_mask_refiner.py --start tiny --clip tiny --batch 32    two processes

First the SAM is asked for every object, by a loose box and by a click, and with --prompt by its caption; its
answers are kept in OUT/found.
Then squares around these masks, and around objects' masks that were spoiled on purpose, are shown to the
network, which is to draw the object. With --clip most squares of made-up scenes come with a caption: of that
object, or of another, which is to be drawn instead, or to be told not to be there; and of masks that were all
told one caption, its guesses of the IoU are to choose the right one. One picture in twenty is kept back to
measure on. The same line again goes on from where it was killed.
"""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import typer

from samkit import load_sam
from samkit.clip import load_clip
from samkit.ops.fingerprint import same_weights
from samkit.sam.mask_refiner import WIDTHS, MaskRefiner, load_mask_refiner, save_mask_refiner
from samkit.training.collect_found import by_phrase, collect_found
from samkit.training.found import Pictures
from samkit.training.kept_back import measured
from samkit.training.processes import start_processes
from samkit.training.redrawing import Shown, embedded, refiner_loss, shown
from samkit.training.soup import mean_of, measure_norms
from samkit.training.squares import CANDIDATES
from samkit.training.teaching import teach
from samkit.training.widen import widened

KEPT_BACK = 20  # one picture in so many
MEASURED_ON = 40  # batches, after which norms do not move


def main(
    sam: str = "tiny",
    data: Annotated[list[str] | None, typer.Option()] = None,
    start: str | None = None,
    mean: Annotated[list[str] | None, typer.Option()] = None,
    clip: str | None = None,
    prompt: str | None = None,
    prompted: float = 1.0,
    told: float = 0.7,
    choices: int = 5,
    pictures: int = 2500,
    objects: int = 8,
    zoom: float = 4.0,
    side: int = 64,
    widths: str = "",
    minutes: float = 60.0,
    steps: int | None = None,
    batch: int = 64,
    learning_rate: float = 2e-3,
    out: Path = Path("runs/train_mask_refiner"),
    device: str = "auto",
    precision: Literal["float32", "bfloat16"] = "float32",
    seed: int = 0,
    save_every: int = 200,
) -> None:
    """Writes mask_refiner.safetensors under `out`.

    sam: whose masks. data: made-up scenes, or what train_sam.py takes. start: a refiner to go on from, tiny
    or a file. mean: nothing is learned, but the mean of these refiners' weights taken, which can be better
    than each where one went on from another; batch norms are measured anew. clip: the pair whose
    embeddings of captions are told, to this share of squares of made-up scenes (told); choices: of how
    many captions a step, each of them 8 of the batch's squares. prompt: a text prompt, tiny or a file, that
    is asked for the captions as well, in this share of the pictures (prompted). pictures: how many are
    asked about once, and objects of each at most; zoom: most by which a picture is enlarged for it. side:
    of the squares that a new refiner sees, in pixels. widths: channels at each of its sizes, such as
    16,32,96,256,256; the one that is gone on from is widened to these. batch: squares a step, of each
    process under torchrun. precision: bfloat16 where the hardware is quick at it (autocast).
    """
    if prompt and not clip:
        raise typer.BadParameter("--prompt asks for captions: give the --clip that it reads")
    processes = start_processes()
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = load_sam(sam, device)
    specs = data or ["shapes"]
    reader = load_clip(clip, None, device) if clip else None
    width, clip_name = (reader.width, reader.texts_name) if reader else (0, "")
    about = {"sam_name": model.name, "text_width": width, "clip_name": clip_name}
    wide = tuple(int(one) for one in widths.split(",")) if widths else ()
    if start:
        refiner = load_mask_refiner(start)
        refiner = widened(refiner, wide) if wide else refiner
    else:
        refiner = MaskRefiner(side, wide or WIDTHS, **about)
    given = [load_mask_refiner(one) for one in mean or []]
    for one in given or [refiner]:
        if not same_weights(one.clip_name, clip_name):
            known = one.clip_name or "no CLIP"
            raise typer.BadParameter(
                f"{one.name} knows phrases of {known}, so --clip is to be that; got {clip}"
            )
    refiner = mean_of(given) if given else refiner
    ask = by_phrase(model, reader, prompt) if reader and prompt else None
    asked = {"sam": model.name, "data": specs, "counts": [pictures, objects, zoom, seed]}
    asked |= {"captions": bool(reader), "prompt": prompt, "prompted": prompted}
    draw = Pictures(specs, model.config.image_size, objects, zoom, seed, captions=bool(reader))
    examples = collect_found(model, draw, pictures, out / "found", asked, ask, prompted, processes)
    kept = [one for i, one in enumerate(examples) if i % KEPT_BACK == 0 and len(one.found)]
    learned = [one for i, one in enumerate(examples) if i % KEPT_BACK and one.objects]
    said = (told, min(choices, batch // CANDIDATES)) if reader else (0.0, 0)

    def squares(step: int) -> tuple[Shown, torch.Tensor | None]:
        """What is shown in a step, and told."""
        rng = np.random.default_rng((seed, step, processes.rank))
        some = shown(learned, batch, refiner.side, rng, *said)
        words = embedded(reader, some.phrases).to(model.device) if reader else None
        return some.to(model.device), words

    if mean:
        refiner.to(model.device)
        batches = map(squares, range(MEASURED_ON))
        measure_norms(refiner, ((some.pictures, some.masks, words) for some, words in batches))
        print(measured(refiner, kept), flush=True)
        save_mask_refiner(refiner, out / "mask_refiner.safetensors")
        return

    def loss(step: int, done: float) -> torch.Tensor:
        some, words = squares(step)
        logits, guessed = refiner(some.pictures, some.masks, words)
        return refiner_loss(logits.float(), guessed, some)

    refiner.to(model.device)
    budget = steps, minutes, save_every, processes
    file, how = out / "state.pt", (learning_rate, precision)
    teach(refiner, loss, lambda: measured(refiner, kept), {"asked": asked}, file, budget, *how)
    if processes.is_first:
        save_mask_refiner(refiner, out / "mask_refiner.safetensors")


if __name__ == "__main__":
    typer.run(main)
