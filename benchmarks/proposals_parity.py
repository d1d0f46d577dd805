"""Everything mode beside the official generator with the same weights: are they the same masks?

    python benchmarks/proposals_parity.py                         photographs inside scikit-image
    python benchmarks/proposals_parity.py --folder DIR --limit 8   and those of a folder
    python benchmarks/proposals_parity.py --decoder official

Wants the extra `official`. For each photograph and setting one line: how many masks each side found,
the largest share of differing pixels of a mask, the largest differences of predicted IoU, stability,
boxes, points and crop boxes, and how many run lengths are equal to the letter. Thresholds are chosen
per photograph and setting for the number of masks alone: those that a share of the masks pass, and a
smaller share until at most 300 are left.

Each mask whose stability differs by over 1e-4 gets a line of its own, see proposals_trace.py: the pixels
that did it, how near the official logits are to the cut there, and how far apart the two decoders'
logits are. With `--decoder official` our stage stands on the official decoder, in the same batches:
what differs then is the stage's own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import skimage.data
import typer
from numpy.typing import NDArray
from proposals_trace import Batches, trace
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
    "32 points a side, the default": {"points_per_side": 32},
}
BOUND, MOST_MASKS = 1e-4, 300


def main(
    sam: str = "tiny",
    folder: Path | None = None,
    limit: int = 8,
    passing: float = 0.9,
    decoder: Literal["samkit", "official"] = "samkit",
) -> None:
    """Parity of everything mode, float32 on the CPU; `passing` is the share that passes each filter."""
    ours = load_sam(sam, device="cpu")
    official = Batches(OfficialSam.twin_of(ours))
    model = official if decoder == "official" else ours
    pictures = {name: getattr(skimage.data, name)() for name in PHOTOGRAPHS}
    if folder is not None:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        pictures |= {path.name: read_image(path) for path in files[:limit]}
    print(f"{model.name} beside segment-anything-py, {len(pictures)} photographs", flush=True)
    for setting, given in SETTINGS.items():
        print(f"{setting}\n{'':18}{'masks':>7}{'theirs':>7}{'pixels':>9}{'IoU':>9}", end="")
        print(f"{'stability':>10}{'boxes':>7}{'points':>8}{'crops':>6}{'equal':>7}")
        for name, picture in pictures.items():
            masks, settings = propose(model, picture, given, passing)
            generator = SamAutomaticMaskGenerator(
                official.sam.model, output_mode="coco_rle", **settings
            )
            records = generator.generate(picture)
            masks, ties = in_their_order(masks, records)
            print("\n".join([f"{name:18}{compare(masks, records)}", *ties]), flush=True)
            if len(masks) == len(records):
                apart = np.abs(masks.stability_score - values(records, "stability_score"))
                for row in np.flatnonzero(apart > BOUND):
                    traced = trace(model, official, picture, settings, masks[[row]])
                    print(f"    mask {row}, stability apart by {apart[row]:.1e}: {traced}")


def propose(
    sam: Any, picture: NDArray[np.uint8], given: dict[str, Any], passing: float
) -> tuple[Masks, dict[str, Any]]:
    """Our masks, and the settings with thresholds that at most 300 of them pass."""
    while True:
        settings = {**given, **thresholds(sam, picture, passing)}
        [sample] = (Embed(sam) | Proposals(sam, **settings))([Sample(id=1, image=picture)])
        assert sample.masks is not None
        if len(sample.masks) <= MOST_MASKS:
            return sample.masks, settings
        passing *= 0.75


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


def in_their_order(masks: Masks, records: list[dict[str, Any]]) -> tuple[Masks, list[str]]:
    """Our masks with neighbours changed where theirs stand the other way round, and how near a tie that was.

    Masks are sorted by predicted IoU, which the two decoders round each in its way.
    """
    order, told = np.arange(len(masks)), []
    if len(masks) == len(records):
        ours, theirs = as_xywh(masks.boxes()), values(records, "bbox").reshape(-1, 4)
        for i in range(len(masks) - 1):
            a, b = order[i : i + 2]
            if (ours[a] != theirs[i]).any() and (ours[b] == theirs[i]).all():
                order[i : i + 2] = b, a
                near = abs(float(masks.predicted_iou[a] - masks.predicted_iou[b]))
                told.append(
                    f"    masks {i} and {i + 1} changed places: predicted IoU {near:.1e} apart"
                )
    return masks[order], told


def values(records: Sequence[dict[str, Any]], name: str) -> NDArray[Any]:
    return np.array([record[name] for record in records])


def compare(masks: Masks, records: list[dict[str, Any]]) -> str:
    """The figures of one line."""
    counts = f"{len(masks):7}{len(records):7}"
    if len(masks) != len(records) or not records:
        return counts
    assert masks.points is not None and masks.crop_boxes is not None
    pairs = [(a, b["segmentation"]) for a, b in zip(masks.rle(), records, strict=True)]
    pixels = max(float((rle.decode([a]) != rle.decode([b])).mean()) for a, b in pairs)
    apart = [
        np.abs(masks.predicted_iou - values(records, "predicted_iou")).max(),
        np.abs(masks.stability_score - values(records, "stability_score")).max(),
        np.abs(as_xywh(masks.boxes()) - values(records, "bbox")).max(),
        np.abs(masks.points - values(records, "point_coords")[:, 0]).max(),
        np.abs(as_xywh(masks.crop_boxes) - values(records, "crop_box")).max(),
    ]
    figures = "{:9.1e}{:10.1e}{:7.0f}{:8.0e}{:6.0f}".format(*apart)
    return f"{counts}{pixels:9.1e}{figures}{sum(a == b for a, b in pairs):7}"


def as_xywh(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The official record's boxes: width is last - first."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


if __name__ == "__main__":
    typer.run(main)
