"""How alike are the masks of a SAM in another dtype? One-point prompts at random places of photographs.

    python benchmarks/dtype_agreement.py --data coco/
    python benchmarks/dtype_agreement.py --data coco/ --sam vit_b --device cuda
    python benchmarks/dtype_agreement.py --data coco/ --sam vit_b --random --dtypes mixed --pictures 1

data: a COCO JSON or folder. IoU is that of a mask at the picture's own size with its twin in float32,
over all three masks of a prompt; empty twins are equal.
"""

import copy
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from speed_peers import make_sam

from samkit import Masks, Prompts, load_sam
from samkit.data import coco
from samkit.ops.masks import pair_iou
from samkit.sam.checkpoints import DTYPES, cast


def main(
    data: Annotated[Path, typer.Option()],
    sam: str = "tiny",
    pictures: int = 20,
    prompts: int = 10,
    device: str = "cpu",
    dtypes: str = "mixed bfloat16 float16",
    random: bool = False,
) -> None:
    """prompts: on each of the first so many pictures. random: weights; logits alone then tell anything."""
    exactly = make_sam(sam, device) if random else load_sam(sam, device)
    models = {"float32": exactly}
    models |= {dtype: cast(copy.deepcopy(exactly), *DTYPES[dtype]) for dtype in dtypes.split()}
    found: dict[str, list[float]] = {dtype: [] for dtype in models}
    furthest = dict.fromkeys(models, 0.0)
    rng = np.random.default_rng(0)
    for sample in coco(data).limit(pictures):
        height, width = sample.image.shape[:2]
        asked = Prompts.from_points(rng.uniform(0, (width, height), (prompts, 2)))
        answers = {
            dtype: model.decode(model.encode([sample.image]), [asked])[0]
            for dtype, model in models.items()
        }
        exact = answers["float32"]
        for dtype, masks in answers.items():
            found[dtype] += ious(exact, masks)
            furthest[dtype] = max(furthest[dtype], apart(exact, masks))
    print(f"{models['float32'].name}, {pictures} pictures, {pictures * prompts} prompts")
    for dtype, values in found.items():
        print(
            f"{dtype:9} mean IoU {np.mean(values):.4f}, least {min(values):.3f}, "
            f"logits off by at most {furthest[dtype]:.4f} of their range"
        )


def ious(exact: Masks, masks: Masks) -> list[float]:
    def alike(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
        return pair_iou(a, b) if a.any() or b.any() else 1.0

    return [alike(a, b) for a, b in zip(exact.binary(), masks.binary(), strict=True)]


def apart(exact: Masks, masks: Masks) -> float:
    assert exact.logits is not None and masks.logits is not None
    spread = exact.logits.max() - exact.logits.min()
    return float((exact.logits - masks.logits.float()).abs().max() / spread)


if __name__ == "__main__":
    typer.run(main)
