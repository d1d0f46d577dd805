"""Peak memory of everything mode on a large photograph, beside the official generator.

    python benchmarks/proposals_memory.py
    python benchmarks/proposals_memory.py --sam vit_b --height 1200 --width 1800

Wants the extra `official`. Each figure is the most memory that a process of its own ever held,
interpreter, torch and weights included. The picture is one of scikit-image's, enlarged; the filters
are off unless --iou is given. The official generator gets an 8x8 grid, which is little: at
64x64 it takes half an hour.
"""

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
import typer

# A process inherits the peak of the one that started it, so each is started by a small one.
LAUNCHER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def main(
    sam: str = "tiny",
    height: int = 3000,
    width: int = 4000,
    iou: float = 0.0,
    cases: str = "samkit-16 samkit-64 official-8",
    one: str = "",
) -> None:
    """Peaks of grids of 16 and 64 points a side here, and of 8 with the official package."""
    if one:
        package, side = one.split("-")
        print(json.dumps(run(package, int(side), sam, height, width, iou)))
        return
    print(f"{sam}, {height} x {width} pixels, predicted IoU above {iou}")
    peaks = {}
    for case in cases.split():
        options = f"--sam {sam} --height {height} --width {width} --iou {iou} --one {case}"
        command = [sys.executable, "-c", LAUNCHER, sys.executable, __file__, *options.split()]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        told, peak = done.stdout.strip().splitlines()[-2:]
        peaks[case] = int(peak) * (1 if sys.platform == "darwin" else 1024) / 2**20
        figures = json.loads(told)
        print(
            f"{case:12}{peaks[case]:8.0f} MB {figures['masks']:6} masks {figures['seconds']:6.0f} s",
            flush=True,
        )
    for case, other in (("samkit-64", "samkit-16"), ("samkit-64", "official-8")):
        if case in peaks and other in peaks:
            print(f"{case} over {other}: {peaks[case] / peaks[other]:.3f}")


def run(package: str, side: int, sam: str, height: int, width: int, iou: float) -> dict[str, Any]:
    """Everything mode once, in this process."""
    import skimage.data
    from PIL import Image

    from samkit import Sample, load_sam
    from samkit.sam.official import OfficialSam
    from samkit.stages import Embed, Proposals

    small = Image.fromarray(skimage.data.coffee())
    image = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    model = load_sam(sam, device="cpu")
    settings: dict[str, Any] = {
        "points_per_side": side,
        "pred_iou_thresh": iou,
        "stability_score_thresh": 0.0,
    }
    start = time.perf_counter()
    if package == "samkit":
        find = Embed(model) | Proposals(model, **settings)
        [sample] = find.stream([Sample(id=1, image=image)])
        assert sample.masks is not None
        count = len(sample.masks)
    else:
        from segment_anything import SamAutomaticMaskGenerator

        twin = OfficialSam.twin_of(model)
        generator = SamAutomaticMaskGenerator(twin.model, output_mode="coco_rle", **settings)
        count = len(generator.generate(image))
    return {"masks": count, "seconds": time.perf_counter() - start}


if __name__ == "__main__":
    typer.run(main)
