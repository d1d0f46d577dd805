"""Clicks to masks on the paper's 23 datasets: those that are there, one table, JSON, a plot.

    samkit suite --root datasets                                 which are there, where to get others
    python benchmarks/point_to_mask_23.py --root datasets
    python benchmarks/point_to_mask_23.py --root datasets --sam vit_h --batch-size 8
    python benchmarks/point_to_mask_23.py --root datasets --only ppdls --only gtea --limit 50
    python benchmarks/point_to_mask_23.py --root datasets --sam mine.pth --out runs/mine --beside runs/vit_b

The paper's headline study (section 7.1, appendix D.1, figure 9). It prints, by dataset, only how far
SAM is above RITM after one click; means over all 23 are printed in SAM 2 (arXiv 2408.00714): ViT-H
58.1 after one click and 81.3 after five, ViT-B 55.9 and 80.9. Images are drawn anew, by our own seed:
the paper's list is not published, nor are its blurred faces, so figures agree only statistically.
Ours: no full run yet. Preliminary `tiny` on small samples of three of them: 8.4 after one click and
33.6 after nine on LVIS v0.5 (13 images), 6.7 and 18.4 on BBBC038 (40), 4.2 and 18.2 on ADE20K (2).

With --beside, another run's folder, each dataset is compared on the same objects, as figure 9a does.

Stopped, it goes on where it was. Datasets may be run by several processes, each with its `--only`
and all with the same `--out`: the table is made of what lies there.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from samkit import evaluate, load_sam
from samkit.data.sa23 import DATASETS, Found, sample_images, suite
from samkit.evaluation.rows import read_rows, write_atomically
from samkit.metrics import ClickIoU, mean_over_datasets, paired_difference
from samkit.metrics.click_plot import plot_clicks
from samkit.metrics.paper import SA23_POINTS
from samkit.pipeline import Stage
from samkit.stages import Clicks, Embed

CLICKS = (1, 2, 3, 5, 9)
# What must be alike in all datasets of one table.
SAME = ("sam", "dtype", "pipeline", "metric", "seed")
Run = dict[str, Any]


def main(
    root: Annotated[Path, typer.Option(help="The folder in which the datasets' folders lie.")],
    sam: Annotated[str, typer.Option(help="tiny, vit_b, vit_l, vit_h, or a file.")] = "tiny",
    only: Annotated[list[str] | None, typer.Option(help="These datasets; repeat.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="NAME=SPLIT, if not the paper's.")] = None,
    masks: Annotated[int, typer.Option(help="Draw images until they have so many.")] = 10_000,
    limit: Annotated[int | None, typer.Option(help="At most so many images a dataset.")] = None,
    feedback: Literal["logits", "none"] = "logits",
    seed: int = 0,
    out: Path = Path("runs/point_to_mask_23"),
    beside: Annotated[Path | None, typer.Option(help="The --out of another run.")] = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int = 4,
) -> None:
    """Runs every dataset that is there and prints the table of all that lies under `out`."""
    splits = dict(text.partition("=")[::2] for text in split or [])
    there = [one for one in suite(root, only or (), splits) if one.dataset is not None]
    if not there:
        raise typer.BadParameter(
            f"none of the datasets is in {root}; see samkit suite --root {root}"
        )
    model = load_sam(sam, device, dtype)
    pipeline = Embed(model) | Clicks(model, CLICKS, feedback=feedback)
    for one in there:
        run_dataset(one, pipeline, out / one.facts.name, masks, limit, seed, batch_size)
    report(out, beside)


def report(out: Path, beside: Path | None = None) -> None:
    """Makes and prints the table of all that lies under `out`, with JSON and plot."""
    runs = finished_runs(out)
    others = differences(out, beside, runs) if beside else {}
    text = table(runs, others)
    content = {"datasets": runs, "differences": others, **means(runs)}
    write_atomically(out / "table.md", text + "\n")
    write_atomically(out / "summary.json", json.dumps(content, indent=2) + "\n")
    scored = {name: run["metrics"] for name, run in runs.items() if run["metrics"] is not None}
    if scored:
        papers = {name: facts.delta for name, facts in DATASETS.items()}
        printed = {f"SAM {name}, mean of 23": numbers for name, numbers in SA23_POINTS.items()}
        plot_clicks(scored, out / "point_to_mask_23.png", others, printed, papers)
    print(f"{text}\n\n{out}/table.md, summary.json, point_to_mask_23.png")


def run_dataset(
    one: Found,
    pipeline: Stage,
    out: Path,
    masks: int,
    limit: int | None,
    seed: int,
    batch_size: int,
) -> None:
    """Draws the images, clicks, and notes beside the rows what was drawn."""
    assert one.dataset is not None
    print(f"{one.facts.name}: reading annotations", flush=True)
    drawn = sample_images(one.dataset, masks, largest=masks * 3 // 2, seed=seed, limit=limit)
    note = {
        "split": one.split,
        "as_paper": one.as_paper,
        "without_objects": drawn.without_objects,
        "whole": drawn.whole,
        "failed": None,
    }
    try:
        if not len(drawn.dataset):
            raise RuntimeError(f"none of {len(one.dataset)} images has an object")
        evaluate(drawn.dataset, pipeline, ClickIoU(), out, batch_size, seed=seed)
    except RuntimeError as error:  # not a single image has a score; the other datasets may
        (out / "summary.json").unlink(missing_ok=True)
        note["failed"] = str(error)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "dataset.json", json.dumps(note, indent=2))


def finished_runs(out: Path) -> dict[str, Run]:
    """What lies under `out`, by dataset in the paper's order; errors by sample id.

    Raises ValueError where datasets were run with different models or settings.
    """
    runs: dict[str, Run] = {}
    for name in DATASETS:
        note, done = out / name / "dataset.json", out / name / "summary.json"
        if note.is_file():
            runs[name] = json.loads(note.read_text())
            runs[name] |= json.loads(done.read_text()) if done.is_file() else {"metrics": None}
            path = out / name / "rows.jsonl"
            rows = read_rows(path)[1] if path.is_file() else {}
            told = {str(row["id"]): row["error"] for row in rows.values() if "error" in row}
            runs[name] |= {"errors": len(told), "samples": len(rows), "error_of": told}
    identities = {
        name: [run["run"][key] for key in SAME] for name, run in runs.items() if "run" in run
    }
    for name, identity in identities.items():
        first = next(iter(identities))
        if identity != identities[first]:
            raise ValueError(
                f"{out} holds runs of different kinds: {first} is {identities[first]}, "
                f"{name} is {identity}; give another --out, or delete one"
            )
    return runs


def means(runs: Mapping[str, Run]) -> dict[str, Any]:
    """The unweighted mean over the datasets that have one, and the printed means over all 23."""
    scored = [run["metrics"] for run in runs.values() if run["metrics"] is not None]
    ours = mean_over_datasets(scored) if scored else {}
    return {"mean": ours, "mean_of": len(scored), "paper": SA23_POINTS}


def differences(out: Path, beside: Path, runs: Mapping[str, Run]) -> dict[str, Run]:
    """By how much this run is above another one, on datasets and images that both have."""
    found = {}
    for name, run in runs.items():
        if run["metrics"] is None or not (beside / name / "rows.jsonl").is_file():
            continue
        sides = [read_rows(folder / name / "rows.jsonl")[1] for folder in (out, beside)]
        scored = [
            {row["id"]: row["row"] for row in side.values() if "row" in row} for side in sides
        ]
        both = [id for id in scored[0] if id in scored[1]]
        if both:
            ours, theirs = ([side[id] for id in both] for side in scored)
            found[name] = paired_difference(ours, theirs)
            found[name]["images"] = len(both)
    return found


def table(runs: Mapping[str, Run], others: Mapping[str, Run]) -> str:
    """Markdown: a dataset a line, the mean, the paper's, and below it what went wrong."""
    names = [f"mIoU@{clicks}" for clicks in CLICKS]
    head = ["dataset", "images", "masks", "skipped", "errors", *names, "oracle@1", "SAM - RITM"]
    head += ["above the other run @1"] if others else []
    rows = []
    for name, run in runs.items():
        figures, facts = run["metrics"] or {}, DATASETS[name]
        title = name if run["as_paper"] else f"{name} ({run['split']})"
        counts = [run["samples"], figures.get("objects"), figures.get("skipped"), run["errors"]]
        values = [percent(figures, key) for key in (*names, "oracle")]
        rows.append([title, *map(shown, counts), *values, f"{facts.delta:+.1f}"])
        if others:
            rows[-1].append(percent(others.get(name, {}), "mIoU@1"))
    summary = means(runs)
    average = [percent(summary["mean"], key) for key in (*names, "oracle")]
    rows.append([f"mean of {summary['mean_of']}", "", "", "", "", *average, ""])
    for model, figures in SA23_POINTS.items():
        values = [percent(figures, key) for key in names]
        rows.append([f"SAM {model}, mean of 23", "", "", "", "", *values, "", ""])
    rows = [row + [""] * (len(head) - len(row)) for row in rows]
    lines = [head, ["---"] * len(head), *rows]
    model = next((run["run"]["sam"] for run in runs.values() if "run" in run), "no model")
    text = [f"{model}: mean IoU in percent, in brackets the middle 95 % over images", ""]
    text += ["| " + " | ".join(map(str, line)) + " |" for line in lines]
    return "\n".join([*text, *(f"\n{line}" for line in remarks(runs))])


def remarks(runs: Mapping[str, Run]) -> list[str]:
    """What a reader of the table must know besides."""
    lines = ["SAM - RITM: the paper's figure 9a, after one click, for ViT-H. Not ours."]
    for name, run in runs.items():
        facts = DATASETS[name]
        if not run["as_paper"]:
            lines.append(f"{name}: split {run['split']}; the paper takes {facts.paper_split}.")
        if run["without_objects"]:
            lines.append(f"{name}: {run['without_objects']} images without an object left out.")
        if run["failed"]:
            lines.append(f"{name}: {run['failed']}.")
        lines += [f"{name}: {id}: {error}" for id, error in list(run["error_of"].items())[:5]]
        if len(run["error_of"]) > 5:
            lines.append(f"{name}: {len(run['error_of']) - 5} more errors, in rows.jsonl.")
    return lines


def percent(figures: Mapping[str, float | None], name: str) -> str:
    """A share as percent, with its interval where there is one."""
    value, low, high = (figures.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return "-"
    interval = "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f})"
    return f"{100 * value:.1f}{interval}"


def shown(count: int | None) -> str:
    return "-" if count is None else str(count)


if __name__ == "__main__":
    typer.run(main)
