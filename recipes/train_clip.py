"""Train the small CLIP pair that samkit ships, on objects of made-up scenes and their captions.

    python recipes/train_clip.py                                ten minutes of one slow core
    python recipes/train_clip.py --steps 12000 --flat 0.5       two hours
    python recipes/train_clip.py --start samkit/weights/tiny_clip.safetensors --seed 1   goes on from there
    python recipes/train_clip.py --pool 50 --steps 20           a trial

The same line again goes on from where it was killed. Pictures are crops of objects as the paper cuts
them (app. D.5), texts their caption or less of what it says. Since many objects fit one phrase, each pair
in a batch is taught by itself whether it fits (the sigmoid loss, X. Zhai et al., 2023, SigLIP); besides,
each picture's embedding must tell the attributes of its caption. One in ten combinations of class and
colour is never shown (`phrases.held_out`), and no evaluation draws scenes with these seeds.
"""

from collections import deque
from pathlib import Path

import numpy as np
import torch
import typer
from safetensors.torch import load_file

from samkit.clip import Clip
from samkit.clip.load import build_tiny, save_tiny
from samkit.data import shapes
from samkit.data.shapes.phrases import WORDS
from samkit.training.captions import (
    Described,
    adamw,
    asked,
    crop,
    drawn,
    examples,
    fitting,
    flatness,
    inputs,
    pair_loss,
    right,
)
from samkit.training.sitting import Sitting

# Evaluations count seeds from 0, samkit's SAM is trained on 7,000,000.
TRAINING_SEED, VALIDATION_SEED = 7_100_000, 8_100_000
SIDE = 64
VISION = {"image_size": SIDE, "layers": [1, 1, 1, 1], "width": 16}
TEXT = {"context_length": 24, "width": 96, "heads": 3, "layers": 2}
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
PREPROCESS = {"size": SIDE, "mode": "RGB", "mean": MEAN, "std": STD, "fill_color": 0}
CONFIG = {
    "model": {"embed_dim": 128, "vision_cfg": VISION, "text_cfg": TEXT, "init_logit_bias": -6.0},
    "preprocess": {**PREPROCESS, "interpolation": "bicubic", "resize_mode": "shortest"},
    "words": list(WORDS),
}


def main(
    steps: int = 1200,
    pool: int = 500,
    batch: int = 128,
    texts: int = 64,
    learning_rate: float = 2e-3,
    attributes_weight: float = 2.0,
    easy: float = 0.4,
    flat: float = 0.0,
    start: Path | None = None,
    out: Path = Path("runs/train_clip"),
    seed: int = 0,
    validation: int = 50,
    save_every: int = 200,
) -> None:
    """Writes tiny_clip.json and tiny_clip.safetensors (half precision) under `out`.

    pool: scenes kept, about 8 objects each; every step a new one takes the place of the oldest. batch:
    objects a step. texts: phrases a step. attributes_weight: of what embeddings tell of the captions.
    easy: share of the steps over which crops go from easy to the paper's. flat: share of the steps over
    which objects go from bright outlines on black, of which only the class is asked, to pictures: colours
    are learned at once, and a pair that knows them is slow to learn classes besides. For long runs: a
    short one ends before it knows the colours.
    start: weights to go on from; with another seed the scenes are others too. validation: scenes.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model, words = build_tiny(CONFIG)
    if start is not None:
        model.load_state_dict({n: t.float() for n, t in load_file(start).items()})
    model.to(memory_format=torch.channels_last)  # convolutions of few channels take 2/3 of the time
    described = Described(CONFIG["model"]["embed_dim"])
    learned = torch.nn.ModuleList([model, described])
    optimizer = adamw(learned, learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps, pct_start=0.1)
    state = {"learned": learned, "optimizer": optimizer, "schedule": schedule}
    sitting = Sitting(state, {"seed": seed}, out / "state.pt", steps, every=save_every)
    before = sitting.step
    source = shapes(before + pool + steps, TRAINING_SEED + seed)
    scenes = deque((examples(source[i]) for i in range(before, before + pool)), maxlen=pool)
    unseen = list(shapes(validation, VALIDATION_SEED))
    recent = []
    for _ in sitting:
        step = sitting.step
        rng = np.random.default_rng((seed, step))
        scenes.append(examples(source[pool + step - 1]))
        ease = max(0.0, 1 - step / steps / easy) if easy else 0.0
        plain = flatness(step / steps, flat)
        some = drawn(scenes, batch, ease, rng)
        captions = [one.caption for one in some]
        phrases = [asked(caption, rng) for caption in captions[:texts]]
        crops = [crop(one, SIDE, ease, rng, flat=plain) for one in some]
        features = model.encode_image(inputs(crops, CONFIG))
        pairs = pair_loss(model, features, words(phrases), fitting(phrases, captions))
        told = described.loss(features, captions, plain)
        ((1 - plain) * pairs + attributes_weight * told).backward()
        torch.nn.utils.clip_grad_norm_(learned.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        recent.append((pairs.item(), told.item()))
        if sitting.reports:
            first, second = np.mean(recent, axis=0)
            share = right(Clip(model, words, "now"), unseen, SIDE)
            reached = f"pairs {first:.4f}, attributes {second:.4f}, right {share:.3f}"
            print(f"{sitting}: {reached}", flush=True)
            model.train().requires_grad_(True)
            recent = []
            save_tiny(model, CONFIG, out)


if __name__ == "__main__":
    typer.run(main)
