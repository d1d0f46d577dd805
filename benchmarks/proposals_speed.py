"""How long everything mode takes beside the official generator: one thread, seconds of the processor.

    python benchmarks/proposals_speed.py
    python benchmarks/proposals_speed.py --sam vit_b --iou 0.88 --rounds 1

Wants the extra `official`. One of scikit-image's photographs, enlarged, a grid of 32x32 points, the
same weights and settings; encoding counts. The two take turns, `rounds` times each. Seconds of the
processor leave out what other programs on the machine take from it, which those of a clock do not.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import skimage.data
import torch
import typer
from PIL import Image
from segment_anything import SamAutomaticMaskGenerator

from samkit import Sample, load_sam
from samkit.sam.official import OfficialSam
from samkit.stages import Embed, Proposals


def main(
    sam: str = "tiny",
    height: int = 1200,
    width: int = 1800,
    points_per_side: int = 32,
    iou: float = 0.22,
    stability: float = 0.001,
    rounds: int = 2,
) -> None:
    """Seconds of each, and how many times as long the official generator takes.

    iou, stability: the thresholds; the defaults leave about a hundred of tiny's masks.
    """
    torch.set_num_threads(1)
    small = Image.fromarray(skimage.data.coffee())
    image = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    settings: dict[str, Any] = {
        "points_per_side": points_per_side,
        "pred_iou_thresh": iou,
        "stability_score_thresh": stability,
    }
    model = load_sam(sam, device="cpu")
    pipeline = Embed(model) | Proposals(model, **settings)
    official = SamAutomaticMaskGenerator(
        OfficialSam.twin_of(model).model, output_mode="coco_rle", **settings
    )

    def ours() -> int:
        [sample] = pipeline([Sample(id=1, image=image)])
        assert sample.masks is not None
        return len(sample.masks)

    # What a process does once, such as importing scipy, is not what takes long in a folder of pictures.
    (Embed(model) | Proposals(model, points_per_side=1))([Sample(id=1, image=image)])
    print(f"{model.name}, {height} x {width} pixels, {points_per_side}x{points_per_side} points")
    for _ in range(rounds):
        mine, count = seconds(ours)
        theirs, other = seconds(lambda: len(official.generate(image)))
        print(
            f"samkit {mine:.1f} s, {count} masks; official {theirs:.1f} s, {other} masks: "
            f"{theirs / mine:.1f} times as long",
            flush=True,
        )


def seconds(find: Callable[[], int]) -> tuple[float, int]:
    """Seconds of the processor that it takes, and what it returns."""
    start = time.process_time()
    count = find()
    return time.process_time() - start, count


if __name__ == "__main__":
    typer.run(main)
