"""Which objects of made-up scenes a run of text_to_mask.py hits, by how large they are and how much of them shows.

    python recipes/text_to_mask.py --route prompt --limit 300
    python benchmarks/text_by_visibility.py runs/text_to_mask/prompt-shapes/rows.jsonl

Prints a table: hits (IoU > .5), and in brackets how many phrases they are of. Size is that of the visible
pixels; hidden is the share that other objects cover.
"""

from pathlib import Path

import numpy as np
import typer

from samkit.data.shapes import render_scene
from samkit.evaluation.rows import read_rows
from samkit.metrics.phrase_iou import HIT

SIZES = 0.004, 0.015  # of the picture
HIDDEN = 0.2, 0.5  # of the object


def main(rows: Path, seed: int = 0, size: int = 256) -> None:
    """rows: of a run on scenes of this seed and of this many pixels a side."""
    header, images = read_rows(rows)
    if f"seed={seed}, size={size}" not in header["data"]:
        raise typer.BadParameter(
            f"{rows} is of {header['data']}; say its --seed and --size, of made-up scenes"
        )
    table = np.array([one for line in images.values() for one in asked(line["row"], seed, size)])
    areas, hidden, hits = table.T
    print("| visible pixels |", *(f"{some} hidden |" for some in words(HIDDEN)), "all |")
    print("|---|---|---|---|---|")
    size_of, hidden_of = np.digitize(areas, SIZES), np.digitize(hidden, HIDDEN)
    for place, some in enumerate(words(SIZES)):
        own = size_of == place
        cells = [share(hits[own & (hidden_of == column)]) for column in range(3)]
        print(f"| {some} of the picture |", *(f"{one} |" for one in [*cells, share(hits[own])]))


def asked(row: dict, seed: int, size: int) -> list[tuple[float, float, bool]]:
    """Of each phrase's object what share of the picture it is, what share is hidden, and whether it was hit."""
    scene = render_scene(seed, row["image_id"], size)
    places = [scene.captions.index(phrase) for phrase in row["phrases"]]
    areas = scene.masks.mean(axis=(1, 2))[places]
    return list(zip(areas, scene.occluded[places], np.array(row["iou"]) > HIT, strict=True))


def words(bounds: tuple[float, float]) -> tuple[str, str, str]:
    """What lies below, between and above: "under 20 %" and so on."""
    low, high = (f"{100 * bound:g}" for bound in bounds)
    return f"under {low} %", f"{low} to {high} %", f"over {high} %"


def share(hits: np.ndarray) -> str:
    """Such as ".55 (120)"."""
    return f"{hits.mean():.2f} ({len(hits)})".lstrip("0") if len(hits) else "(0)"


if __name__ == "__main__":
    typer.run(main)
