"""What a training writes down as it goes: CSV for everybody, TensorBoard where it is installed."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Log:
    """Rows by step in a CSV file under `folder`, and the same as curves.

    Rows after `step` are taken out when a training goes on from there: they will come again.
    """

    def __init__(self, folder: Path, name: str, step: int) -> None:
        self._path = folder / f"{name}.csv"
        self._name = name
        self._curves = _curves(folder / "tensorboard", step)
        if self._path.is_file():
            with self._path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
            self._path.unlink()
            for row in kept:
                self._append(row)

    def add(self, row: Mapping[str, Any]) -> None:
        """One row; its keys are the columns, alike in every row, "step" among them."""
        self._append(row)
        if self._curves is not None:
            for key, value in row.items():
                if key != "step":
                    self._curves.add_scalar(f"{self._name}/{key}", value, row["step"])

    def _append(self, row: Mapping[str, Any]) -> None:
        is_new = not self._path.is_file()
        with self._path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if is_new:
                writer.writeheader()
            writer.writerow(row)


def _curves(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
