"""Train a SAM as the paper does (sec. 2 to 4, app. A), or teach one that is trained your own pictures.

    python recipes/train_sam.py                                    five minutes of tiny on made-up scenes
    python recipes/train_sam.py --minutes 600 --data shapes:50 --data photos/coco:50
    python recipes/train_sam.py --sam tiny --train decoder --data my_photos --minutes 2
    python recipes/train_sam.py --size vit_b --mae vit_b_mae.safetensors ...    an encoder taught by MAE

Run the same line again and it goes on from where it was killed. Data: `shapes`, a folder with images/
and masks/, a COCO or LVIS file, an SA-1B folder; each with a share after a colon. Several GPUs:
torchrun --nproc-per-node 8 recipes/train_sam.py ... Time, numbers and the paper's settings: docs/training.md.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer

from samkit import load_sam
from samkit.sam.config import CONFIGS, SamConfig
from samkit.training.augment import NO_AUGMENTATION, Augmentation
from samkit.training.data import Feed, make_batch
from samkit.training.finetune import Which, choose_trained
from samkit.training.initialise import from_nothing, resized, with_mae
from samkit.training.loop import Plan, train
from samkit.training.optimizer import Optimization
from samkit.training.processes import start_processes
from samkit.training.regularise import regularise
from samkit.training.simulate import Simulation
from samkit.training.sources import mixture, validation_sets
from samkit.training.step import Loss

TINY = SamConfig(
    width=192,
    depth=6,
    num_heads=6,
    global_blocks=(1, 3, 5),
    mlp_dim=768,
    image_size=256,
    window_size=8,
    channels=128,
    decoder_mlp_dim=512,
    decoder_attention_width=64,
    iou_head_hidden=128,
)
SIZES = {"tiny": TINY, **CONFIGS}


def main(
    sam: str = "nothing",
    mae: Path | None = None,
    size: str = "tiny",
    image_size: int | None = None,
    train_what: Annotated[Which, typer.Option("--train")] = "all",
    data: Annotated[list[str] | None, typer.Option()] = None,
    validation: Annotated[list[str] | None, typer.Option()] = None,
    out: Path = Path("runs/train_sam"),
    minutes: float | None = None,
    steps: int | None = None,
    images: int = 8,
    masks: int = 4,
    accumulate: int = 1,
    corrections: int = 1,
    extra_rounds: int = 0,
    refine_share: float = 0.3,
    box_share: float = 0.5,
    boxes_at_first: float = 0.7,
    supervise_all_iou: bool = True,
    learning_rate: float = 5e-4,
    weight_decay: float = 0.05,
    layer_decay: float = 1.0,
    warmup: int = 100,
    schedule: Literal["cosine", "step", "constant"] = "cosine",
    hold: float = 0.3,
    average: float = 0.99,
    drop_path: float = 0.0,
    dropout: float = 0.0,
    augmentation: bool = True,
    paste: float = 0.3,
    curriculum_steps: int = 1000,
    dense: bool | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
    device: str = "auto",
    seed: int = 0,
    limit: int = 60,
    validate_every: int = 250,
    workers: int = 1,
) -> None:
    """Trains for --minutes (5 where neither is given) or --steps, and measures as it goes.

    sam: nothing, or what to go on from: tiny, vit_b, vit_l, vit_h, a file. mae: weights for the image
    encoder of a new one. size: of a new one. train: all, decoder, low-rank. data: may be given several
    times. dense: teach the encoder by every cell too, with a head that is thrown away; unless told,
    from nothing only. validation: pictures to measure on where not those that are kept for it; limit: how many.
    """
    processes = start_processes()
    specs = data or ["shapes"]
    if sam == "nothing":
        config = dataclasses.replace(SIZES[size], image_size=image_size or SIZES[size].image_size)
        sources = mixture(specs, config.image_size, seed)
        pictures = (
            None if mae else make_batch(sources, Feed(config.image_size, 200, 1), seed, 0).images
        )
        model = from_nothing(config, seed, pictures)
        model = with_mae(model, mae) if mae else model
    else:
        model = load_sam(sam, device="cpu")
        model = resized(model, image_size) if image_size else model
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    model = choose_trained(model.to(device), train_what)
    regularise(model, drop_path, dropout)
    feed = Feed(
        model.config.image_size,
        images,
        masks,
        boxes_first=(boxes_at_first, box_share),
        curriculum_steps=curriculum_steps,
        dense=sam == "nothing" if dense is None else dense,
        simulation=Simulation(box_share, corrections, extra_rounds, refine_share),
        augmentation=Augmentation(paste=paste) if augmentation else NO_AUGMENTATION,
    )
    plan = Plan(
        steps=steps,
        minutes=5 if steps is None and minutes is None else minutes,
        accumulate=accumulate,
        precision=precision,
        seed=seed,
        validate_every=validate_every,
        workers=workers,
        loss=Loss(supervise_all_iou),
        optimization=Optimization(
            learning_rate, weight_decay, layer_decay, warmup, schedule, hold, average=average
        ),
    )
    sources = mixture(specs, feed.image_size, seed)
    unseen = validation_sets(specs, validation or [], feed.image_size, limit)
    train(model, sources, feed, plan, out, unseen, processes)


if __name__ == "__main__":
    typer.run(main)
