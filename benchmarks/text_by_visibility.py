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

SIZES = (0.0, 0.004, 0.015, 1.0)  # of the picture
HIDDEN = (0.0, 0.2, 0.5, 1.0)  # of the object


def main(rows: Path, seed: int = 0, size: int = 256) -> None:
    """rows: of a run on scenes of this seed and of this many pixels a side."""
    header, images = read_rows(rows)
    if f"seed={seed}, size={size}" not in header["data"]:
        raise typer.BadParameter(
            f"{rows} is of {header['data']}; say its --seed and --size, of made-up scenes"
        )
    table = np.array([one for line in images.values() for one in asked(line["row"], seed, size)])
    areas, hidden, hits = table.T
    print(
        "| visible pixels | "
        + " | ".join(f"{words(HIDDEN, i)} hidden" for i in range(3))
        + " | all |"
    )
    print("|---|---|---|---|---|")
    for i in range(3):
        large = (areas > SIZES[i]) & (areas <= SIZES[i + 1])
        shown = [(hidden >= HIDDEN[j]) & (hidden < HIDDEN[j + 1] + (j == 2)) for j in range(3)]
        cells = [share(hits[large & some]) for some in [*shown, hidden >= 0]]
        print(f"| {words(SIZES, i)} of the picture | " + " | ".join(cells) + " |")


def asked(row: dict, seed: int, size: int) -> list[tuple[float, float, bool]]:
    """Of each phrase's object what share of the picture it is, what share is hidden, and whether it was hit."""
    scene = render_scene(seed, row["image_id"], size)
    places = [scene.captions.index(phrase) for phrase in row["phrases"]]
    areas = scene.masks.mean(axis=(1, 2))[places]
    return list(zip(areas, scene.occluded[places], np.array(row["iou"]) > HIT, strict=True))


def words(bounds: tuple[float, ...], place: int) -> str:
    """Such as "0.4 to 1.5 %"."""
    low, high = (f"{100 * bound:g}" for bound in bounds[place : place + 2])
    return (
        f"under {high} %" if place == 0 else f"{low} to {high} %" if place == 1 else f"over {low} %"
    )


def share(hits: np.ndarray) -> str:
    """Such as ".55 (120)"."""
    return f"{hits.mean():.2f} ({len(hits)})".lstrip("0") if len(hits) else "(0)"


if __name__ == "__main__":
    typer.run(main)
