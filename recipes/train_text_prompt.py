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
from typing import Annotated, Literal

import numpy as np
import torch
import typer

from samkit import load_sam
from samkit.clip import load_clip
from samkit.clip.projection import (
    DECODER,
    ENCODER,
    TextProjection,
    load_text_prompt,
    save_text_prompt,
)
from samkit.data import shapes
from samkit.sam.low_rank import low_rank_change
from samkit.sam.model import Sam
from samkit.stages import TextPrompt, text_sam
from samkit.training.augment import NO_AUGMENTATION, Augmentation
from samkit.training.captioned import Captioned
from samkit.training.captions import bridge, examples
from samkit.training.data import Feed, Mixture
from samkit.training.simulate import Simulation
from samkit.training.sitting import Sitting, set_rates, warm_cosine
from samkit.training.sources import SeenShapes, mixture
from samkit.training.step import Loss
from samkit.training.text import (
    Pool,
    encoded,
    gap,
    image_embeddings,
    move,
    move_texts,
    some_masks,
    text_backward,
)

# Evaluations count seeds from 0; SAM and CLIP are trained on others than this.
TRAINING_SEED = 7_200_000
MOVED_BY = 40  # batches of which both CLIPs' embeddings are compared
Which = Literal["projection", "decoder", "all"]


def main(
    sam: str = "tiny",
    clip: str = "tiny",
    clip_weights: str | None = None,
    data: Annotated[list[str] | None, typer.Option()] = None,
    phrases: Path | None = None,
    out: Path = Path("runs/train_text_prompt"),
    train_what: Annotated[Which, typer.Option("--train")] = "all",
    minutes: float | None = None,
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
    if start is None:
        width, channels = looker.width, original.config.channels
        projection = TextProjection(width, channels, tokens, 256, looker.texts_name, original.name)
    else:
        projection = load_text_prompt(start)
        reader = load_clip(start_clip, None, device) if start_clip else looker
        TextPrompt(reader, projection=projection)  # which refuses one of another CLIP
    projection.to(original.device).requires_grad_(True)
    model = text_sam(copy.deepcopy(original), projection)
    taught = choose(model, train_what)
    simulation = Simulation(corrections=corrections, extra_rounds=0)
    how = NO_AUGMENTATION if pool else Augmentation(paste=0)
    augmentation = replace(how, zoom=(how.zoom[0], zoom), flip=0.5)
    feed = Feed(
        model.config.image_size, images, 12, simulation=simulation, augmentation=augmentation
    )
    made_up = SeenShapes(TRAINING_SEED, feed.image_size)
    sources = mixture(data, feed.image_size, seed) if data else Mixture([made_up], [1.0], [False])
    batches = Pool(model, sources, feed, seed, pool, least_share, train_what == "all")
    each = max(1, prompts // images)
    told = Captioned(
        TRAINING_SEED + seed, feed.image_size, scenes, images, each, zoom, least_share, simulation
    )
    if start_clip is not None and captions:
        paired_scenes = shapes(paired, seed=TRAINING_SEED)
        said = [one.caption for scene in paired_scenes for one in examples(scene)]
        move_texts(projection, reader, looker, said)
    elif start_clip is not None:
        some = (batches(n)[0] for n in range(MOVED_BY))
        move(projection, reader, looker, some, masked_attention)
    carried = [projection.bridge, projection.gap] if captions else []
    taught += carried
    parameters = [
        {"params": list(projection.parameters()), "lr": learning_rate},
        {"params": taught, "lr": learning_rate / 4},
    ]
    optimizer = torch.optim.AdamW(parameters, weight_decay=0.01)
    learned = [*projection.parameters(), *taught]
    began = [tensor.detach().clone() for tensor in learned]
    sitting = Sitting(
        {"sam": model, "projection": projection, "optimizer": optimizer},
        {"models": [projection.clip_name, projection.sam_name]},
        out / "state.pt",
        steps,
        20 if minutes is None else minutes,
        every=50,
    )
    rng = np.random.default_rng(0)
    if phrases is not None:
        texts, some = phrases.read_text(encoding="utf-8"), (batches(n)[0] for n in range(4))
        projection.gap.copy_(gap(looker, some, texts.splitlines(), rng))
    elif not data and not sitting.step and not (start and captions and not start_clip):
        scenes = shapes(paired, seed=TRAINING_SEED)
        projection.load_state_dict(bridge(looker, scenes, least_share, rng), strict=False)
    for tensor in carried:
        tensor.requires_grad_(True)
    rng, recent = np.random.default_rng((seed, sitting.step)), []
    for done in sitting:
        set_rates(optimizer, warm_cosine(done))
        if rng.random() < captions:
            batch, asked = told(sitting.step)
            batch = batch.to(model.device)
            embedded = encoded(model, batch, train_what == "all")
            shown = projection.read(looker.texts(asked).to(model.device))
        else:
            batch, embedded = batches(sitting.step)
            rows = torch.from_numpy(rng.permutation(len(batch.targets))[:prompts])
            batch = some_masks(batch, rows.to(model.device))
            seen = image_embeddings(batch, looker, rng, masked_attention)
            shown = projection(seen.to(model.device))
        outcome = text_backward(model, embedded, batch, shown, Loss(), strangers)
        torch.nn.utils.clip_grad_norm_([*projection.parameters(), *taught], 1.0)
        optimizer.step()
        optimizer.zero_grad()
        recent.append((outcome.loss, outcome.ious[0], outcome.ious[-1]))
        if sitting.reports:
            loss, first, last = np.mean(recent, axis=0)
            reached = f"IoU by embedding {first:.3f}, after a click {last:.3f}"
            print(f"{sitting}: loss {loss:.3f}, {reached}", flush=True)
            recent = []
    with torch.no_grad():
        torch._foreach_lerp_([tensor.data for tensor in learned], began, 1 - blend)
    if train_what != "projection":
        tensors = model.mask_decoder.state_dict()
        projection.decoder = {DECODER + n: t.detach().cpu() for n, t in tensors.items()}
    if train_what == "all":
        change = low_rank_change(original.image_encoder, model.image_encoder, rank)
        projection.encoder = {ENCODER + name: tensor for name, tensor in change.items()}
    save_text_prompt(projection, out / "text_prompt.safetensors")


def choose(sam: Sam, train_what: Which) -> list[torch.nn.Parameter]:
    """What of the SAM is taught; the rest is frozen."""
    sam.requires_grad_(False)
    parts = [] if train_what == "projection" else [sam.mask_decoder]
    parts += [sam.image_encoder] if train_what == "all" else []
    return [parameter for part in parts for parameter in part.requires_grad_(True).parameters()]


if __name__ == "__main__":
    typer.run(main)
