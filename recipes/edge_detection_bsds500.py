"""Zero-shot edge detection on BSDS500 (paper, sec. 7.2, app. D.2, table 3).

    python recipes/edge_detection_bsds500.py                                tiny on made-up scenes
    python recipes/edge_detection_bsds500.py --data BSR --sam vit_h --workers 8
    python recipes/edge_detection_bsds500.py --data BSR --maps their/edges  anybody's edge maps

The paper asks ViT-H with a 16x16 grid of points, three masks each, keeps all that are no duplicates,
and takes the outlines of their probabilities: ODS .768, OIS .786, AP .794, R50 .928. On the made-up
scenes the true boundaries are the objects' outlines.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from samkit import Sample, evaluate, load_sam
from samkit.data import Dataset, bsds500, shapes
from samkit.data.edge_maps import find_edge_map, read_edge_map, write_edge_map
from samkit.evaluation import format_summary
from samkit.evaluation.rows import read_rows
from samkit.metrics import BoundaryF
from samkit.metrics.boundary_plot import plot_curves
from samkit.metrics.paper import BSDS500_EDGES
from samkit.ops.edges import region_boundaries
from samkit.pipeline import Pipeline, Stage
from samkit.stages import EdgesFromFiles, find_edges


def main(
    sam: str = "tiny",
    data: str = "shapes",
    split: str = "test",
    maps: Path | None = None,
    limit: int | None = None,
    out: Path = Path("runs/edge_detection_bsds500"),
    device: str = "auto",
    dtype: str = "float32",
    workers: int = 1,
    zoom: float | None = None,
    guided: float | None = None,
    save_images: int = 6,
) -> None:
    """ODS, OIS, AP and R50 of a SAM's edges, or of edge maps in a folder.

    sam: tiny, vit_b, vit_l, vit_h, or a file. data: shapes, or the folder of BSDS500.
    maps: a folder with IMAGE_ID.png for every picture, evaluated in a SAM's place.
    workers: processes for the evaluation. zoom, guided: see stages.find_edges; the paper has neither, 1.5
    and .02 suit tiny. save_images: pictures in the sheet.
    Beside rows.jsonl and summary.json `out` gets maps/, curve.png and sheet.png.
    """
    dataset = shapes(limit or 10) if data == "shapes" else bsds500(data, split).limit(limit)
    truth = OutlinesAsBoundaries() if data == "shapes" else Pipeline()
    metric = BoundaryF(eight_bit=True, workers=workers)
    folder = maps or out / "maps"
    folder.mkdir(parents=True, exist_ok=True)
    if maps:
        edges: Stage = EdgesFromFiles(maps)
    else:
        edges = find_edges(load_sam(sam, device, dtype), zoom=zoom, guided=guided)
    summary = evaluate(
        dataset,
        truth | edges,
        metric,
        out=out,
        paper=BSDS500_EDGES["SAM"],
        on_sample=None if maps else lambda done: save_map(done, folder),
    )
    print(format_summary(summary))
    print("\npaper, table 3: ViT-H on BSDS500's 200 test pictures, beside others")
    for method, numbers in BSDS500_EDGES.items():
        print(f"  {method:<10}", "  ".join(f"{name} {n:.3f}" for name, n in numbers.items()))
    _, rows = read_rows(out / "rows.jsonl")
    curve = metric.curve([row["row"] for row in rows.values() if "row" in row])
    plot_curves({str(maps or sam): curve}, out / "curve.png", dataset.name)
    sheet(dataset.limit(save_images), truth, folder).save(out / "sheet.png")
    print(f"edge maps in {folder}, plots in {out / 'curve.png'} and {out / 'sheet.png'}")


@dataclass(frozen=True, repr=False)
class OutlinesAsBoundaries(Stage):
    """The outlines of the true objects as the boundaries of one annotator."""

    reads = ("annotations",)
    writes = ("annotations",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [self._of(sample) for sample in samples]

    def _of(self, sample: Sample) -> Sample:
        truth = sample.annotations
        assert truth is not None, "the pipeline checks what a stage reads"
        boundaries = region_boundaries(truth.binary())[None]
        return sample.replace(annotations=replace(truth, boundaries=boundaries))


def save_map(sample: Sample, folder: Path) -> None:
    """The finished sample's edges, named and stored as the official benchmark code reads them."""
    assert sample.edges is not None
    write_edge_map(sample.edges, folder / f"{sample.id}.png")


def sheet(dataset: Dataset, truth: Stage, folder: Path, height: int = 240) -> Image.Image:
    """Rows of picture, what people drew (darker where more did), and edges."""
    rows = []
    for sample in truth(list(dataset)):
        assert sample.annotations is not None and sample.annotations.boundaries is not None
        drawn = sample.annotations.boundaries.mean(axis=0)
        edges = read_edge_map(find_edge_map(folder, sample.id))
        row = np.concatenate([sample.image, ink(drawn), ink(edges)], axis=1)
        picture = Image.fromarray(row)
        rows.append(picture.resize((round(picture.width * height / picture.height), height)))
    whole = Image.new("RGB", (max(row.width for row in rows), height * len(rows)), "white")
    for number, row in enumerate(rows):
        whole.paste(row, (0, number * height))
    return whole


def ink(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(H, W) values from 0 to 1 as (H, W, 3) dark on white."""
    return np.repeat(np.rint(255 * (1 - values)).astype(np.uint8)[..., None], 3, axis=2)


if __name__ == "__main__":
    typer.run(main)
