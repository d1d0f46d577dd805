"""Teach a small network to draw what a phrase means, wherever that is: for `stages.FindByText`.

    python recipes/train_text_finder.py                               an hour of one core, made-up scenes
    python recipes/train_text_finder.py --start tiny --seed 1 --learning-rate 8e-4    the shipped one, taught on
    python recipes/train_text_finder.py --data coco/annotations/instances_train2017.json --clip ViT-B-32
    python recipes/train_text_finder.py --pictures 40 --steps 5       a trial
    torchrun --nproc_per_node 2 -- recipes/train_text_finder.py --precision bfloat16    two processes

No SAM takes part. A `TextFinder` reads pictures, or pieces of them, once each, and is asked for what is in
them and what is not. Made-up scenes are asked their captions, and less than these say ("a striped thing",
which may be true of several); other data their own phrases, the names of classes or expressions that refer to
one object, all that a phrase is true of being one mask. It begins with nothing; squares of half the side come
first, which teach four times as quickly. No made-up scene is shown twice; of other data one picture in a
hundred is kept back to measure on. The same line again goes on from where it was killed.
"""

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import typer

from samkit.clip import load_clip
from samkit.clip.finder import AROUND, FEATURES, TextFinder, load_text_finder, save_text_finder
from samkit.ops.devices import find_device
from samkit.training.captions import Described
from samkit.training.kept_back import looked_for
from samkit.training.looking import Source, described_loss, finder_loss, looked
from samkit.training.processes import start_processes
from samkit.training.teaching import teach

SMALL_FIRST = 0.3  # of the budget, with squares of half the side, of which a batch holds more


def main(
    data: str = "shapes",
    start: str | None = None,
    clip: str = "tiny",
    pictures: int = 6000,
    side: int = 256,
    minutes: float = 60.0,
    steps: int | None = None,
    batch: int = 3,
    learning_rate: float = 1.5e-3,
    out: Path = Path("runs/train_text_finder"),
    device: str = "auto",
    precision: Literal["float32", "bfloat16"] = "float32",
    seed: int = 0,
    save_every: int = 200,
) -> None:
    """Writes text_finder.safetensors under `out`.

    data: shapes; refcoco=FOLDER; or masks with classes, as train_sam.py takes them. start: a finder to go on
    from, tiny or a file; then no squares of half the side come first. clip: the pair whose embeddings of
    phrases it is told. pictures: of other data, of each process its own, kept in memory (300 kB each). side:
    of the squares that the network sees, in pixels; larger pictures are made that small. batch: pictures a
    step, of each process under torchrun; twice as many of the half-sized. precision: bfloat16 where the
    hardware is quick at it (autocast).
    """
    processes = start_processes()
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    reader = load_clip(clip, None, device)
    finder = load_text_finder(start) if start else TextFinder(reader.width, reader.texts_name, side)
    finder.check_reads(reader.name, reader.texts_name)
    finder.side = side
    source = Source.opened(data, pictures, side, seed, processes)
    place = find_device(device)
    finder.to(place)
    described = Described(FEATURES + AROUND).to(place) if data == "shapes" else None
    known: dict[str, torch.Tensor] = {}

    def loss(step: int, done: float) -> torch.Tensor:
        rng = np.random.default_rng((seed, step, processes.rank))
        small = not start and done < SMALL_FIRST
        count, size = (2 * batch, side // 2) if small else (batch, side)
        some = looked(source.of_step(step, count), count, size, rng)
        # Each phrase by itself: in other company its numbers are a little others.
        for phrase in some.phrases:
            if phrase not in known:
                known[phrase] = reader.texts([phrase])[0]
        words = torch.stack([known[phrase] for phrase in some.phrases]).to(place)
        some = some.to(place)
        seen = finder.read(some.pictures)
        value = finder_loss(finder(seen, words, some.of), some)
        return value + described_loss(described, seen, some) if described else value

    same: dict[str, object] = {"clip": reader.texts_name, "start": start, "data": data}
    same |= {"counts": [pictures, side, batch, seed]}
    budget = steps, minutes, save_every, processes
    file, how = out / "state.pt", (learning_rate, precision)
    both = torch.nn.ModuleList([finder, described] if described else [finder])
    judged = partial(looked_for, finder, reader, source.kept_back)
    teach(both, loss, judged, same, file, budget, *how)
    if processes.is_first:
        save_text_finder(finder, out / "text_finder.safetensors")


if __name__ == "__main__":
    typer.run(main)
