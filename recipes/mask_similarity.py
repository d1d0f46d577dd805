"""What SAM's image encoder finds alike: the paper's latent-space probe (app. D.6, fig. 17).

    python recipes/mask_similarity.py                                  tiny on made-up scenes
    python recipes/mask_similarity.py --data photos --sam vit_h --low .6 --high .8

A mask's embedding is that of the crop around it and of its mirror image, multiplied by the mask and
averaged. figure.png shows for a query mask (left) its neighbours above a low and a high threshold. On
made-up scenes, where class and texture are known, all objects of all scenes are ranked by their
likeness to each: average precision, beside that of a random order. The paper has pictures only.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import typer
from numpy.typing import NDArray
from PIL import Image

from samkit import Masks, Sample, draw, load_sam
from samkit.data import folder, shapes
from samkit.data.shapes.phrases import attributes
from samkit.metrics.bootstrap import bootstrap_means, interval
from samkit.stages import Embed, Filter, MaskSimilarity, Proposals, RankByQuality, Top
from samkit.stages.proposals_settings import KEEP_ALL
from samkit.stages.similarity import mask_embeddings
from samkit.types import Frame

LEAST_PIXELS = 150  # of an object of a made-up scene: a smaller one shows no texture


def main(
    sam: str = "tiny",
    data: str = "shapes",
    scenes: int = 30,
    pictures: int = 4,
    low: float = 0.9,
    high: float = 0.97,
    context: float = 1.5,
    out: Path = Path("runs/mask_similarity"),
    device: str = "auto",
    dtype: str = "float32",
) -> None:
    """OUT/figure.png and, on shapes, OUT/summary.json.

    data: shapes, or a folder of pictures, whose masks are then those of everything mode. scenes: for
    the average precision. pictures: rows of the figure. low, high: thresholds of similarity.
    """
    out.mkdir(parents=True, exist_ok=True)
    model = load_sam(sam, device, dtype)
    if data == "shapes":
        samples = [true_masks(sample) for sample in shapes(max(scenes, pictures))]
        found = average_precision(model, samples[:scenes], context)
        (out / "summary.json").write_text(json.dumps(found, indent=2) + "\n")
        for name, numbers in found.items():
            print(f"{name:<18}", "  ".join(f"{k} {v:.3f}" for k, v in numbers.items()))
    else:
        find = (
            Embed(model)
            | Proposals(model, **(KEEP_ALL if sam == "tiny" else {}))
            | RankByQuality()
            | Top(50)
        )
        samples = list(find(list(folder(data, limit=pictures))))
    rows = [row(model, sample, low, high, context) for sample in samples[:pictures]]
    whole = Image.new("RGB", (rows[0].width, sum(one.height for one in rows)), "white")
    for number, one in enumerate(rows):
        whole.paste(one, (0, sum(before.height for before in rows[:number])))
    whole.save(out / "figure.png")
    print(f"figure in {out / 'figure.png'}")


def true_masks(sample: Sample) -> Sample:
    """The objects that are large enough as masks, the largest first."""
    truth = sample.annotations
    order = [i for i in np.argsort(-truth.areas) if truth.areas[i] >= LEAST_PIXELS]
    run_lengths = tuple(truth.run_lengths[i] for i in order)
    frame = Frame(truth.size, truth.size, max(truth.size))
    phrases = [truth.captions[i] for i in order]
    return Sample(sample.id, sample.image, phrases=phrases).replace(
        masks=Masks(frame, run_lengths=run_lengths)
    )


def average_precision(sam, samples: list[Sample], context: float) -> dict[str, dict[str, float]]:
    """For three kinds of likeness the mean average precision over queries, and by chance.

    An object's own scene is left out of its ranking: there a part would find its whole.
    """
    embeddings, captions, scene = [], [], []
    for number, sample in enumerate(samples):
        embeddings.append(mask_embeddings(sam, sample.image, sample.masks, context))
        captions += sample.phrases
        scene += [number] * len(sample.phrases)
    vectors = F.normalize(torch.cat(embeddings), dim=1)
    table = (vectors @ vectors.T).numpy()
    said, scenes = [attributes(caption) for caption in captions], np.array(scene)
    rng = np.random.default_rng(0)
    kinds = {
        "class": lambda a: a.name,
        "texture": lambda a: a.texture or "plain",
        "class and texture": lambda a: (a.name, a.texture or "plain"),
    }
    found = {}
    for kind, of in kinds.items():
        _, labels = np.unique([str(of(a)) for a in said], return_inverse=True)
        values, chance = [], []
        for query in range(len(said)):
            others = scenes != scenes[query]
            alike = labels[others] == labels[query]
            if alike.any():
                values.append(precision(table[query, others], alike))
                chance.append(precision(rng.random(others.sum()), alike))
        found[kind] = {"queries": len(values)}
        if not values:
            continue
        ends = interval(bootstrap_means(np.array(values)[:, None], np.ones(len(values))))
        found[kind] |= {"AP": float(np.mean(values)), "AP_low": float(ends[0, 0])}
        found[kind] |= {"AP_high": float(ends[1, 0]), "chance": float(np.mean(chance))}
    return found


def precision(scores: NDArray[np.floating], alike: NDArray[np.bool_]) -> float:
    """Average precision of a ranking: mean over the right ones of the share of right ones until there."""
    ranked = alike[np.argsort(-scores, kind="stable")]
    hits = ranked.cumsum()
    return float((hits[ranked] / (np.flatnonzero(ranked) + 1)).mean())


def row(sam, sample: Sample, low: float, high: float, context: float) -> Image.Image:
    """The query, and its neighbours above both thresholds, with their similarities."""
    [scored] = MaskSimilarity(sam, 0, context=context)([sample.replace(phrases=None)])
    query = scored.replace(masks=scored.masks[:1])
    cells = [query, *(Filter(min_score=t)([scored])[0] for t in (low, high))]
    drawn = [draw(cell, labels=None) for cell in cells]
    gap = 8
    whole = Image.new(
        "RGB", (sum(d.width + gap for d in drawn) - gap, drawn[0].height + gap), "white"
    )
    for number, picture in enumerate(drawn):
        whole.paste(picture, (number * (picture.width + gap), 0))
    return whole


if __name__ == "__main__":
    typer.run(main)
