"""A SAM's edges beside scikit-image's Sobel and Canny on BSDS500, under the same evaluator.

    python benchmarks/classical_edges.py --data BSR --sam tiny

Sobel and Canny get the threshold that is best on the very pictures they are scored on, which favours
them; a SAM's line is ODS too, so it has the same favour. Nothing else is chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from skimage.color import rgb2gray
from skimage.feature import canny
from skimage.filters import sobel

from samkit import Sample, evaluate, load_sam
from samkit.data import bsds500
from samkit.evaluation.rows import read_rows
from samkit.metrics import BoundaryF
from samkit.metrics.boundary_plot import plot_curves
from samkit.metrics.paper import BSDS500_EDGES
from samkit.pipeline import Stage
from samkit.stages import find_edges

# Chosen for tiny on photographs kept from its training.
GUIDED, ZOOM, GUIDED_ZOOMED = 0.03, 1.5, 0.02
COLUMNS = ("ODS", "OIS", "AP", "R50")


def main(
    data: Annotated[Path, typer.Option()],
    sam: str = "tiny",
    split: str = "test",
    limit: int | None = None,
    out: Path = Path("runs/classical_edges"),
    device: str = "auto",
    workers: int = 1,
) -> None:
    """ODS, OIS, AP and R50 of a SAM, of Sobel and of Canny on the same pictures.

    data: the folder of BSDS500. workers: processes for the evaluation.
    """
    model = load_sam(sam, device)
    methods: dict[str, Stage] = {
        "Sobel": Classical("sobel"),
        "Canny, sigma 1": Classical("canny", sigma=1.0),
        "Canny, sigma 2": Classical("canny", sigma=2.0),
        sam: find_edges(model),
        f"{sam}, guided": find_edges(model, guided=GUIDED),
        f"{sam}, zoomed": find_edges(model, zoom=ZOOM, guided=GUIDED_ZOOMED),
    }
    metric = BoundaryF(eight_bit=True, workers=workers)
    dataset = bsds500(data, split).limit(limit)
    lines, curves = [], {}
    for name, stage in methods.items():
        folder = out / name.replace(", sigma ", "_").replace(", ", "_").replace("/", "_")
        summary = evaluate(dataset, stage, metric, out=folder)
        _, rows = read_rows(folder / "rows.jsonl")
        curves[name] = metric.curve([row["row"] for row in rows.values() if "row" in row])
        lines.append(f"{name:<16}{table_row(summary['metrics'])}")
    print(
        f"{dataset.name}, {len(dataset)} pictures\n{'':<16}{'  '.join(f'{c:>5}' for c in COLUMNS)}"
    )
    print("\n".join(lines))
    for name in ("Sobel", "Canny", "SAM"):
        print(f"{f'paper, {name}':<16}{table_row(BSDS500_EDGES[name])}  (200 test pictures)")
    plot_curves(curves, out / "curves.png", dataset.name)


@dataclass(frozen=True, repr=False)
class Classical(Stage):
    """Edges of scikit-image's filters on the grey picture, with its defaults but for sigma."""

    method: Literal["sobel", "canny"]
    sigma: float = 1.0

    reads = ("image",)
    writes = ("edges",)

    def __call__(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample.replace(edges=self._edges(rgb2gray(sample.image))) for sample in samples]

    def _edges(self, grey: NDArray[np.float64]) -> NDArray[np.float32]:
        if self.method == "sobel":
            return sobel(grey).clip(0, 1).astype(np.float32)
        return canny_strength(grey, self.sigma)


def canny_strength(grey: NDArray[np.float64], sigma: float) -> NDArray[np.float32]:
    """(H, W) half of the highest of 99 high thresholds at which a pixel is an edge.

    The high thresholds go from .02 to 1.98, low ones are half of them. Cut at half a threshold the map
    is Canny's answer for it: a lower one only adds edges.
    """
    strength = np.zeros(grey.shape, dtype=np.float32)
    for step in range(1, 100):
        low = step / 100
        strength[canny(grey, sigma, low_threshold=low, high_threshold=2 * low)] = low
    return strength


def table_row(metrics: dict[str, float]) -> str:
    return "  ".join("    -" if metrics.get(c) is None else f"{metrics[c]:5.3f}" for c in COLUMNS)


if __name__ == "__main__":
    typer.run(main)
