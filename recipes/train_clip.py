"""Train the small CLIP pair that samkit ships, on objects of made-up scenes and their captions.

    python recipes/train_clip.py                                a quarter of an hour of one core
    python recipes/train_clip.py --texts-of tiny --steps 8000   its pictures anew, for texts that stay
    python recipes/train_clip.py --start tiny --seed 1          goes on from there
    python recipes/train_clip.py --pool 50 --steps 20           a trial

The same line again goes on from where it was killed. Pictures are crops of objects with their masks, which
this pair sees (`MaskTower`), texts their caption or less of what it says. Of the objects of some scenes each
text is to choose those that it fits, and each object its texts; besides, what is seen of an object must
tell the attributes of its caption. One in ten combinations of class and colour is never shown
(`phrases.held_out`), and no evaluation draws scenes with these seeds.
"""

import copy
from collections import deque
from pathlib import Path

import numpy as np
import torch
import typer

from samkit.clip import Clip
from samkit.clip.load import build_tiny, load_clip, save_tiny
from samkit.data import shapes
from samkit.data.shapes.phrases import WORDS
from samkit.training.captions import (
    Described,
    asked,
    crop,
    drawn,
    examples,
    fitting,
    found_roughly,
    inputs,
    pair_loss,
    right,
)
from samkit.training.muon import optimizers
from samkit.training.sitting import Sitting, descend, warm_cosine

# Evaluations count seeds from 0, samkit's SAM is trained on 7,000,000.
TRAINING_SEED, VALIDATION_SEED = 7_100_000, 8_100_000
SIDE = 64
TEXT = {"context_length": 24, "width": 96, "heads": 3, "layers": 2}
# open_clip builds an image tower in any case: a small one, whose place the mask tower takes.
REPLACED = {"image_size": SIDE, "layers": 1, "width": 64, "patch_size": 32}
PREPROCESS = {"size": SIDE, "mode": "RGB", "mean": [0.45] * 3, "std": [0.27] * 3, "fill_color": 0}
CONFIG = {
    "model": {"embed_dim": 128, "vision_cfg": REPLACED, "text_cfg": TEXT},
    "mask_tower": {"side": SIDE},
    "preprocess": {**PREPROCESS, "interpolation": "bicubic", "resize_mode": "shortest"},
    "words": list(WORDS),
}


def main(
    steps: int = 1200,
    pool: int = 500,
    batch: int = 64,
    learning_rate: float = 4e-3,
    attributes_weight: float = 4.0,
    start: str | None = None,
    texts_of: str | None = None,
    out: Path = Path("runs/train_clip"),
    seed: int = 0,
    validation: int = 50,
    save_every: int = 200,
) -> None:
    """Writes tiny_clip.json and tiny_clip.safetensors (half precision) under `out`.

    pool: scenes kept, about 8 objects each; every step a new one takes the place of the oldest. batch:
    objects a step. attributes_weight: of what is seen of the captions, beside the choices.
    start: a pair to go on from, tiny or a folder; with another seed the scenes are others too. texts_of: a pair
    whose texts are taken as they are, and stay so, for all that has learned to read them. validation: scenes.
    """
    if start and texts_of:
        raise typer.BadParameter("--start has texts already: give it or --texts-of")
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model, words = build_tiny(CONFIG)
    if given := start or texts_of:
        known = load_clip(given, device="cpu").model.state_dict()
        some = {n: t for n, t in known.items() if start or not n.startswith("visual.")}
        model.load_state_dict(some, strict=bool(start))
    described = Described(model.visual.hidden_width)
    model.requires_grad_(not texts_of).visual.requires_grad_(True)
    model.logit_scale.requires_grad_(True)
    learned = torch.nn.ModuleList([model, described])
    both = optimizers(learned, learning_rate)
    state = {"learned": learned, "kernels": both[0], "others": both[1]}
    sitting = Sitting(state, {"seed": seed}, out / "state.pt", steps, every=save_every)
    before = sitting.step
    source = shapes(before + pool + steps, TRAINING_SEED + seed)
    scenes = deque((examples(source[i]) for i in range(before, before + pool)), maxlen=pool)
    unseen = list(shapes(validation, VALIDATION_SEED))
    for done in sitting:
        step = sitting.step
        rng = np.random.default_rng((seed, step))
        scenes.append(examples(source[pool + step - 1]))
        some = drawn(scenes, batch, rng)
        captions = [one.caption for one in some]
        phrases = list(dict.fromkeys(asked(caption, rng) for caption in captions))
        crops = [found_roughly(crop(one, SIDE, rng, seen=True), rng) for one in some]
        seen = model.visual.seen(inputs(crops, CONFIG))
        features = model.visual.embed(seen)
        pairs = pair_loss(model, features, words(phrases), fitting(phrases, captions))
        told = described.loss(seen, captions)
        (pairs + attributes_weight * told).backward()
        descend(both, learned.parameters(), warm_cosine(done), 2.0)
        if means := sitting.means(pairs.item(), told.item()):
            now = Clip(copy.deepcopy(model), words, "now")  # a Clip freezes its model
            text = "pairs {:.4f}, attributes {:.4f}, right {:.3f}"
            print(f"{sitting}: {text.format(*means, right(now, unseen))}", flush=True)
            save_tiny(model, CONFIG, out)


if __name__ == "__main__":
    typer.run(main)
