"""Clicks to masks as the paper's figure 9 shows it: bars by dataset, curves over clicks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from samkit.metrics.click_iou import Metrics
from samkit.metrics.click_runs import mean_over_datasets

BLUE, ORANGE, GREY = "#4c78a8", "#f58518", "#777777"


def plot_clicks(
    metrics: Mapping[str, Metrics],
    path: str | Path,
    differences: Mapping[str, Metrics] | None = None,
    printed: Mapping[str, Mapping[str, float]] | None = None,
    papers: Mapping[str, float] | None = None,
) -> None:
    """Draws what `ClickIoU` tells of several datasets into a picture file (.png, .pdf, .svg).

    metrics: by the dataset's name, drawn from top to bottom. differences: of `paired_difference` by
        dataset; bars show these, as in figure 9a, where not given mIoU@1 with the oracle.
    printed: others' means over datasets by their name, {"mIoU@1": 0.581}. papers: numbers, in
        points, written beside the bars: by how much the paper's SAM was above RITM.

    Raises ValueError where there is no dataset.
    """
    from matplotlib.figure import Figure

    if not metrics:
        raise ValueError("there are no datasets to draw")
    height = max(3.6, 0.3 * len(metrics) + 1.6)
    figure = Figure(figsize=(11, height), dpi=130, layout="constrained")
    bars, curves = figure.subplots(1, 2, width_ratios=(1.3, 1))
    if differences:
        _bars(bars, differences, "difference in mean IoU after 1 click")
        bars.axvline(0, color="#333333", linewidth=0.8)
    else:
        _bars(bars, metrics, "mean IoU after 1 click")
        oracle = [_percent(one, "oracle") for one in metrics.values()]
        rows = np.arange(len(metrics))[::-1]
        bars.plot(oracle, rows, "|", color=ORANGE, ms=12, mew=2.5, label="best of its masks")
        bars.set_xlim(0, 100)
        bars.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=8)
    if papers:
        _beside(bars, differences or metrics, papers)
    _curves(curves, metrics, printed or {})
    for axes in (bars, curves):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def _bars(axes: Any, metrics: Mapping[str, Metrics], what: str) -> None:
    rows = np.arange(len(metrics))[::-1]
    value, low, high = (
        np.array([_percent(one, f"mIoU@1{end}") for one in metrics.values()])
        for end in ("", "_low", "_high")
    )
    errors = np.clip([value - low, high - value], 0, None)
    axes.barh(rows, value, xerr=errors, color=BLUE, ecolor="#333333", capsize=2, height=0.7)
    axes.set(yticks=rows, yticklabels=list(metrics), xlabel=what, ylim=(-0.6, len(metrics) - 0.4))


def _beside(axes: Any, metrics: Mapping[str, Metrics], papers: Mapping[str, float]) -> None:
    place = axes.get_yaxis_transform()  # across in shares of the axes, upwards as the bars
    for row, name in zip(reversed(range(len(metrics))), metrics, strict=True):
        text = f"{papers[name]:+.1f}" if name in papers else "-"
        axes.text(1.02, row, text, va="center", fontsize=8, transform=place)
    axes.text(1.02, 1.01, "SAM - RITM\n(paper)", fontsize=7, va="bottom", transform=axes.transAxes)


def _curves(
    axes: Any, metrics: Mapping[str, Metrics], printed: Mapping[str, Mapping[str, float]]
) -> None:
    mean = mean_over_datasets(list(metrics.values()))
    clicks = [int(name.removeprefix("mIoU@")) for name in mean if name.startswith("mIoU@")]
    last = f"mIoU@{clicks[-1]}"
    for one in metrics.values():
        values = [_percent(one, f"mIoU@{k}") for k in clicks]
        axes.plot(clicks, values, color="#c0c0c0", linewidth=1)
    line = 9 / axes.figure.get_figheight()  # of a name's height, in percent
    lowest = -line
    for name, one in sorted(metrics.items(), key=lambda item: _percent(item[1], last)):
        lowest = max(lowest + line, _percent(one, last))
        axes.text(clicks[-1] + 0.15, lowest, name, fontsize=6, color=GREY, va="center")
    values = [_percent(mean, f"mIoU@{k}") for k in clicks]
    label = f"mean of {len(metrics)} dataset{'s' if len(metrics) > 1 else ''}"
    axes.plot(clicks, values, "o-", color=BLUE, linewidth=2, label=label)
    for (name, others), mark in zip(printed.items(), "sDv^Pp*hX", strict=False):
        points = {int(k.removeprefix("mIoU@")): 100 * value for k, value in others.items()}
        axes.plot(list(points), list(points.values()), mark, mfc="none", ms=7, label=name)
    axes.set(xticks=clicks, xlim=(clicks[0] - 0.3, clicks[-1] + 1.6), ylim=(0, 100))
    axes.set(xlabel="clicks", ylabel="mean IoU")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, fontsize=7)


def _percent(metrics: Metrics, name: str) -> float:
    value = metrics.get(name)
    return float("nan") if value is None else 100 * value
