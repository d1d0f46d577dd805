"""Teach a small CLIP pair to choose: which of the masks that a SAM finds is the object of a phrase.

    python recipes/train_clip_choice.py                            the shipped pair, tiny's masks, 80 minutes
    python recipes/train_clip_choice.py --scenes 2 --prompted 1 --steps 5           a trial

A pair that knows objects (train_clip.py) likes a piece of one as much as the whole. Here it is shown what
everything mode, and a text prompt, find in made-up scenes, and each phrase of a scene is to prefer the
masks that are its object: among all of them, and among those found for it alone. Besides, the pair
goes on learning objects and captions as it did before. The same line again goes on from where it was killed.
"""

import json
from collections import deque
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import typer

from samkit import load_sam
from samkit.clip import load_clip
from samkit.clip.load import save_tiny, tiny_files
from samkit.data import shapes
from samkit.stages.rank_by_text import FOR_TINY
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
)
from samkit.training.choice import Choice, choice_loss
from samkit.training.collect_choices import collect_choices, from_everything, from_prompt
from samkit.training.muon import optimizers
from samkit.training.sitting import Sitting, descend, warm_cosine
from samkit.training.soup import blend_back

# Evaluations count seeds from 0; this is the seed of train_clip.py, from a scene on that it seldom reaches.
TRAINING_SEED, OBJECTS_FROM = 7_100_000, 50_000


def main(
    start: str = "tiny",
    sam: str = "tiny",
    prompt: str = "tiny",
    redraw: str | None = None,
    texts: bool = True,
    scenes: int = 800,
    prompted: int = 175,
    masks: int = 100,
    steps: int = 4000,
    at_once: int = 2,
    batch: int = 64,
    objects: int = 64,
    pool: int = 500,
    learning_rate: float = 1e-3,
    blend: float = 1.0,
    out: Path = Path("runs/train_clip_choice"),
    seed: int = 0,
    save_every: int = 200,
) -> None:
    """Writes tiny_clip.json and tiny_clip.safetensors under `out`.

    start: tiny, or a folder of train_clip.py. sam: whose masks. scenes: in which everything mode finds
    them, and prompted: in which the text prompt does, in crops; a second or three for each. prompt: that
    text prompt, which must be the pair's. redraw: tiny, or a file of train_mask_refiner.py, which draws all
    these masks anew before they are shown, as text_to_mask.py --redraw does. texts: the text tower is
    taught too; without, texts stay what they were for all that reads them. masks: kept of a scene
    (1.6 MB for 100). at_once, batch: scenes of a step, and masks of each. objects: true ones of a step,
    from as many scenes as pool says, of which one is new. blend: share of what was learned in the weights
    that are written in the end, the rest being those of `start`, as in train_text_prompt.py.
    """
    if not 0 <= blend <= 1:
        raise typer.BadParameter("--blend is a share, 0 to 1, of what was learned since --start")
    (out / "choices").mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    clip = load_clip(start, device="cpu")
    if not clip.sees_masks:
        raise typer.BadParameter(f"--start is a pair that sees masks (train_clip.py), not {start}")
    folder = None if start == "tiny" else Path(start)
    config = json.loads(tiny_files(folder)[0].read_text(encoding="utf-8"))
    finder = load_sam(sam, device="cpu")
    finds = [(from_everything(finder, clip, redraw), scenes)]
    finds += [(from_prompt(finder, clip, prompt, redraw), prompted)] if prompted else []
    made = {"sam": finder.name, "clip": clip.name, "prompt": prompt, "redraw": redraw}
    made |= {"counts": [scenes, prompted, masks]}
    files = collect_choices(finds, TRAINING_SEED, clip.image_size, masks, out / "choices", made)
    model, words = clip.model.train().requires_grad_(True), clip.tokenizer
    if not texts:
        model.requires_grad_(False).visual.requires_grad_(True)
    described = Described(model.visual.hidden_width)
    sharpness = torch.nn.Parameter(torch.tensor(3.0))
    worth = torch.nn.Parameter(torch.tensor(FOR_TINY["quality"]))
    learned = torch.nn.ModuleList([model, described])
    learned.extend([torch.nn.ParameterList([sharpness, worth])])
    both = optimizers(learned, learning_rate)
    parts = {"learned": learned, "kernels": both[0], "others": both[1]}
    weights = [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]
    began = [tensor.clone() for tensor in weights]
    sitting = Sitting(parts, {"seed": seed}, out / "state.pt", steps, every=save_every)
    before = sitting.step
    source = shapes(OBJECTS_FROM + pool + steps, TRAINING_SEED + seed)
    first = OBJECTS_FROM + before
    known = deque((examples(source[i]) for i in range(first, first + pool)), maxlen=pool)
    for done in sitting:
        step = sitting.step
        rng = np.random.default_rng((seed, step))
        known.append(examples(source[first + pool + step - before - 1]))
        drawn_files = [files[i] for i in rng.integers(len(files), size=at_once)]
        some = [Choice.load(file).some(batch, rng) for file in drawn_files]
        true = drawn(known, objects, rng)
        told = [one.caption for one in true]
        found = [np.rot90(cut, int(rng.integers(4))) for one in some for cut in one.crops]
        found = [cut[:, ::-1] if rng.random() < 0.5 else cut for cut in found]
        whole = [crop(one, clip.image_size, rng, seen=True) for one in true]
        shown = [found_roughly(cut, rng) for cut in whole]
        seen = model.visual.seen(inputs([*found, *shown], config))
        features = model.visual.embed(seen)
        phrases = list(dict.fromkeys(asked(caption, rng) for caption in told))
        captions = [caption for one in some for caption in one.of] + told
        pairs = pair_loss(model, features, words(phrases), fitting(phrases, captions))
        images, place, choices = F.normalize(features, dim=-1), 0, []
        for one in some:
            texts = F.normalize(model.encode_text(words(list(one.phrases))), dim=-1)
            fit = images[place : place + len(one.of)] @ texts.T
            value = sharpness.exp() * (fit + worth * torch.from_numpy(one.predicted_iou)[:, None])
            iou, own = torch.from_numpy(one.iou), torch.from_numpy(one.own)
            choices += [choice_loss(value, iou), choice_loss(value, iou, own)]
            place += len(one.of)
        chosen = torch.stack(choices).mean()
        (pairs + described.loss(seen[place:], told) + chosen).backward()
        descend(both, learned.parameters(), warm_cosine(done), 2.0)
        if means := sitting.means(pairs.item(), chosen.item()):
            text = "pairs {:.3f}, choices {:.3f}, quality {:.2f}"
            print(f"{sitting}: {text.format(*means, worth.item())}", flush=True)
            save_tiny(model, config, out)
    blend_back(weights, began, blend)
    save_tiny(model, config, out)


if __name__ == "__main__":
    typer.run(main)
