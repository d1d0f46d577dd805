"""How the random walker's settings were chosen: mean IoU from centre clicks on photographs.

    python benchmarks/classical_baselines.py TRAIN/animals TRAIN/coco_train_mini ...

Each folder is one of packed photographs (`samkit.data.packed`); their validation tenth is used, up to
three objects of a picture, never what the baselines are then reported on. Prints the mean IoU for every
setting; the best of them are the defaults of `samkit.sam.random_walker.RandomWalker`: beta 1000, radius
1, threshold .3 with .376 on 300 objects of the six folders that tiny was trained on (beta 500: .370,
2000: .369; radius 0 and 2 with beta 500: .358 and .356). OpenCV's GrabCut has the five iterations and
nothing else to choose. `benchmarks/tiny_card.py` reports both.
"""

import itertools
from pathlib import Path

import numpy as np
import typer
from tqdm import tqdm

from samkit import Prompts, Sample
from samkit.data.packed import packed
from samkit.ops.masks import pair_iou
from samkit.ops.points import center_point
from samkit.sam.random_walker import RandomWalker

THRESHOLDS = (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05)
OBJECTS_PER_PICTURE = 3


def main(
    folders: list[Path],
    beta: str = "130,500,1000,2000,8000",
    radius: str = "0,1,2,3",
    side: str = "128",
    objects: int = 300,
) -> None:
    """Scores every combination of the comma-separated settings with each threshold."""
    chosen = draw_objects(folders, objects)
    scores = []
    settings = itertools.product(*(map(float, text.split(",")) for text in (beta, radius, side)))
    for b, r, s in settings:
        walker = RandomWalker(b, int(s), r, threshold=0.0)
        found = [iou_by_threshold(walker, *one) for one in tqdm(chosen, leave=False)]
        for threshold, iou in zip(THRESHOLDS, np.mean(found, axis=0), strict=True):
            scores.append(
                (float(iou), f"beta {b:g}, radius {r:g}, side {s:g}, threshold {threshold}")
            )
        print(*scores[-len(THRESHOLDS) :], sep="\n", flush=True)
    print(f"best of {len(scores)} on {len(chosen)} objects:", *sorted(scores)[:-6:-1], sep="\n")


def draw_objects(folders: list[Path], count: int) -> list[tuple[Sample, int]]:
    """Samples and the number of an object in them, drawn with a fixed seed."""
    rng = np.random.default_rng(0)
    pairs = []
    for folder in folders:
        for sample in packed(folder, split="validation"):
            numbers = rng.permutation(len(sample.annotations or ()))[:OBJECTS_PER_PICTURE]
            pairs += [(sample, int(number)) for number in numbers]
    return [pairs[i] for i in rng.permutation(len(pairs))[:count]]


def iou_by_threshold(walker: RandomWalker, sample: Sample, number: int) -> list[float]:
    """One walk tells the masks of all thresholds."""
    assert sample.annotations is not None
    truth = sample.annotations.binary()[number]
    [embedding] = walker.encode([sample.image])
    [masks] = walker.decode([embedding], [Prompts.from_points([center_point(truth)])])
    [probability] = next(masks.full_logits()).numpy()
    return [pair_iou(probability > threshold, truth) for threshold in THRESHOLDS]


if __name__ == "__main__":
    typer.run(main)
