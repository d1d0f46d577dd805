"""The table, JSON and plot of what `benchmarks/point_to_mask_23.py` has left in a folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samkit.data.sa23 import DATASETS
from samkit.evaluation.rows import read_rows, write_atomically
from samkit.metrics import mean_over_datasets, paired_difference
from samkit.metrics.click_plot import plot_clicks
from samkit.metrics.paper import SA23_POINTS
from samkit.sam.locks import locked

CLICKS = (1, 2, 3, 5, 9)
# What must be alike in all datasets of one table.
SAME = ("sam", "dtype", "pipeline", "metric", "seed")
Run = dict[str, Any]


def report(out: Path, beside: Path | None = None) -> None:
    """Makes and prints the table of all that lies under `out`, with JSON and plot.

    beside: the folder of another run, to be compared with on the same objects. One process at a time
    does this: of several that end together the last one sees what all have left.
    """
    with locked(out / "table.lock"):
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
