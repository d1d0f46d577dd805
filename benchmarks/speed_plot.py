"""The speed benchmark's picture: how many times samkit's time each peer takes, case by case."""

from pathlib import Path
from typing import Any


def plot(told: dict[str, Any], path: Path) -> None:
    """Bars of the median ratio with its least and most; 1 is samkit."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    clock = "wall" if told["threads"] > 1 or told["device"].startswith("NVIDIA") else "cpu"
    bars = [
        (f"{case}\n{name}", figures)
        for case, one in told["cases"].items()
        for name, figures in one.get(clock, {}).items()
        if name != "samkit"
    ]
    if not bars:
        return
    middle = [figures["ratio"] for _, figures in bars]
    below = [figures["ratio"] - figures["ratio_min"] for _, figures in bars]
    above = [figures["ratio_max"] - figures["ratio"] for _, figures in bars]
    figure, axes = pyplot.subplots(figsize=(1.1 * len(bars) + 2, 4), layout="constrained")
    drawn = axes.bar([label for label, _ in bars], middle, yerr=[below, above], color="#4878a8")
    axes.bar_label(drawn, fmt="%.1f", label_type="center", color="white")
    axes.axhline(1, color="black", linewidth=1)
    axes.set_ylabel(f"times samkit's {clock} time")
    axes.set_title(f"{told['sam']}, {told['dtype']}, {told['device']}, {told['threads']} thread(s)")
    axes.tick_params(axis="x", labelsize=8)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
