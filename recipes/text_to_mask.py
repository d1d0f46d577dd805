"""Text to masks, by three routes (paper, sec. 7.5, fig. 12, app. D.5, which has pictures and no numbers).

    python recipes/text_to_mask.py                                     tiny on made-up scenes, evaluated
    python recipes/text_to_mask.py "a red mug" "a spoon" --data kitchen.jpg
    python recipes/text_to_mask.py "a dog" --data photos --sam vit_h --clip ViT-L-14-336
    python recipes/text_to_mask.py "a dog" --data photos --route detect --detector google/owlv2-base-patch16
    python recipes/text_to_mask.py --data coco/annotations/instances_val2017.json --sam vit_h ...
    python recipes/text_to_mask.py --data refcoco=refcoco+ ...                 folder of the REFER toolkit

prompt: a phrase's CLIP embedding is the prompt, of a SAM that learned to read it, as in the paper.
rank: everything mode, then CLIP looks at each mask. detect: a detector that takes words, then boxes to
masks. Pictures and phrases give masks/*.json and overlays/*.png. A dataset is evaluated, its captions
or class names being the phrases: mIoU, and the share of phrases with an IoU above .5.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from samkit import Sample, draw, evaluate, load_sam, stored
from samkit import data as readers
from samkit.clip import load_clip, stored_clip
from samkit.clip.projection import load_text_prompt
from samkit.data import Dataset
from samkit.data.phrases import asking, by_class, captions
from samkit.data.shapes.phrases import held_out, unique
from samkit.evaluation import format_summary, write_each
from samkit.metrics import PhraseIoU
from samkit.ops.images import SUFFIXES
from samkit.ops.square_crops import Crop
from samkit.pipeline import Stage
from samkit.stages import (
    DetectText,
    Embed,
    Filter,
    Proposals,
    RankByText,
    Segment,
    TextPrompt,
    Top,
    YoloText,
    ZeroShot,
    text_sam,
)
from samkit.stages.rank_by_text import FOR_TINY
from samkit.types import Annotations

Route = Literal["prompt", "rank", "detect"]
# The filters of everything mode suit the official models; those of tiny give lower scores.
KEEP_ALL: dict[str, Any] = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}


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
    unseen: bool = False,
    limit: int | None = None,
    store: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    dtype: str = "float32",
) -> None:
    """Masks for phrases, or how well they are found.

    clip, clip_weights: as `load_clip` has them. prompt: tiny, or a file that train_text_prompt.py
    wrote. detector: a YOLO-World or YOLOE .pt, or a name or folder of OWLv2 or Grounding DINO. data: a
    picture, a folder, shapes, a COCO or LVIS JSON, or refcoco=FOLDER. top: masks of a phrase, of which
    route prompt has three at most; threshold: of their scores. points_per_side: of everything mode;
    32, and 16 for tiny. context, masked, masked_attention: how CLIP
    sees a mask; quality: how much its predicted IoU counts. Where none of these is said, the pair tiny
    sees masks alone, with 0.8; others see 1.5 times the box, with 0. unseen: of shapes only phrases whose
    combination of class and colour no text model was trained on. store: a folder that keeps
    embeddings, so that other phrases find the same pictures encoded.
    """
    model = load_sam(sam, device, dtype)
    embed = Embed(stored(model, store) if store else model)
    if route == "detect":
        find: Stage = DetectText(open_detector(detector, clip, clip_weights, device))
        find = find | embed | Segment(model)
    else:
        looker = load_clip(clip, clip_weights, device, dtype)
        looker = stored_clip(looker, store) if store else looker
        if route == "prompt":
            words = load_text_prompt(prompt)
            ask = TextPrompt(looker, projection=words)
            find = embed | ask | Segment(text_sam(model, words), several=top > 1)
        else:
            grid = points_per_side or (16 if sam == "tiny" else 32)
            everything = Proposals(
                model, points_per_side=grid, **(KEEP_ALL if sam == "tiny" else {})
            )
            shown = dict(FOR_TINY) if clip == "tiny" else {}
            if masked is not None or context != 1.5 or masked_attention:
                shown["crops"] = (Crop(context, bool(masked), masked_attention),)
            if quality is not None:
                shown["quality"] = quality
            find = embed | everything | RankByText(looker, each="phrase", **shown)
    out = out or Path("runs/text_to_mask") / f"{route}-{Path(data).stem}"
    if is_pictures(data):
        if not phrases:
            raise typer.BadParameter(f'say what to look for: "a red mug" --data {data}')
        chosen = find | Filter(min_score=threshold) | Top(top, per="class")
        write_masks(pictures(data, phrases, limit), chosen, out, data)
    else:
        dataset = read(data, limit, unseen)
        print(format_summary(evaluate(dataset, find, PhraseIoU(), out=out)))


def open_detector(name: str, clip: str, weights: str | None, device: str) -> Any:
    """YOLO-World or YOLOE from a .pt, whose texts its own CLIP reads; anything else is transformers'."""
    if Path(name).suffix == ".pt":
        looker = None if clip == "tiny" else load_clip(clip, weights, device)
        return YoloText(name, looker, device=device)
    return ZeroShot(name, device=device)


def is_pictures(data: str) -> bool:
    """Whether it is a picture, or a folder of them that is no COCO folder."""
    path = Path(data)
    return path.suffix.lower() in SUFFIXES or (
        path.is_dir() and not (path / "annotations").is_dir()
    )


def pictures(data: str, phrases: list[str], limit: int | None) -> Dataset:
    """The picture, or those of the folder, each asked about every phrase."""
    if Path(data).is_dir():
        plain = readers.folder(data, limit=limit)
        places = {id: number for number, id in enumerate(plain.ids)}
        return Dataset(plain.name, plain.ids, lambda id: plain[places[id]].replace(phrases=phrases))
    one = Sample.open(data)
    return Dataset(data, [Path(data).name], lambda id: one.replace(id=id, phrases=phrases))


def write_masks(samples: Dataset, find: Stage, out: Path, data: str) -> None:
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
        path = out / "masks" / Path(str(id)).with_suffix(".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    asked = f"{Path(data).resolve()}: {list(samples[0].phrases or ())}"
    errors = write_each(samples, find, place, content, out / "run.json", asked)
    print(f"{len(samples) - len(errors)} of {len(samples)} pictures are done: {out}/overlays")
    for id, reason in errors.items():
        print(f"  {id}: {reason}")


def read(data: str, limit: int | None, unseen: bool) -> Dataset:
    """The dataset with its phrases; of made-up scenes those captions that fit one object."""

    def fit_one(truth: Annotations) -> list[tuple[str, list[int]]]:
        asked = [captions(truth)[i] for i in unique(truth.captions or ())]
        return [one for one in asked if held_out(one[0]) or not unseen]

    if data == "shapes":
        about = "unseen phrases" if unseen else "phrases that fit one object"
        return asking(readers.shapes(limit or 20), fit_one, about)
    if data.startswith("refcoco="):
        return readers.refcoco(data.removeprefix("refcoco="), limit=limit)
    is_lvis = Path(data).name.startswith("lvis")
    return by_class((readers.lvis if is_lvis else readers.coco)(data, limit=limit))


if __name__ == "__main__":
    typer.run(main)
