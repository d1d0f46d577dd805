"""Text to masks, by three routes (paper, sec. 7.5, fig. 12, app. D.5, which has pictures and no numbers).

    python recipes/text_to_mask.py                                     tiny on made-up scenes, evaluated
    python recipes/text_to_mask.py --route prompt --crops 2 --redraw tiny --ranked --mirrored    the best it has
    python recipes/text_to_mask.py "a red mug" "a spoon" --data kitchen.jpg
    python recipes/text_to_mask.py "a dog" --data photos --route detect --sam vit_h
    python recipes/text_to_mask.py --data coco/annotations/instances_val2017.json  or refcoco=FOLDER

prompt: a phrase's CLIP embedding is the prompt of a SAM that learned to read it, as in the paper. rank:
everything mode, then CLIP looks at each mask. detect: a detector that takes words, then boxes to masks.
Pictures and phrases give masks/*.json and overlays/*.png. A dataset is evaluated, its captions or class
names being the phrases: mIoU, and the share of phrases with an IoU above .5.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from samkit import Sample, draw, evaluate, load_sam, stages, stored
from samkit import data as readers
from samkit.clip import load_clip, stored_clip
from samkit.clip.projection import load_text_prompt
from samkit.data import Dataset
from samkit.data.phrases import by_class, by_telling_caption
from samkit.evaluation import format_errors, format_summary, write_each
from samkit.metrics import PhraseIoU
from samkit.ops.images import SUFFIXES
from samkit.ops.square_crops import Crop
from samkit.pipeline import Pipeline, Stage
from samkit.sam.family import SamModel
from samkit.sam.mask_refiner import load_mask_refiner
from samkit.stages.detect_text import open_text_detector
from samkit.stages.rank_by_text import FOR_TINY
from samkit.stages.redraw_masks import LIKELIEST_PROMPTED, LIKELIEST_PROPOSED, redraw_by_phrase

Route = Literal["prompt", "rank", "detect"]
KEEP_ALL = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}  # tiny scores itself low


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
    masked: bool | None = None,
    masked_attention: bool = False,
    quality: float | None = None,
    guided: float | None = None,
    grabcut: bool = False,
    redraw: str | None = None,
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
    for tiny. context, masked, masked_attention: how CLIP sees a mask; quality: how much its predicted
    IoU counts, 0.4 for the pair tiny and 0 for others. guided: radius with which outlines follow the picture
    (GuidedFilter). grabcut: masks are cut anew by their colours (GrabCutMasks). redraw: tiny, or a file of
    train_mask_refiner.py, which draws them anew (RedrawMasks), told the phrase where it was taught the
    CLIP's; so route rank draws those proposals that CLIP finds likeliest, and CLIP looks again. crops:
    layers of crops that are looked at as well. zoom: boxes, or everything mode's masks, are asked for in
    a crop so many times their side (SegmentZoomed); 1.5 suits tiny. ranked: CLIP looks at all masks that
    route prompt found, as route rank has it (RankByText), and the best by that is taken. mirrored: SAM, CLIP
    and refiner see everything in a mirror too, in twice the time. unseen: of shapes only phrases whose
    class and colour no text model saw together. store: keeps embeddings.
    """
    if is_pictures(data) and not phrases:
        raise typer.BadParameter(f'say what to look for: "a red mug" --data {data}')
    if phrases and not is_pictures(data):
        raise typer.BadParameter(f"{data} has its own phrases; say yours of pictures (--data)")
    if crops and route == "detect":
        raise typer.BadParameter(
            "--crops is for the routes prompt and rank: a detector's boxes say where"
        )
    if guided and grabcut:
        raise typer.BadParameter("--guided and --grabcut both mend outlines: give one")
    if zoom and route == "prompt":
        raise typer.BadParameter(
            "--zoom is for the routes rank and detect, whose boxes say where to look; --crops is for "
            "the route prompt"
        )
    if ranked and route != "prompt":
        raise typer.BadParameter("--ranked is for the route prompt; the others rank as it is")
    if mirrored and route == "detect":
        raise typer.BadParameter("--mirrored is for the routes prompt and rank")
    model = load_sam(sam, device, dtype)
    refiner = load_mask_refiner(redraw, device) if redraw else None
    mend: Stage = Pipeline()
    if guided or grabcut:
        mend = stages.GuidedFilter(radius=guided) if guided else stages.GrabCutMasks()
    if route == "detect":
        given = detector.endswith(".pt") and clip != "tiny"  # others read phrases for themselves
        reader = load_clip(clip, clip_weights, device) if given else None
        boxes = stages.DetectText(open_text_detector(detector, reader, device), phrases)
        embed = embedded(model, store) | stages.Segment(model)
        find = boxes | (stages.SegmentZoomed(model, context=zoom) if zoom else embed)
        find |= stages.RedrawMasks(refiner, passes=2) if refiner else Pipeline()
        find |= mend
    else:
        looker = load_clip(clip, clip_weights, device, dtype)
        looker = stored_clip(looker, store) if store else looker
        shown = dict(FOR_TINY) if clip == "tiny" else {}
        if masked is not None or context != 1.5 or masked_attention:
            shown["crops"] = (Crop(context, bool(masked), masked_attention),)
        shown |= {} if quality is None else {"quality": quality}
        shown |= {"mirrored": mirrored}
        redrawn: Stage = Pipeline()
        if refiner:
            redrawn = redraw_by_phrase(refiner, looker, mirrored, prompted=route == "prompt")
        if route == "prompt":
            words = load_text_prompt(prompt)
            model = stages.text_sam(model, words)
            ask = stages.TextPrompt(looker, phrases, projection=words)
            several = ranked or top > 1
            find = embedded(model, store) | ask | segment(model, crops, several)
            find = seen_twice(find) if mirrored else find
            if several and (grabcut or redraw):
                find |= stages.Top(max(top, LIKELIEST_PROMPTED), per="class")
            find |= redrawn | mend
            find |= stages.RankByText(looker, each="own", **shown) if ranked else Pipeline()
        else:
            kept = KEEP_ALL if sam == "tiny" else {}
            grid = points_per_side or (16 if sam == "tiny" else 32)
            look = stages.Proposals(model, points_per_side=grid, crop_n_layers=crops, **kept)
            find = embedded(model, store) | look
            find = seen_twice(find) if mirrored else find
            if zoom:
                again = stages.SegmentZoomed(model, context=zoom, shared=True)
                find = find | stages.MaskBoxes() | again | stages.NonMaxSuppression(0.9)
            told = refiner is not None and refiner.reads(looker.texts_name)
            if refiner and not told:
                find |= redrawn | stages.NonMaxSuppression(0.7)  # many became one
            find = find | mend | stages.RankByText(looker, phrases, each="phrase", **shown)
            if told:
                find |= stages.Top(max(top, LIKELIEST_PROPOSED), per="class") | redrawn
                find |= stages.RankByText(looker, each="own", **shown)
    out = out or Path("runs/text_to_mask") / f"{route}-{Path(data).stem}"
    if is_pictures(data):
        if redraw and route == "rank":
            find |= stages.NonMaxSuppression()  # many became one
        chosen = find | stages.Filter(min_score=threshold) | stages.Top(top, per="class")
        write_masks(readers.folder(data, limit=limit), chosen, out, data)
    else:
        print(format_summary(evaluate(read(data, limit, unseen), find, PhraseIoU(), out=out)))


def embedded(model: SamModel, store: Path | None) -> stages.Embed:
    """Embeddings, kept on disk where there is a folder for them."""
    return stages.Embed(stored(model, store) if store else model)


def seen_twice(find: Stage) -> Stage:
    """What is found in the picture and in its mirror image, each mask once."""
    return stages.Together([find, stages.Mirrored(find)]) | stages.NonMaxSuppression()


def segment(model: SamModel, crops: int, several: bool) -> Stage:
    """One mask for each phrase or several, of the picture alone or of its crops too."""
    if not crops:
        return stages.Segment(model, several=several)
    look = stages.SegmentCrops(model, crop_n_layers=crops, several=several)
    return look | stages.NonMaxSuppression() if several else look


def is_pictures(data: str) -> bool:
    """Whether it is a picture, or a folder of them that is no COCO folder."""
    path, coco = Path(data), Path(data) / "annotations"
    return path.suffix.lower() in SUFFIXES or (path.is_dir() and not coco.is_dir())


def write_masks(pictures: Dataset, find: Stage, out: Path, data: str) -> None:
    """OUT/masks/NAME.json, COCO's records with phrase and score, and OUT/overlays/NAME.png."""

    def content(sample: Sample) -> str:
        overlay = out / "overlays" / Path(str(sample.id)).with_suffix(".png")
        overlay.parent.mkdir(parents=True, exist_ok=True)
        draw(sample.replace(prompts=None)).save(overlay)
        assert sample.masks is not None and sample.phrases is not None
        records = sample.masks.to_coco(str(sample.id))
        for record in records:
            record["phrase"] = sample.phrases[record["category_id"]]
        return json.dumps({"phrases": sample.phrases, "masks": records}, allow_nan=False)

    def place(id: int | str) -> Path:
        return out / "masks" / Path(str(id)).with_suffix(".json")

    errors = write_each(pictures, find, place, content, out / "run.json", str(Path(data).resolve()))
    print(f"{len(pictures) - len(errors)} of {len(pictures)} pictures are done: {out}/overlays")
    if errors:
        print(format_errors(errors))
        raise typer.Exit(1)


def read(data: str, limit: int | None, unseen: bool) -> Dataset:
    """The dataset with its phrases; of made-up scenes those captions that fit one object."""
    if data == "shapes":
        return by_telling_caption(readers.shapes(limit or 20), unseen)
    if data.startswith("refcoco="):
        return readers.refcoco(data.removeprefix("refcoco="), limit=limit)
    is_lvis = Path(data).name.startswith("lvis")
    return by_class((readers.lvis if is_lvis else readers.coco)(data, limit=limit))


if __name__ == "__main__":
    typer.run(main)
