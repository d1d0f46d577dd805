"""Runs of `ClickIoU` beside each other: the mean over datasets, and two runs over the same objects."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from samkit.metrics.click_iou import Metrics, Row, figures, means


def mean_over_datasets(metrics: Sequence[Mapping[str, float | None]]) -> Metrics:
    """The unweighted mean over datasets of mIoU@k, oracle and NoC, the paper's headline figures.

    metrics: what `ClickIoU.summarise` gave for each dataset.

    Raises ValueError for no datasets, and where one lacks a figure that the first one has.
    """
    if not metrics:
        raise ValueError("there are no datasets to take a mean over")
    wanted = ("mIoU@", "oracle", "NoC@")
    names = [
        name
        for name in metrics[0]
        if name.startswith(wanted) and not name.endswith(("_low", "_high"))
    ]
    mean: Metrics = {}
    for name in names:
        values = [one[name] for one in metrics if one.get(name) is not None]
        if len(values) < len(metrics):
            raise ValueError(f"{name} is missing for some datasets; run all with the same clicks")
        mean[name] = float(np.mean(np.array(values, dtype=float)))
    return mean


def paired_difference(rows: Iterable[Row], others: Iterable[Row], seed: int = 0) -> Metrics:
    """How much larger the means of the first run are than those of the second, on the same objects.

    rows, others: of `ClickIoU.score`, from two runs over the same data. Each figure's difference has
    NAME_low and NAME_high beside it, the middle 95 % over resamplings of the images, in each of which
    both runs are drawn alike: an interval without 0 is a difference that chance does not explain.

    Raises ValueError where the runs have not clicked on the same objects equally often.
    """
    ours, theirs = ({row["image_id"]: row for row in run} for run in (rows, others))
    if set(ours) != set(theirs) or not ours:
        raise ValueError(
            f"the runs are over {len(ours)} and {len(theirs)} images, {len(set(ours) & set(theirs))} "
            "of them the same; a paired comparison needs the same ones, without errors"
        )
    differences = []
    for image_id, row in ours.items():
        other = theirs[image_id]
        if list(row["objects"]) != list(other["objects"]):
            raise ValueError(f"the runs have clicked on different objects of image {image_id!r}")
        first, second = figures(row), figures(other)
        if list(first) != list(second):
            raise ValueError(f"the runs tell {', '.join(first)} and {', '.join(second)}")
        differences.append({name: first[name] - second[name] for name in first})
    return means(differences, seed)
