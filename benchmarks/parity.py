"""samkit beside the official package with the same weights: the largest differences, by kind of prompt.

    python benchmarks/parity.py                        the shipped model
    python benchmarks/parity.py --sam sam_vit_b

Wants the extra `official`. Photographs are those inside scikit-image. For embeddings, logits and
predicted IoU the figure is the largest difference as a share of the largest magnitude; for masks,
the share of pixels that differ.
"""

import numpy as np
import skimage.data
import torch
import typer

from samkit import Masks, Prompts, load_sam
from samkit.sam.official import OfficialSam

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")


def main(sam: str = "tiny") -> None:
    """Parity of a SAM's answers with the official package, float32 on the CPU."""
    ours = load_sam(sam, device="cpu")
    theirs = OfficialSam.twin_of(ours)
    print(f"{ours.name} beside segment-anything-py, on {', '.join(PHOTOGRAPHS)}")
    print(f"{'':24}{'logits':>10}{'IoU':>10}{'pixels':>10}")
    worst: dict[str, list[float]] = {}
    embeddings = []
    for name in PHOTOGRAPHS:
        image = getattr(skimage.data, name)()
        [mine], [official] = ours.encode([image]), theirs.encode([image])
        embeddings.append(apart(mine["image_embedding"], official["image_embedding"]))
        [first] = ours.decode([mine], [Prompts.from_points([[image.shape[1] / 2, 99]])])
        for kind, prompts in kinds(*image.shape[:2], first).items():
            pairs = [
                (
                    ours.decode([mine], [prompts], three)[0],
                    theirs.decode([official], [prompts], three)[0],
                )
                for three in (True, False)
            ]
            worst[kind] = list(map(max, worst.get(kind, [0.0] * 3), differences(pairs)))
    for kind, figures in worst.items():
        print(f"{kind:24}" + "".join(f"{figure:10.1e}" for figure in figures))
    print(f"image embeddings {max(embeddings):.1e}")


def kinds(height: int, width: int, earlier: Masks) -> dict[str, Prompts]:
    """Each kind of prompt, and the feedback of an earlier answer's logits."""
    xy = np.random.default_rng(0).uniform(0, (width, height), (5, 2))
    box = [0.2 * width, 0.1 * height, 0.7 * width, 0.8 * height]
    assert earlier.logits is not None
    mask = earlier.logits[0]
    return {
        "one point": Prompts.from_points(xy[:1]),
        "five points, mixed": Prompts(points=[xy], labels=[[1, 0, 1, 1, 0]]),
        "box": Prompts.from_boxes([box]),
        "box and point": Prompts(points=[xy[:1]], labels=[[0]], boxes=[box]),
        "mask and point": Prompts(points=[xy[:1]], labels=[[1]], masks=[mask]),
        "mask and box": Prompts(boxes=[box], masks=[mask]),
        "64 points": Prompts.from_points(np.random.default_rng(1).uniform(0, height, (64, 2))),
    }


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def differences(pairs: list[tuple[Masks, Masks]]) -> tuple[float, float, float]:
    """Of logits, predicted IoU and pixels, over the calls with three masks and with one."""
    logits = [
        torch.cat([m.logits for m in side if m.logits is not None])
        for side in zip(*pairs, strict=True)
    ]
    iou = [
        torch.from_numpy(np.concatenate([m.predicted_iou for m in side]))
        for side in zip(*pairs, strict=True)
    ]
    pixels = max(float((ours.binary() != theirs.binary()).mean()) for ours, theirs in pairs)
    return apart(*logits), apart(*iou), pixels


if __name__ == "__main__":
    typer.run(main)
