"""Clicks on the small sets of real photographs that are there: mean IoU by clicks, and clicks needed.

    python benchmarks/clicks_table.py --root datasets                  the shipped model
    python benchmarks/clicks_table.py --root datasets --sam vit_b

Twenty clicks on every object (RITM's rule), one line of Markdown a set, the middle 95 % of 1,000
resamplings of its pictures in brackets. NoC: clicks until the IoU is .85 or .90, 20 where it never is;
beside it RITM's, of its README, on the whole set. Writes table.md, curves.png and every run's rows under --out:
stopped at any moment, the same call goes on from there.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import typer

from samkit import data as readers
from samkit import evaluate, load_sam
from samkit.data import Dataset, sa23
from samkit.evaluation.rows import write_atomically
from samkit.metrics import ClickIoU
from samkit.metrics.click_plot import plot_clicks
from samkit.metrics.paper import RITM_CLICKS
from samkit.stages import Clicks, Embed

NUM_CLICKS = (1, 2, 3, 5, 9, 20)
# By name, the reader and what is to be seen of the set in the table's first column.
READERS: dict[str, Callable[[Path], Dataset]] = {
    "grabcut": lambda root: readers.grabcut(root / "grabcut"),
    "berkeley_interactive": lambda root: readers.berkeley_interactive(
        root / "berkeley_interactive"
    ),
    "davis_interactive": lambda root: readers.davis_interactive(root / "davis_interactive"),
    "coco_mval": lambda root: readers.coco_mval(root / "coco_mval"),
    "lvis_v0.5_subset": lambda root: readers.lvis(root / "lvis_v0.5_subset"),
    "ade20k": lambda root: sa23("ade20k", root, split="training"),
    "cwfid": lambda root: readers.cwfid(root / "cwfid"),
    "bbbc038v1": lambda root: sa23("bbbc038v1", root),
}
COLUMNS = (*(f"mIoU@{clicks}" for clicks in NUM_CLICKS), "oracle")
NEEDED = ("NoC@85", "NoC@90")


def main(
    root: Path = Path("datasets"),
    sam: str = "tiny",
    out: Path = Path("runs/clicks_table"),
    device: str = "auto",
    batch_size: int = 4,
    limit: int | None = None,
) -> None:
    """Prints the table of a SAM's figures on what is in `root`."""
    model = load_sam(sam, device)
    pipeline = Embed(model) | Clicks(model, NUM_CLICKS)
    lines = [["", "images", "objects", *COLUMNS, *NEEDED, "failed@90", "RITM's NoC@85 / @90"]]
    lines.append(["---"] * len(lines[0]))
    found = {}
    for name, read in READERS.items():
        try:
            dataset = read(root).limit(limit)
        except FileNotFoundError as error:
            print(f"{name}: {error}")
            continue
        # A run of another model is another run.
        summary = evaluate(dataset, pipeline, ClickIoU(), out / model.name / name, batch_size)
        lines.append(row(name, dataset, summary))
        found[name] = summary["metrics"]
        text = f"{model.name}\n\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines)
        write_atomically(out / model.name / "table.md", text)
        plot_clicks(found, out / model.name / "curves.png")
    print(text)


def row(name: str, dataset: Dataset, summary: Mapping[str, Any]) -> list[str]:
    """A set's line: IoU in percent, clicks as they are."""
    metrics, ritm = summary["metrics"], RITM_CLICKS.get(name, {})
    shares = [interval(metrics, column, 100) for column in COLUMNS]
    needed = [interval(metrics, column, 1) for column in NEEDED]
    theirs = " / ".join(f"{ritm[one]:.2f}" if one in ritm else "-" for one in NEEDED)
    failed = f"{metrics['failed@90']} of {metrics['objects']}"
    return [name, str(len(dataset)), str(metrics["objects"]), *shares, *needed, failed, theirs]


def interval(metrics: Mapping[str, float], name: str, factor: float) -> str:
    mean, low, high = (factor * metrics[f"{name}{end}"] for end in ("", "_low", "_high"))
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    typer.run(main)
