"""All masks of every picture in a folder: SA-1B's JSON and an overlay for each (paper, sec. 4, app. B).

    python recipes/everything.py                                    tiny, made-up scenes
    python recipes/everything.py --data photos/ --sam vit_h
    python recipes/everything.py --data photos/ --sam vit_h --paper          crops too, as SA-1B was made

The official generator's defaults, or with --paper the settings that made SA-1B: two layers of crops,
regions under 100 pixels filled and removed, masks of over 95 % of the picture dropped. A run that was
killed goes on where it was, and a folder that has grown gets what is new. Without arguments it takes 11
seconds of one core. Read the masks back by
`samkit.data.sa1b(OUT/masks, images=photos/)`.
"""

import json
from pathlib import Path
from typing import Any

import typer
from PIL import Image

from samkit import Sample, draw, load_sam
from samkit.data import folder, sa1b_content, shapes
from samkit.data.shapes.export import to_coco
from samkit.evaluation import format_errors, write_each
from samkit.ops.label_map import label_map
from samkit.sam.mask_refiner import load_mask_refiner
from samkit.stages import Embed, NonMaxSuppression, Proposals, RankByQuality, RedrawMasks, Top

SA1B: dict[str, Any] = {
    "crop_n_layers": 2,
    "crop_n_points_downscale_factor": 2,
    "min_mask_region_area": 100,
    "max_coverage": 0.95,
    "drop_small_masks": True,
}


def main(
    sam: str = "tiny",
    data: str = "shapes",
    points_per_side: int = 32,
    pred_iou_thresh: float | None = None,
    stability_score_thresh: float | None = None,
    paper: bool = False,
    top: int = 1000,
    redraw: str | None = None,
    overlays: bool = True,
    label_maps: bool = False,
    limit: int | None = None,
    out: Path = Path("runs/everything"),
    device: str = "auto",
    dtype: str = "float32",
) -> None:
    """OUT/masks/*.json, OUT/overlays/*.jpg and, if wanted, OUT/label_maps/*.png of a folder's pictures.

    sam: tiny, vit_b, vit_l, vit_h, or a file. data: shapes, a picture, or a folder of them (and of folders).
    pred_iou_thresh, stability_score_thresh: .88 and .95 where not given, but 0 for tiny, whose scores
    are lower; its best 50 masks by both scores stay. top: the most masks of a picture that stay. redraw:
    tiny, or a file of train_mask_refiner.py, which draws these anew (stages.RedrawMasks); it helps tiny.
    label_maps: 16-bit pictures of numbers, a pixel being the smallest mask's. limit: the first N.
    """
    if data == "shapes":
        points_per_side, limit = min(points_per_side, 16), limit or 4
        data = str(to_coco(shapes(limit), out / "shapes").parents[1] / "images")
    elif out.resolve().is_relative_to(Path(data).resolve()):
        raise typer.BadParameter(
            f"--out {out} lies in --data {data}: overlays would be taken for data"
        )
    model = load_sam(sam, device, dtype)
    if sam == "tiny":
        pred_iou_thresh, stability_score_thresh = pred_iou_thresh or 0, stability_score_thresh or 0
        top = min(top, 50)
    find = Embed(model) | Proposals(
        model,
        points_per_side=points_per_side,
        pred_iou_thresh=0.88 if pred_iou_thresh is None else pred_iou_thresh,
        stability_score_thresh=0.95 if stability_score_thresh is None else stability_score_thresh,
        **SA1B if paper else {},
    )
    find = find | RankByQuality() | Top(top)
    if redraw:
        find = find | RedrawMasks(load_mask_refiner(redraw, device)) | NonMaxSuppression()

    def content(sample: Sample) -> str:
        """The JSON; the pictures are written first, so that where it is they are there too."""
        assert sample.masks is not None
        if overlays:
            draw(sample).save(beside(out / "overlays", sample.id, ".jpg"))
        if label_maps:
            masks = sample.masks
            labels = label_map(masks.rle(), masks.frame.original_size)
            Image.fromarray(labels).save(beside(out / "label_maps", sample.id, ".png"))
        return json.dumps(sa1b_content(sample, Path(str(sample.id)).name), allow_nan=False)

    pictures = folder(data, limit=limit)
    errors = write_each(
        pictures,
        find,
        lambda id: out / "masks" / Path(str(id)).with_suffix(".json"),
        content,
        run_file=out / "run.json",
        data=str(Path(data).resolve()),
    )
    print(f"{len(pictures) - len(errors)} of {len(pictures)} pictures are done: {out}/masks")
    if errors:
        print(format_errors(errors))
        raise typer.Exit(1)


def beside(root: Path, id: int | str, suffix: str) -> Path:
    """The place of a picture's file under another root, its folder made."""
    path = root / Path(str(id)).with_suffix(suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


if __name__ == "__main__":
    typer.run(main)
