"""Teach a SAM text as the paper does (sec. 7.5, app. D.5): CLIP embeddings of masks as prompts.

    python recipes/train_text_prompt.py                              tiny and the shipped pair, 20 minutes
    python recipes/train_text_prompt.py --minutes 222 --pool 500     much as the shipped one began
    python recipes/train_text_prompt.py --start tiny --captions 1    and went on, by captions
    python recipes/train_text_prompt.py --steps 20 --pool 2          a trial
    python recipes/train_text_prompt.py --sam vit_b --clip ViT-L-14-336 --data coco_or_sa1b --minutes 600
    python recipes/train_text_prompt.py --sam vit_b ... --train decoder     with a frozen encoder

Each mask is shown to CLIP as a crop (box widened by 1 to 2, square, background black half the time);
its image embedding, through a small projection, is the first prompt, and clicks follow. Nobody needs to
have described anything. Asked later, a phrase's text embedding takes the image embedding's place. The
same line again goes on from where it was killed. The paper: ViT-L/14@336, 120k steps of 128 pictures.
"""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from samkit import load_sam
from samkit.clip import load_clip
from samkit.clip.projection import TextProjection, load_text_prompt, save_text_prompt
from samkit.data import shapes
from samkit.stages import TextPrompt, text_sam
from samkit.training.augment import NO_AUGMENTATION, Augmentation
from samkit.training.captioned import Captioned
from samkit.training.captions import bridge, examples
from samkit.training.data import Feed, Mixture
from samkit.training.simulate import Simulation
from samkit.training.sitting import Sitting, descend, warm_cosine
from samkit.training.soup import blend_back
from samkit.training.sources import SeenShapes, mixture
from samkit.training.step import Loss
from samkit.training.text import Pool, text_backward
from samkit.training.text_asked import Asked
from samkit.training.text_moves import gap, move, move_texts
from samkit.training.text_taught import Taught, choose, take_along

# Evaluations count seeds from 0; SAM and CLIP are trained on others than this.
TRAINING_SEED = 7_200_000
MOVED_BY = 40  # batches of which both CLIPs' embeddings are compared


def main(
    sam: str = "tiny",
    clip: str = "tiny",
    clip_weights: str | None = None,
    data: Annotated[list[str] | None, typer.Option()] = None,
    phrases: Path | None = None,
    out: Path = Path("runs/train_text_prompt"),
    train_what: Annotated[Taught, typer.Option("--train")] = "all",
    minutes: float = 20.0,
    steps: int | None = None,
    pool: int = 150,
    images: int = 8,
    prompts: int = 32,
    tokens: int = 4,
    corrections: int = 1,
    strangers: int = 16,
    zoom: float = 2.5,
    captions: float = 0.0,
    scenes: int = 4000,
    masked_attention: bool = False,
    least_share: float = 0.0095,
    learning_rate: float = 1e-3,
    blend: float = 1.0,
    rank: int = 48,
    paired: int = 300,
    start: str | None = None,
    start_clip: str | None = None,
    device: str = "auto",
    seed: int = 0,
) -> None:
    """Writes text_prompt.safetensors under `out`, with what was trained along of the SAM.

    data: made-up scenes, or what train_sam.py takes. phrases: a text file with a phrase a line, such as
    will be asked, from which it is measured how far texts lie from pictures in this CLIP. train: what is
    taught beside the projection; all is the paper's. pool: batches made once (7 MB each), whose pictures
    are encoded once where the encoder is frozen; 0 makes a new batch each step. images, prompts: of a
    batch, and of a step. tokens: the projection makes of an embedding. corrections: clicks after it.
    strangers: prompts of a step that are asked of another picture too, to learn what is not there.
    zoom: most by which pictures are enlarged, so that small objects and `SegmentCrops` are learned.
    captions: share of steps in which captions of made-up scenes are asked, `scenes` of them, instead of
    pictures of objects; what takes texts over to pictures is taught along. The paper has none. With
    any, a start_clip is left by its captions too, not by its pictures.
    masked_attention: CLIP's output token sees only the mask's patches in its last layer, as in the
    paper. least_share: of the picture; smaller masks are dropped. blend: share of what was learned in the
    weights that are written, the rest being those it began with: of a sitting that went on from another
    the mean of both, 0.5, can be better than either (Wortsman et al., 2022). rank: of the thin matrices
    as which the change of an encoder is kept; 0 keeps all of it. paired: made-up scenes whose captions
    and pictures tell where pictures of a text lie. start: a text prompt to go on from, tiny or a file;
    start_clip: the CLIP that it reads, where that is another.
    """
    if start_clip and not start:
        raise typer.BadParameter(
            "--start-clip tells which CLIP the file of --start reads: give both"
        )
    if not 0 <= blend <= 1 or (blend < 1 and not start):
        raise typer.BadParameter("--blend is a share, 0 to 1, of what was learned since --start")
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    original, looker = load_sam(sam, device), load_clip(clip, clip_weights, device)
    reader = load_clip(start_clip, None, device) if start_clip else looker
    names = looker.texts_name, original.name
    projection = TextProjection(looker.width, original.config.channels, tokens, 256, *names)
    if start is not None:
        projection = load_text_prompt(start)
        TextPrompt(reader, projection=projection)  # which refuses one of another CLIP
    projection.to(original.device).requires_grad_(True)
    model = text_sam(copy.deepcopy(original), projection)
    taught = choose(model, train_what)
    simulation = Simulation(corrections=corrections, extra_rounds=0)
    how = NO_AUGMENTATION if pool else Augmentation(paste=0)
    how = replace(how, zoom=(how.zoom[0], zoom), flip=0.5)
    side = model.config.image_size
    feed = Feed(side, images, 12, simulation=simulation, augmentation=how)
    made_up = Mixture([SeenShapes(TRAINING_SEED, side)], [1.0], [False])
    sources = mixture(data, side, seed) if data else made_up
    batches = Pool(model, sources, feed, seed, pool, least_share, train_what == "all")
    asked_of = TRAINING_SEED + seed, side, scenes, images, max(1, prompts // images)
    told = Captioned(*asked_of, zoom, least_share, simulation)
    known = shapes(paired, seed=TRAINING_SEED)
    if start_clip and captions:
        move_texts(projection, reader, looker, [one.caption for s in known for one in examples(s)])
    elif start_clip:
        some = (batches(n)[0] for n in range(MOVED_BY))
        move(projection, reader, looker, some, masked_attention)
    taught += [projection.bridge, projection.gap] if captions else []
    groups = [
        {"params": list(projection.parameters()), "lr": learning_rate},
        {"params": taught, "lr": learning_rate / 4},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    learned = [*projection.parameters(), *taught]
    began = [tensor.detach().clone() for tensor in learned]
    parts = {"sam": model, "projection": projection, "optimizer": optimizer}
    same = {"models": [projection.clip_name, projection.sam_name]}
    sitting = Sitting(parts, same, out / "state.pt", steps, minutes, every=50)
    rng = np.random.default_rng(0)
    if phrases is not None:
        texts, some = phrases.read_text(encoding="utf-8"), (batches(n)[0] for n in range(4))
        projection.gap.copy_(gap(looker, some, texts.splitlines(), rng))
    elif not data and not sitting.step and not (start and captions and not start_clip):
        projection.load_state_dict(bridge(looker, known, least_share, rng), strict=False)
    for tensor in taught:
        tensor.requires_grad_(True)
    rng = np.random.default_rng((seed, sitting.step))
    asked = Asked(projection, looker, batches, told, captions, prompts, masked_attention, rng)
    for done in sitting:
        batch, embedded, shown = asked(sitting.step)
        outcome = text_backward(model, embedded, batch, shown, Loss(), strangers)
        descend([optimizer], learned, warm_cosine(done), 1.0)
        if means := sitting.means(outcome.loss, outcome.ious[0], outcome.ious[-1]):
            text = "loss {:.3f}, IoU by embedding {:.3f}, after a click {:.3f}"
            print(f"{sitting}: {text.format(*means)}", flush=True)
    blend_back(learned, began, blend)
    take_along(projection, original, model, train_what, rank)
    save_text_prompt(projection, out / "text_prompt.safetensors")


if __name__ == "__main__":
    typer.run(main)
