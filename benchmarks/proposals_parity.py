"""Everything mode beside the official generator with the same weights: are they the same masks?

    python benchmarks/proposals_parity.py                         photographs inside scikit-image
    python benchmarks/proposals_parity.py --folder DIR --limit 8   and those of a folder

Wants the extra `official`. For each photograph and setting one line: how many masks each side found,
the largest share of differing pixels of a mask, the largest differences of predicted IoU, stability,
boxes, points and crop boxes, how many run lengths are equal to the letter, and the largest difference
of stability times the mask's area: about 1 where a single pixel lies within rounding of a cut.
Thresholds are chosen per photograph and setting for the number of masks alone: those that a share
of the masks pass.
"""

from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import typer
from numpy.typing import NDArray
from segment_anything import SamAutomaticMaskGenerator

from samkit import Masks, Prompts, Sample, load_sam
from samkit.ops import rle
from samkit.ops.images import SUFFIXES, read_image
from samkit.ops.points import point_grid
from samkit.sam.official import OfficialSam
from samkit.stages import Embed, Proposals

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
SETTINGS: dict[str, dict[str, Any]] = {
    "16 points a side": {"points_per_side": 16},
    "2 crop layers, min region 100": {
        "points_per_side": 16,
        "crop_n_layers": 2,
        "crop_n_points_downscale_factor": 2,
        "min_mask_region_area": 100,
    },
}


def main(
    sam: str = "tiny", folder: Path | None = None, limit: int = 8, passing: float = 0.9
) -> None:
    """Parity of everything mode, float32 on the CPU; `passing` is the share that passes each filter."""
    ours = load_sam(sam, device="cpu")
    theirs = OfficialSam.twin_of(ours)
    pictures = {name: getattr(skimage.data, name)() for name in PHOTOGRAPHS}
    if folder is not None:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        pictures |= {path.name: read_image(path) for path in files[:limit]}
    print(f"{ours.name} beside segment-anything-py, {len(pictures)} photographs", flush=True)
    for setting, given in SETTINGS.items():
        print(f"{setting}\n{'':18}{'masks':>7}{'theirs':>7}{'pixels':>9}{'IoU':>9}", end="")
        print(f"{'stability':>10}{'boxes':>7}{'points':>8}{'crops':>6}{'equal':>7}{'st. px':>8}")
        for name, picture in pictures.items():
            settings = {**given, **thresholds(ours, picture, passing)}
            [sample] = (Embed(ours) | Proposals(ours, **settings))([Sample(id=name, image=picture)])
            assert sample.masks is not None
            generator = SamAutomaticMaskGenerator(theirs.model, output_mode="coco_rle", **settings)
            records = generator.generate(picture)
            print(f"{name:18}{compare(sample.masks, records)}", flush=True)


def thresholds(sam: Any, picture: NDArray[np.uint8], passing: float) -> dict[str, float]:
    """Thresholds that about this share of the masks of an 8x8 grid passes, one after the other."""
    [embedding] = sam.encode([picture])
    points = Prompts.from_points(point_grid(8, picture.shape[:2]))
    [masks] = sam.decode([embedding], [points])
    iou = float(np.quantile(masks.predicted_iou, 1 - passing))
    good = masks[masks.predicted_iou > iou]
    stability = float(np.nanquantile(good.stability_score, 1 - passing))
    # Neither may be 0: that would switch the filter off, and the official code keeps empty masks then.
    return {"pred_iou_thresh": max(iou, 1e-3), "stability_score_thresh": max(stability, 1e-3)}


def compare(masks: Masks, records: list[dict[str, Any]]) -> str:
    """The figures of one line."""
    counts = f"{len(masks):7}{len(records):7}"
    if len(masks) != len(records) or not records:
        return counts

    def theirs(name: str) -> NDArray[Any]:
        return np.array([record[name] for record in records])

    assert masks.points is not None and masks.crop_boxes is not None
    run_lengths = [record["segmentation"] for record in records]
    pixels = max(
        float((rle.decode([a]) != rle.decode([b])).mean())
        for a, b in zip(masks.rle(), run_lengths, strict=True)
    )
    apart = [
        np.abs(masks.predicted_iou - theirs("predicted_iou")).max(),
        np.abs(masks.stability_score - theirs("stability_score")).max(),
        np.abs(as_xywh(masks.boxes()) - theirs("bbox")).max(),
        np.abs(masks.points - theirs("point_coords")[:, 0]).max(),
        np.abs(as_xywh(masks.crop_boxes) - theirs("crop_box")).max(),
    ]
    equal = sum(a == b for a, b in zip(masks.rle(), run_lengths, strict=True))
    in_pixels = (np.abs(masks.stability_score - theirs("stability_score")) * masks.areas()).max()
    figures = "{:9.1e}{:10.1e}{:7.0f}{:8.0e}{:6.0f}".format(*apart)
    return f"{counts}{pixels:9.1e}{figures}{equal:7}{in_pixels:8.2f}"


def as_xywh(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The official record's boxes: width is last - first."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


if __name__ == "__main__":
    typer.run(main)
