"""Clicks to masks on one dataset: mIoU by number of clicks (paper, sec. 7.1, fig. 9, app. D.1).

    python recipes/point_to_mask.py                                          tiny on made-up scenes
    python recipes/point_to_mask.py --data coco/annotations/instances_val2017.json --sam vit_h
    python recipes/point_to_mask.py --data grabcut --root datasets --clicks 1,2,3,5,9,20
    python recipes/point_to_mask.py --data photos --masks photos/masks --first random
    python recipes/point_to_mask.py --data davis_interactive --root datasets --first box --clicks 1
    python recipes/point_to_mask.py --data coco/ --sam masks_of_another_method.json --clicks 1

An annotator is simulated: the first click is the pixel of the object that lies farthest from its
border, each next one lies where the mask errs most. On the mean of its 23 datasets ViT-H has 58.1
after one click and 81.3 after five (SAM 2's paper, table 15). With 20 clicks NoC@85 and NoC@90 are
told too, beside RITM's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import typer

from samkit import data as readers
from samkit import evaluate, load_sam
from samkit.data import Dataset
from samkit.evaluation import format_summary
from samkit.metrics import ClickIoU
from samkit.metrics.paper import RITM_CLICKS, SA23_POINTS
from samkit.pipeline import Stage
from samkit.sam.family import SamModel
from samkit.sam.grabcut import GrabCut
from samkit.sam.random_walker import RandomWalker
from samkit.stages import Clicks, ClicksFromFile, Embed

READERS: dict[str, Callable[[Path], Dataset]] = {
    "grabcut": readers.grabcut,
    "berkeley_interactive": readers.berkeley_interactive,
    "davis_interactive": readers.davis_interactive,
    "coco_mval": readers.coco_mval,
    "bbbc038v1": readers.bbbc038v1,
}
BASELINES: dict[str, Callable[[], SamModel]] = {"opencv": GrabCut, "random_walker": RandomWalker}


def main(
    sam: str = "tiny",
    data: str = "shapes",
    root: Path = Path("."),
    masks: Path | None = None,
    clicks: str = "1,2,3,5,9",
    first: Literal["center", "random", "box"] = "center",
    feedback: Literal["logits", "none"] = "logits",
    limit: int | None = None,
    out: Path | None = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int = 4,
    seed: int = 0,
) -> None:
    """Mean IoU of a SAM's masks by number of clicks.

    sam: tiny, vit_b, vit_l, vit_h, or a file; opencv (GrabCut: --first box --clicks 1) or
    random_walker (--feedback none), the classical baselines; or a .json of another method's masks, as
    samkit.stages.ClicksFromFile reads it. data: shapes, a COCO JSON or folder, a
    folder of pictures with --masks, or, lying in --root: grabcut, berkeley_interactive,
    davis_interactive, coco_mval, bbbc038v1. clicks: after how many figures are wanted. first: the
    first prompt. feedback: whether the model gets its last logits back. out: default
    runs/point_to_mask/DATA.
    """
    counts = tuple(int(count) for count in clicks.split(","))
    dataset = read(data, root, masks, limit)
    if sam.endswith(".json"):
        pipeline: Stage = ClicksFromFile(sam, counts)
    else:
        model = BASELINES[sam]() if sam in BASELINES else load_sam(sam, device, dtype)
        pipeline = Embed(model) | Clicks(model, counts, feedback, first, seed=seed)
    summary = evaluate(
        dataset,
        pipeline,
        ClickIoU(),
        out=out or Path("runs/point_to_mask") / Path(data).stem,
        batch_size=batch_size,
        paper=RITM_CLICKS.get(data, SA23_POINTS["ViT-H"]),
    )
    print(format_summary(summary))
    if data in RITM_CLICKS:
        print("paper: RITM, HRNet-32 trained on COCO and LVIS, on the whole dataset")
    else:
        print("paper: ViT-H, mean of the 23 datasets (SAM 2's paper, table 15)")


def read(data: str, root: Path, masks: Path | None, limit: int | None) -> Dataset:
    """The dataset that is meant by --data, --root and --masks."""
    if data == "shapes":
        return readers.shapes(limit or 100)
    if data in READERS:
        folder = root / data
        return READERS[data](folder if folder.is_dir() else root).limit(limit)
    if masks is not None:
        return readers.folder(data, masks=masks, limit=limit)
    return readers.coco(data, limit=limit)


if __name__ == "__main__":
    typer.run(main)
