"""What stages share that pick some of a sample's masks or of its prompts."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from samkit.pipeline import Stage
from samkit.types import Masks, Prompts, Sample

Field = Literal["masks", "prompts"]
Rows = Masks | Prompts


def act_on(stage: Stage, field: str) -> None:
    """Which field a stage reads and writes is a setting here, so it is the instance's."""
    if field not in ("masks", "prompts"):
        raise ValueError(f'on is "masks" or "prompts", got {field!r}')
    object.__setattr__(stage, "reads", (field,))
    object.__setattr__(stage, "writes", (field,))


def keep(sample: Sample, field: Field, choose: Any) -> Sample:
    rows: Rows | None = getattr(sample, field)
    if rows is None:
        raise ValueError(
            f"sample {sample.id!r} has no {field}; put a stage that writes them before"
        )
    # Nothing to choose from, and prompts that hold nothing at all have no scores either.
    return sample.replace(**{field: rows[choose(rows)]}) if len(rows) else sample


def scores_of(rows: Rows) -> NDArray[np.float32]:
    if rows.scores is None:
        raise ValueError(
            "these prompts have no scores to rank by; give Prompts(scores=...), or act on masks, "
            "which the predicted IoU ranks"
        )
    return rows.scores


def boxes_of(rows: Rows) -> NDArray[np.float32]:
    if isinstance(rows, Masks):
        return rows.boxes()
    if rows.boxes is None or not rows.has_box.all():
        raise ValueError("some of these prompts have no box; act on masks instead")
    return rows.boxes
