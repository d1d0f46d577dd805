"""The precision-recall plot of edge detection, with lines of equal F."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samkit.metrics.boundary_score import f_measure

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def plot_curves(curves: Mapping[str, Curve], path: str | Path, title: str = "") -> None:
    """Draws recall and precision of one or more methods into a picture file (.png, .pdf, .svg).

    curves: by the method's name (T,) recall and (T,) precision, as `BoundaryF.curve` gives them.
        The best of its points is marked and its F written into the legend.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 6), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for f in np.arange(1, 10) / 10:
        recall = np.linspace(f / (2 - f), 1, 200)
        precision = f * recall / (2 * recall - f)
        axes.plot(recall, precision, color="#9ccc9c", linewidth=0.7, zorder=1)
        axes.annotate(
            f"F = {f:.1f}",
            (1.01, precision[-1]),
            fontsize=7,
            color="#5a8f5a",
            va="center",
            annotation_clip=False,
        )
    for name, (found_recall, found_precision) in curves.items():
        some = (found_recall > 0) | (found_precision > 0)  # Thresholds that nothing reached.
        scores = f_measure(found_recall, found_precision)
        best = int(scores.argmax())
        label = f"{name} (F={scores[best]:.3f})"
        [line] = axes.plot(found_recall[some], found_precision[some], label=label, linewidth=1.8)
        axes.plot(found_recall[best], found_precision[best], "o", color=line.get_color())
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision", title=title)
    axes.set_aspect("equal")
    figure.legend(loc="outside lower center", fontsize=8, ncols=2)
    figure.savefig(path)
