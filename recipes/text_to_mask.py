"""Text to masks, by three routes (paper, sec. 7.5, fig. 12, app. D.5, which has pictures and no numbers).

    python recipes/text_to_mask.py                                     tiny on made-up scenes, evaluated
    python recipes/text_to_mask.py --route prompt --crops 2 --redraw tiny --ranked --mirrored --finder tiny    the best
    python recipes/text_to_mask.py "a red mug" "a spoon" --data kitchen.jpg
    python recipes/text_to_mask.py "a dog" --data photos --route detect --sam vit_h
    python recipes/text_to_mask.py --data coco/annotations/instances_val2017.json  or refcoco=FOLDER

prompt: a phrase's CLIP embedding is the prompt of a SAM that learned to read it, as in the paper. rank:
everything mode, then CLIP looks at each mask. detect: a detector that takes words, then boxes to masks.
Pictures and phrases give masks/*.json and overlays/*.png. A dataset is evaluated, its captions or class
names being the phrases: mIoU, and the share of phrases with an IoU above .5.
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from samkit import evaluate, load_sam, stages, stored
from samkit.clip import load_clip, stored_clip
from samkit.clip.finder import load_text_finder
from samkit.clip.projection import load_text_prompt
from samkit.data import folder
from samkit.data.phrased import is_pictures, phrased
from samkit.evaluation import format_errors, format_summary
from samkit.evaluation.overlays import write_overlays
from samkit.metrics import PhraseIoU
from samkit.ops.square_crops import Crop
from samkit.pipeline import Pipeline, Stage
from samkit.sam.mask_refiner import load_mask_refiner
from samkit.stages.detect_text import open_text_detector
from samkit.stages.proposals_settings import KEEP_ALL
from samkit.stages.rank_by_text import FOR_TINY
from samkit.stages.text_routes import (
    PROMPTED,
    PROPOSED,
    agreeing,
    and_looked_for,
    ask_by_text,
    closer,
    redraw_by_phrase,
    seen_twice,
)

Route = Literal["prompt", "rank", "detect"]


def main(
    phrases: Annotated[list[str] | None, typer.Argument()] = None,
    route: Route = "rank",
    sam: str = "tiny",
    clip: str = "tiny",
    clip_weights: str | None = None,
    prompt: str = "tiny",
    detector: str = "google/owlv2-base-patch16-ensemble",
    data: str = "shapes",
    top: int = 1,
    threshold: float = -1.0,
    points_per_side: int | None = None,
    context: float = 1.5,
    masked: bool = False,
    masked_attention: bool = False,
    quality: float | None = None,
    guided: float | None = None,
    redraw: str | None = None,
    finder: str | None = None,
    crops: int = 0,
    zoom: float | None = None,
    ranked: bool = False,
    mirrored: bool = False,
    unseen: bool = False,
    limit: int | None = None,
    store: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    dtype: str = "float32",
) -> None:
    """Masks for phrases, or how well they are found.

    clip, clip_weights: as `load_clip` has them. prompt: tiny, or a file that train_text_prompt.py wrote.
    detector: a YOLO-World or YOLOE .pt, or a name or folder of OWLv2 or Grounding DINO. data: a picture,
    a folder, shapes, a COCO or LVIS JSON, or refcoco=FOLDER. top: masks of a phrase, of which route
    prompt has three at most; threshold: of their scores. points_per_side: of everything mode; 32, and 16
    for tiny. context, masked, masked_attention: how CLIP sees a mask; quality: how much its predicted IoU
    counts, 0.4 for the pair tiny and 0 for others. guided: radius with which outlines follow the picture.
    redraw: tiny, or a file of train_mask_refiner.py, which draws masks anew, told the phrase where it was
    taught the CLIP's: the likeliest ten that the prompt found, or forty proposals, at which CLIP then looks
    again. finder: tiny, or a file of train_text_finder.py, which draws phrases beside what there is, and has
    a say in the choice.
    crops: layers of crops that are looked at as well. zoom: boxes, or everything mode's masks, are asked
    for in a crop so many times their side; 1.5 suits tiny. ranked: of all masks that route prompt found
    CLIP chooses. mirrored: SAM, CLIP, refiner and finder see everything in a mirror too, in twice the time.
    unseen: of shapes only phrases whose class and colour no text model saw together. store: keeps embeddings.
    """
    pictures = is_pictures(data)
    detect, asks = route == "detect", route == "prompt"
    for wrong, cure in (
        (pictures and not phrases, f'say what to look for: "a red mug" --data {data}'),
        (phrases and not pictures, f"{data} has its own phrases; say yours of pictures (--data)"),
        (detect and crops, "--crops is for prompt and rank: a detector's boxes say where to look"),
        (asks and zoom, "--zoom is for rank and detect, whose boxes say where; try --crops"),
        (ranked and not asks, "--ranked is for the route prompt; the others rank as it is"),
        (finder and detect, "--finder is for the routes prompt and rank"),
        (detect and mirrored, "--mirrored is for the routes prompt and rank"),
    ):
        if wrong:
            raise typer.BadParameter(cure)
    model = load_sam(sam, device, dtype)
    words = load_text_prompt(prompt) if asks else None
    model = stages.text_sam(model, words) if words else model
    embed = stages.Embed(stored(model, store) if store else model)
    refiner = load_mask_refiner(redraw, device) if redraw else None
    mend: Stage = stages.GuidedFilter(radius=guided) if guided else Pipeline()
    if detect:
        given = detector.endswith(".pt") and clip != "tiny"  # others read phrases for themselves
        reader = load_clip(clip, clip_weights, device) if given else None
        find = stages.DetectText(open_text_detector(detector, reader, device), phrases)
        find |= stages.SegmentZoomed(model, context=zoom) if zoom else embed | stages.Segment(model)
        find |= stages.RedrawMasks(refiner, passes=2) if refiner else Pipeline()
        find |= mend
    else:
        looker = load_clip(clip, clip_weights, device, dtype)
        looker = stored_clip(looker, store) if store else looker
        crop = Crop(context, masked, masked_attention)
        shown = {"mirrored": mirrored, "crops": (crop,)} | (FOR_TINY if clip == "tiny" else {})
        shown |= {} if quality is None else {"quality": quality}
        network = load_text_finder(finder, device) if finder else None
        beside = partial(and_looked_for, network, looker, phrases, mirrored=mirrored)
        drawn = redraw_by_phrase(refiner, looker, prompted=asks, mirrored=mirrored)
        again = stages.RankByText(looker, each="own", **shown)
        again |= agreeing(network, looker, phrases, drawn=True, mirrored=mirrored)
        if asks:
            several = ranked or top > 1
            ask = ask_by_text(model, looker, words, phrases, crops=crops, several=several)
            find = seen_twice(embed | ask) if mirrored else embed | ask
            find |= stages.Top(max(top, PROMPTED), per="class") if network or redraw else Pipeline()
            find = beside(find) | drawn | mend
            find |= again if ranked else Pipeline()
        else:
            kept = KEEP_ALL if sam == "tiny" else {}
            grid = points_per_side or (16 if sam == "tiny" else 32)
            look = stages.Proposals(model, points_per_side=grid, crop_n_layers=crops, **kept)
            find = seen_twice(embed | look) if mirrored else embed | look
            find |= closer(model, zoom) if zoom else Pipeline()
            rank = mend | stages.RankByText(looker, phrases, each="phrase", **shown)
            rank |= agreeing(network, looker, phrases, drawn=False, mirrored=mirrored)
            if refiner and refiner.reads(looker.texts_name):
                find |= rank | stages.Top(max(top, PROPOSED), per="class")
                find = beside(find) | drawn | again
            else:  # what was drawn untold is drawn before anybody asks
                find |= drawn | stages.NonMaxSuppression(0.7) | rank if refiner else rank
    out = out or Path("runs/text_to_mask") / f"{route}-{Path(data).stem}"
    if not pictures:
        summary = evaluate(phrased(data, limit, unseen), find, PhraseIoU(), out=out)
        print(format_summary(summary))
        return
    if redraw and route == "rank":
        find |= stages.NonMaxSuppression()  # many became one
    find |= stages.Filter(min_score=threshold) | stages.Top(top, per="class")
    photos = folder(data, limit=limit)
    errors = write_overlays(photos, find, out, data)
    print(f"{len(photos) - len(errors)} of {len(photos)} pictures are done: {out}/overlays")
    if errors:
        print(format_errors(errors))
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
