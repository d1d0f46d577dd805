"""The model card's table: a small SAM beside two classical baselines, from clicks and from boxes.

    python benchmarks/tiny_card.py --root datasets                   the shipped model
    python benchmarks/tiny_card.py --root datasets --sam FILE        another one; baselines are kept

Of the six sets of real photographs those in --root are used, and 500 made-up scenes besides. Writes
card.md and card.json under --out, and every run's rows beneath it: stopped at any moment, the same call
goes on from there. Baselines take at most --baseline-objects of a picture, drawn at random; beside each
stands the SAM on the same objects, and the difference has the middle 95 % of 1,000 resamplings of the
pictures.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import typer

from samkit import data as readers
from samkit import evaluate, load_sam
from samkit.data import Dataset
from samkit.data.shapes import difficulty
from samkit.evaluation.rows import read_rows
from samkit.metrics import ClickIoU, mean_over_datasets, paired_difference
from samkit.sam.family import SamModel
from samkit.sam.grabcut import GrabCut
from samkit.sam.random_walker import RandomWalker
from samkit.stages import Clicks, Embed

NUM_CLICKS = (1, 2, 3, 5, 9)
READERS: dict[str, Callable[[Path], Dataset]] = {
    "grabcut": readers.grabcut,
    "berkeley_interactive": readers.berkeley_interactive,
    "davis_interactive": readers.davis_interactive,
    "coco_mval": readers.coco_mval,
    "bbbc038v1": readers.bbbc038v1,
    "coco_val2017_subset": readers.coco,
}
MEANS = {"mean of the first four": tuple(READERS)[:4], "mean of all six": tuple(READERS)}
BASELINES = {"random walker": "1 click", "GrabCut": "box"}
BESIDE = tuple(column for name in BASELINES for column in (f"beside {name}", name))
COLUMNS = (*(f"mIoU@{k}" for k in NUM_CLICKS), "oracle", "box", *BESIDE)
PER_OBJECT = ("iou", "predicted_iou", "oracle", "agreement", "has_parts")

Line = dict[str, Any]


class Run(NamedTuple):
    """One method on one dataset: its metrics, and its rows by image."""

    metrics: Mapping[str, Any]
    rows: Mapping[Any, dict[str, Any]]


def main(
    sam: str = "tiny",
    root: Path = Path("datasets"),
    out: Path = Path("runs/tiny_card"),
    device: str = "auto",
    scenes: int = 500,
    seed: int = 0,
    baseline_objects: int = 5,
    limit: int | None = None,
) -> None:
    """Prints the table of a SAM's figures. seed: of the made-up scenes."""
    model = load_sam(sam, device)
    card: dict[str, Line] = {}
    for name, read in READERS.items():
        if (root / name).is_dir():
            data = read(root / name).limit(limit)
            card[name] = photographs(model, data, out / name, baseline_objects)
        else:
            print(f"{name} is not in {root}")
    for title, names in MEANS.items():
        if all(name in card for name in names):
            card[title] = mean([card[name] for name in names])
    made_up = readers.shapes(limit or scenes, seed=seed)
    card["shapes"] = own_figures(*ask(model, made_up, out / "shapes"), made_up)
    card["shapes"]["difficulty"] = difficulty(len(made_up), seed=seed)
    text = f"{model.name}, mIoU; baselines on at most {baseline_objects} objects a picture\n\n"
    text += table(card) + remarks(card)
    (out / "card.md").write_text(text)
    (out / "card.json").write_text(json.dumps({"sam": model.name, "rows": card}, indent=2) + "\n")
    print(text)


def photographs(model: SamModel, data: Dataset, out: Path, most: int) -> Line:
    """One line of the table: the SAM, both baselines, and how far it is above them."""
    clicks, box = ask(model, data, out)
    walk, cut = RandomWalker(), GrabCut()
    walker = run(data, walk, Clicks(walk, (1,), "none", most_objects=most), out)
    grabcut = run(data, cut, Clicks(cut, (1,), first="box", most_objects=most), out)
    return {
        **own_figures(clicks, box, data),
        "random walker": walker.metrics["mIoU@1"],
        "GrabCut": grabcut.metrics["mIoU@1"],
        "baseline objects": walker.metrics["objects"],
        "beside random walker": on_objects_of(walker, clicks).metrics["mIoU@1"],
        "beside GrabCut": on_objects_of(grabcut, box).metrics["mIoU@1"],
        "above random walker": above(clicks, walker),
        "above GrabCut": above(box, grabcut),
    }


def ask(model: SamModel, data: Dataset, out: Path) -> tuple[Run, Run]:
    """Clicks from the centre on, and one box."""
    box = Clicks(model, (1,), first="box")
    return run(data, model, Clicks(model, NUM_CLICKS), out), run(data, model, box, out)


def run(data: Dataset, model: SamModel, stage: Clicks, out: Path) -> Run:
    """Evaluated where that has not been done yet."""
    folder = out / f"{model.name}-{stage.first}"
    summary = evaluate(data, Embed(model) | stage, ClickIoU(), out=folder, batch_size=4)
    rows = read_rows(folder / "rows.jsonl")[1].values()
    return Run(summary["metrics"], {row["id"]: row["row"] for row in rows if "row" in row})


def own_figures(clicks: Run, box: Run, data: Dataset) -> Line:
    """What is told of the SAM itself."""
    ends = {f"box{end}": box.metrics[f"mIoU@1{end}"] for end in ("", "_low", "_high")}
    return {"data": data.name, **clicks.metrics, **ends}


def above(ours: Run, baseline: Run) -> dict[str, float | None]:
    """The SAM's mean IoU at the first prompt less the baseline's, on the baseline's objects."""
    rows = on_objects_of(baseline, ours).rows.values()
    difference = paired_difference(rows, baseline.rows.values())
    return {end: difference[f"mIoU@1{end}"] for end in ("", "_low", "_high")}


def on_objects_of(baseline: Run, ours: Run) -> Run:
    """The SAM's first prompt on the objects that the baseline was asked for, no others."""
    rows = {id: first_prompt(ours.rows[id], row["objects"]) for id, row in baseline.rows.items()}
    return Run(ClickIoU().summarise(rows.values()), rows)


def first_prompt(row: dict[str, Any], objects: Sequence[int]) -> dict[str, Any]:
    """A row of these objects alone, after one prompt."""
    places = [row["objects"].index(number) for number in objects]
    chosen = {name: [row[name][place] for place in places] for name in PER_OBJECT}
    chosen["iou"] = [iou[:1] for iou in chosen["iou"]]
    return {**row, **chosen, "objects": objects, "num_clicks": [1]}


def mean(lines: Sequence[Line]) -> Line:
    """Each set counts alike."""
    others = ("box", *BESIDE)
    means = {name: sum(line[name] for line in lines) / len(lines) for name in others}
    return {**mean_over_datasets(lines), **means, "objects": sum(line["objects"] for line in lines)}


def table(card: Mapping[str, Line]) -> str:
    """The figures as a Markdown table."""
    lines = [["", "objects", *COLUMNS], ["---"] * (2 + len(COLUMNS))]
    for title, line in card.items():
        figures = [f"{line[name]:.3f}" if name in line else "" for name in COLUMNS]
        lines.append([title, str(line["objects"]), *figures])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def remarks(card: Mapping[str, Line]) -> str:
    """What does not fit in the table."""
    told = []
    for title, line in card.items():
        for other, what in BASELINES.items():
            if f"above {other}" in line:
                more, low, high = line[f"above {other}"].values()
                told.append(
                    f"- {title}, {what} beside {other}: {more:+.3f} ({low:+.3f} to {high:+.3f}) on "
                    f"{line['baseline objects']} objects"
                )
    shapes = card["shapes"]
    told.append(
        f"- {shapes['data']}: Spearman of predicted with true IoU {shapes['spearman']:.3f}; mean IoU "
        f"with each other of the three outputs for a click {shapes['agreement']:.3f}, on objects with "
        f"parts {shapes['agreement_parts']:.3f}"
    )
    figures = [f"{name} {value:.3g}" for name, value in shapes["difficulty"].items()]
    return "\n" + "\n".join([*told, f"- difficulty: {', '.join(figures)}"]) + "\n"


if __name__ == "__main__":
    typer.run(main)
