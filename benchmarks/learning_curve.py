"""Validation against steps of a training, steps on a logarithmic axis, and what the next doubling brings.

    python benchmarks/learning_curve.py runs/train_sam                    curve.png beside its files
    python benchmarks/learning_curve.py runs/train_sam --before 1848      goes on from so many steps

The gain of a doubling is the slope of a straight line through the last `--last` measurements of the mean
over the logarithm of the steps, which says what more of the same would bring and no more than that.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import typer

KINDS = {"click": "C0", "oracle": "C1", "box": "C2"}
STYLES = {"photographs": "-", "shapes": "--"}


def main(folder: Path, before: int = 0, last: int = 5, out: Path | None = None) -> None:
    """folder: of the training. before: steps of the checkpoint it began with, added to its own."""
    with open(folder / "validation.csv", newline="") as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    rows = [row for row in rows if row["step"] + before > 0]
    if len(rows) < 2:
        raise typer.BadParameter(f"{folder} has {len(rows)} measurements; a curve takes two")
    steps = np.array([row["step"] + before for row in rows])
    mean = np.array([row["mean"] for row in rows])
    figure, axes = plt.subplots(figsize=(8.5, 4.2), layout="constrained")
    for source, style in STYLES.items():
        for kind, colour in KINDS.items():
            if (name := f"{source}/{kind}") in rows[0]:
                values = [row[name] for row in rows]
                axes.plot(steps, values, style, color=colour, label=f"{kind}, {source}", alpha=0.8)
    axes.plot(steps, mean, color="black", linewidth=2.5, marker="o", label="mean")
    axes.set(xscale="log", xlabel="steps", ylabel="mIoU on what is kept for validation")
    apart = (steps[-1] / steps[0]) ** 0.1  # numbers closer than that would lie on each other
    ticks = [steps[0]]
    for step in steps:
        if step >= ticks[-1] * apart:
            ticks.append(step)
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside right center")
    path = out or folder / "curve.png"
    figure.savefig(path, dpi=120)
    used = slice(-last, None)
    slope = np.polyfit(np.log2(steps[used]), mean[used], 1)[0]
    print(f"mean {mean[0]:.4f} at step {steps[0]:.0f}, {mean[-1]:.4f} at step {steps[-1]:.0f}")
    print(f"a doubling of the steps brings {slope:+.4f}, by the last {len(mean[used])}: {path}")


if __name__ == "__main__":
    typer.run(main)
