"""Train the small CLIP pair that samkit ships, on objects of made-up scenes and their captions.

    python recipes/train_clip.py                                a quarter of an hour of one slow core
    python recipes/train_clip.py --scenes 8000 --steps 20000    hours
    python recipes/train_clip.py --start samkit/weights/tiny_clip.safetensors --seed 1   goes on from there
    python recipes/train_clip.py --scenes 50 --steps 20         a trial

Pictures are crops of objects: box widened by 1 to 2, square, background black half the time, as the
paper cuts them (app. D.5). Texts are the caption or less of what it says. Since many objects fit one
phrase, each pair in a batch is taught by itself whether it fits (the sigmoid loss, X. Zhai et al., 2023,
SigLIP). One in ten combinations of class and colour is never shown (`phrases.held_out`), and no
evaluation draws scenes with these seeds.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import typer
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from samkit.clip import Clip
from samkit.clip.load import build_tiny
from samkit.data import shapes
from samkit.data.shapes.phrases import WORDS, attributes, fits, held_out, unique
from samkit.ops import rle
from samkit.ops.square_crops import square_crop
from samkit.types import Sample

# Evaluations count seeds from 0, samkit's SAM is trained on 7,000,000.
TRAINING_SEED, VALIDATION_SEED = 7_100_000, 8_100_000
CONFIG = {
    "model": {
        "embed_dim": 128,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16},
        "text_cfg": {"context_length": 24, "width": 96, "heads": 3, "layers": 2},
        "init_logit_bias": -6.0,
    },
    "preprocess": {
        "size": 64,
        "mode": "RGB",
        "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
        "fill_color": 0,
    },
    "words": list(WORDS),
}
LEAST_PIXELS = 60  # of an object: smaller ones show neither their texture nor much of their class


@dataclass(frozen=True, eq=False)
class Example:
    """An object: its picture, its box (xyxy), mask and caption."""

    image: NDArray[np.uint8]
    box: NDArray[np.float32]
    mask: rle.RLE
    caption: str


def main(
    scenes: int = 2500,
    steps: int = 1400,
    batch: int = 128,
    texts: int = 64,
    learning_rate: float = 2e-3,
    start: Path | None = None,
    out: Path = Path("runs/train_clip"),
    seed: int = 0,
) -> None:
    """Writes tiny_clip.json and tiny_clip.safetensors (half precision) under `out`.

    scenes: rendered once, about 12 objects each. batch: objects a step. texts: phrases a step.
    start: weights to go on from; with another seed the scenes are others too.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    rng = np.random.default_rng((seed, 71))
    objects = examples(list(shapes(scenes, TRAINING_SEED + seed)))
    unseen = list(shapes(max(2, scenes // 50), VALIDATION_SEED))
    model, words = build_tiny(CONFIG)
    if start is not None:
        model.load_state_dict({n: t.float() for n, t in load_file(start).items()})
    model.to(memory_format=torch.channels_last)  # convolutions of few channels take 2/3 of the time
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, learning_rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps, pct_start=0.1)
    began, recent = time.monotonic(), []
    for step in range(1, steps + 1):
        some = [objects[i] for i in rng.integers(len(objects), size=batch)]
        phrases = [asked(one.caption, rng) for one in some[:texts]]
        pixels = torch.stack([normalised(crop(one, rng)) for one in some])
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        loss = pair_loss(model, pixels, words(phrases), fitting(phrases, some))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recent.append(float(loss.detach()))
        if step % 100 == 0 or step == steps:
            print(
                f"step {step}: loss {np.mean(recent):.4f}, {time.monotonic() - began:.0f} s", end=""
            )
            recent = []
            print(f", right {right(Clip(model, words, 'now'), unseen):.3f}", flush=True)
            model.train().requires_grad_(True)
            save(model, out)


def examples(samples: Sequence[Sample]) -> list[Example]:
    """Objects to learn from: large enough, and no held-out combination."""
    found = []
    for sample in samples:
        truth, image = sample.annotations, sample.image
        for box, mask, area, caption in zip(
            truth.boxes, truth.run_lengths, truth.areas, truth.captions, strict=True
        ):
            if area >= LEAST_PIXELS and not held_out(caption):
                found.append(Example(image, box, mask, caption))
    return found


def crop(one: Example, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(64, 64, 3) uint8 as the paper cuts them, mirrored half the time."""
    mask = rle.decode([one.mask])[0] if rng.random() < 0.5 else None
    cut = square_crop(one.image, one.box, 64, rng.uniform(1, 2), mask)
    return cut[:, ::-1] if rng.random() < 0.5 else cut


def normalised(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """What `Clip.images` makes of a crop that has the input's size."""
    mean, std = (
        torch.tensor(CONFIG["preprocess"][name])[:, None, None] for name in ("mean", "std")
    )
    return (torch.tensor(pixels.copy()).permute(2, 0, 1) / 255 - mean) / std


def asked(caption: str, rng: np.random.Generator) -> str:
    """A caption, or less of what it says, in one of a few forms."""
    said = attributes(caption)
    kind, phrase = rng.random(), caption.split(" ", 1)[1]
    if kind < 0.15:
        phrase = said.name
    elif kind < 0.35 and said.colour:
        phrase = f"{said.colour} {said.name}"
    elif kind < 0.42 and said.colour:
        phrase = f"{said.colour} object"
    elif kind < 0.5 and said.texture:
        phrase = f"{said.texture} {said.name}"
    form = ("a {}", "the {}", "{}", "a photo of a {}")[int(rng.integers(4))]
    return form.format(phrase)


def fitting(phrases: Sequence[str], some: Sequence[Example]) -> torch.Tensor:
    """(objects, phrases) 1 where a phrase is true of an object, else -1."""
    said, described = [attributes(p) for p in phrases], [attributes(one.caption) for one in some]
    return torch.tensor([[1.0 if fits(p, d) else -1.0 for p in said] for d in described])


def pair_loss(model, pixels: torch.Tensor, ids: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    images = F.normalize(model.encode_image(pixels), dim=-1)
    texts = F.normalize(model.encode_text(ids), dim=-1)
    logits = images @ texts.T * model.logit_scale.exp() + model.logit_bias
    return -F.logsigmoid(truth * logits).sum() / len(images)


def right(clip: Clip, scenes: Sequence[Sample]) -> float:
    """Share of phrases that fit one object of a scene for which that object's crop comes first."""
    hits = []
    for sample in scenes:
        truth = sample.annotations
        places = unique(truth.captions)
        crops = [square_crop(sample.image, box, 64, 1.5) for box in truth.boxes]
        table = clip.texts([truth.captions[i] for i in places]) @ clip.images(crops).T
        hits += (table.argmax(dim=1).numpy() == places).tolist()
    return float(np.mean(hits))


def save(model, out: Path) -> None:
    """The configuration, and the weights in half precision, but for counters."""
    tensors = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    save_file(tensors, out / "tiny_clip.safetensors")
    (out / "tiny_clip.json").write_text(json.dumps(CONFIG, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
