"""Teach a small network to draw what a phrase means, wherever that is: for `stages.FindByText`.

    python recipes/train_text_finder.py                               an hour of one core, made-up scenes
    python recipes/train_text_finder.py --start runs/train_text_finder/text_finder.safetensors --seed 1
    python recipes/train_text_finder.py --pictures 20 --steps 5       a trial
    torchrun --nproc_per_node 2 -- recipes/train_text_finder.py --precision bfloat16    two processes

No SAM takes part. The network is a `MaskRefiner` that is shown squares anywhere in a picture, small and large,
with nothing found in them yet, and told a caption: of what is there, or of what is not. It begins as the mask
refiner that was told captions, so it knows outlines and words, and learns where to look. One picture in
twenty is kept back to measure on. The same line again goes on from where it was killed.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
import typer

from samkit.clip import load_clip
from samkit.ops.devices import find_device
from samkit.sam.mask_refiner import load_mask_refiner, save_mask_refiner
from samkit.training.found import Pictures, untouched
from samkit.training.kept_back import looked_for
from samkit.training.processes import start_processes
from samkit.training.redrawing import Shown, embedded, looked_at
from samkit.training.teaching import teach

KEPT_BACK = 20  # one picture in so many


def main(
    start: str = "tiny",
    clip: str = "tiny",
    pictures: int = 3000,
    objects: int = 10,
    zoom: float = 2.0,
    picture_side: int = 256,
    side: int = 128,
    minutes: float = 60.0,
    steps: int | None = None,
    batch: int = 48,
    learning_rate: float = 2e-3,
    out: Path = Path("runs/train_text_finder"),
    device: str = "auto",
    precision: Literal["float32", "bfloat16"] = "float32",
    seed: int = 0,
    save_every: int = 200,
) -> None:
    """Writes text_finder.safetensors under `out`.

    start: a network that was told captions: tiny, the shipped mask refiner, or a file, of this recipe too.
    clip: the pair whose embeddings of captions it is told. pictures: made-up scenes, of each process its own;
    objects: of each at most; zoom: most by which one is enlarged; picture_side: theirs, in pixels. side: of
    the squares that the network sees; half as large is four times as quick, and a first sitting can be.
    batch: squares a step, of each process under torchrun. precision: bfloat16 where the hardware is quick
    at it (autocast).
    """
    processes = start_processes()
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    reader = load_clip(clip, None, device)
    finder = load_mask_refiner(start)
    finder.check_reads(reader.name, reader.texts_name)
    finder.side = side
    draw = Pictures(["shapes"], picture_side, objects, zoom, seed, captions=True)
    numbers = range(processes.rank, pictures * processes.count, processes.count)
    examples = [untouched(*draw(np.random.default_rng((seed, number)))) for number in numbers]
    kept = [one for one in examples[::KEPT_BACK] if one.captions]
    learned = [one for i, one in enumerate(examples) if i % KEPT_BACK and one.captions]
    place = find_device(device)
    finder.to(place)

    def squares(step: int) -> tuple[Shown, torch.Tensor]:
        """What is shown in a step, and told."""
        rng = np.random.default_rng((seed, step, processes.rank))
        some = looked_at(learned, batch, side, rng)
        return some.to(place), embedded(reader, some.phrases).to(place)

    same = {"clip": reader.texts_name, "counts": [pictures, objects, zoom, picture_side, seed]}
    budget = steps, minutes, save_every, processes
    file, how = out / "state.pt", (learning_rate, precision)
    teach(finder, squares, lambda: looked_for(finder, reader, kept), same, file, budget, *how)
    if processes.is_first:
        save_mask_refiner(finder, out / "text_finder.safetensors")


if __name__ == "__main__":
    typer.run(main)
