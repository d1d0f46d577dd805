"""The data engine in miniature, on made-up scenes (paper, sec. 4; tiny takes its stages in minutes).

    python recipes/data_engine.py                         tiny, 24 new pictures a stage
    python recipes/data_engine.py --pictures 200 --steps 500 --wanted-iou 0.9

Three stages on pictures of their own, each followed by retraining. Assisted-manual: a simulated annotator
clicks on every object until its mask is good enough or patience ends. Semi-automatic: the model's
confident masks are filled in, and only what they miss is clicked on. Fully automatic: a grid of points,
thresholds of predicted IoU and stability, NMS; the model then learns from these masks alone.

In the paper: 120,000, 180,000 and 11 million pictures; 20 to 44, 44 to 72 and about 100 masks a picture;
34 to 14, 34 and no seconds of work a mask. There a box detector trained on the first stage's masks found
the confident ones, here the model does; there annotators could paint, ours gives up; there the model
was retrained six, five times and once, here once each.
"""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typer

from samkit import Sample, evaluate, load_sam
from samkit.data import shapes
from samkit.metrics import ClickIoU
from samkit.sam.model import Sam
from samkit.stages import Clicks, Embed, Proposals
from samkit.training.annotator import Annotated, Labelled, annotate, taken
from samkit.training.data import Feed, Mixture
from samkit.training.finetune import choose_trained
from samkit.training.loop import Plan, train
from samkit.training.optimizer import Optimization

POOL_SEED, HELD_OUT_SEED = 9_000_000, 0


def main(
    sam: str = "tiny",
    pictures: int = 24,
    steps: int = 40,
    least_masks: int = 20,
    wanted_iou: float = 0.75,
    patience: int = 6,
    confident: float = 0.7,
    pred_iou_thresh: float = 0.5,
    stability_score_thresh: float = 0.85,
    points_per_side: int = 16,
    learning_rate: float = 1e-4,
    held_out: int = 40,
    out: Path = Path("runs/data_engine"),
) -> None:
    """Prints clicks a mask, masks a picture and the 1-click mIoU after each stage.

    pictures: of each stage. steps: of each retraining, which fewer than least_masks are not worth: a
    model that goes on learning from so few forgets more than they teach. wanted_iou, patience: when
    the annotator is
    content, and after how many clicks of an object he gives up. confident: predicted IoU from which
    masks are filled in. pred_iou_thresh, stability_score_thresh: of the fully automatic stage.
    """
    pool, test = shapes(3 * pictures, seed=POOL_SEED), shapes(held_out, seed=HELD_OUT_SEED)
    parts = [list(pool[i * pictures : (i + 1) * pictures]) for i in range(3)]
    objects = np.mean([len(sample.annotations or ()) for part in parts for sample in part])
    model = load_sam(sam, device="cpu")
    print(f"a picture has {objects:.1f} objects; right: a mask whose IoU with one is .5 or more")
    print("| stage | clicks a mask | masks a picture | of them right | 1-click mIoU after |")
    print(f"|---|---|---|---|---|\n| before | | | | {one_click(model, test)} |", flush=True)

    manual = annotate(model, parts[0], wanted_iou, patience)
    model = retrained(model, manual, steps, learning_rate, least_masks, out / "assisted-manual")
    print(row("assisted-manual", manual, one_click(model, test)), flush=True)

    filled = everything(model, parts[1], points_per_side, confident, stability_score_thresh)
    semi = annotate(model, filled, wanted_iou, patience)
    model = retrained(
        model, manual + semi, steps, learning_rate, least_masks, out / "semi-automatic"
    )
    print(row("semi-automatic", semi, one_click(model, test)), flush=True)

    found = everything(model, parts[2], points_per_side, pred_iou_thresh, stability_score_thresh)
    automatic = [taken(sample, sample.masks.rle()) for sample in found if sample.masks is not None]
    model = retrained(model, automatic, steps, learning_rate, least_masks, out / "fully-automatic")
    print(row("fully automatic", automatic, one_click(model, test)), flush=True)


def everything(
    model: Sam, samples: Sequence[Sample], points: int, predicted_iou: float, stability: float
) -> list[Sample]:
    """The samples with all masks of which the model is so sure."""
    find = Proposals(
        model,
        points_per_side=points,
        pred_iou_thresh=predicted_iou,
        stability_score_thresh=stability,
        max_coverage=0.95,
    )
    return (Embed(model) | find)(samples)


def retrained(
    model: Sam, pictures: Sequence[Annotated], steps: int, rate: float, least: int, out: Path
) -> Sam:
    """A model that has gone on learning from these masks; the same where they are too few."""
    samples = [picture.sample for picture in pictures if picture.masks]
    if (masks := sum(picture.masks for picture in pictures)) < least:
        typer.echo(f"{masks} masks of {len(pictures)} pictures: the model stays as it is", err=True)
        return model
    feed = Feed(model.config.image_size, images=4, masks=4, curriculum_steps=1)
    plan = Plan(
        steps=steps,
        workers=0,
        validate_every=steps,
        optimization=Optimization(rate, warmup=5, average=0.9),
    )
    source = Mixture([Labelled(samples)], weights=[1], photographs=[False])
    with contextlib.redirect_stdout(io.StringIO()):  # its log is in files under out
        train(choose_trained(model), source, feed, plan, out, validation={})
    return load_sam(out / "last.safetensors", device="cpu")


def one_click(model: Sam, test: Sequence[Sample]) -> str:
    """Mean IoU after one click in the centre, on pictures that no stage sees."""
    pipeline = Embed(model) | Clicks(model, (1,))
    metrics = evaluate(test, pipeline, ClickIoU(), batch_size=4, progress=False)["metrics"]
    return "{mIoU@1:.3f} ({mIoU@1_low:.3f} to {mIoU@1_high:.3f})".format(**metrics)


def row(name: str, pictures: Sequence[Annotated], after: str) -> str:
    """One line of the table."""
    masks = sum(picture.masks for picture in pictures)
    clicks, right = sum(p.clicks for p in pictures), sum(p.right for p in pictures)
    figures = [clicks / max(1, masks), masks / len(pictures), right / max(1, masks)]
    return " | ".join([f"| {name}", *(f"{figure:.2f}" for figure in figures), f"{after} |"])


if __name__ == "__main__":
    typer.run(main)
