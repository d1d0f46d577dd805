"""Row files: a header that says which run this is, then one JSON line per sample.

A line counts once its newline is there, so whatever a killed process leaves behind can be read.
"""

import json
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from samkit.ops.json_text import parse_json

Header = dict[str, Any]
# {"index": place in the samples, "id", "row": the metric's or "error": a text, "seconds": its share}
Row = dict[str, Any]

FORMAT = "samkit rows 1"
# What makes two runs the same one, and what may differ but is worth a warning.
IDENTITY = ("sam", "dtype", "data", "ids", "pipeline", "metric", "seed")
CIRCUMSTANCES = ("device", "batch_size", "versions")


def plain(value: Any) -> Any:
    """The value as JSON gives it back: numpy as numbers and lists, NaN and infinity as None.

    Rows are made plain before anything reads them, so that a resumed run summarises the very values
    that an unbroken one does. Raises TypeError that names the type for anything else.
    """
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    raise TypeError(
        f"rows and summaries hold numbers, texts, lists and dicts, got {type(value).__name__}"
    )


def as_line(entry: Mapping[str, Any]) -> str:
    """A header or row, made of plain values, as one line."""
    return json.dumps(entry, allow_nan=False, separators=(",", ":")) + "\n"


def write_atomically(path: Path, text: str) -> None:
    """The text into the file at once: a process killed here leaves the old file or the new one."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def read_rows(path: Path) -> tuple[Header, dict[int, Row]]:
    """The header ({} for a file without a whole line) and the latest row of each sample, by index.

    A last line without its newline was being written when its process was killed; it is ignored.
    Raises ValueError where any other line is no JSON object, or the first is no header.
    """
    entries = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            entry = parse_json(line)
            if not isinstance(entry, dict):
                raise ValueError(f"{type(entry).__name__} instead of an object")
            entries.append(entry)
            if entries[0].get("format") == FORMAT:
                _check_entry(entry, entries[0])
        except ValueError as error:
            raise ValueError(
                f"{path}, line {number} is damaged ({error}); remove the line, and what it held "
                "is computed again"
            ) from error
    if not entries:
        return {}, {}
    if entries[0].get("format") != FORMAT:
        raise ValueError(
            f"{path} does not begin with a header of {FORMAT!r}; give another `out`, or delete it"
        )
    rows = {int(row["index"]): row for row in entries[1:]}
    return entries[0], dict(sorted(rows.items()))


def _check_entry(row: Row, header: Header) -> None:
    """Raises ValueError for what `evaluate` has not written: text files are edited, and disks fail."""
    samples, resumed = header.get("samples"), header.get("resumed", [])
    if not _count(samples):
        raise ValueError(f"it says that there are {samples!r} samples")
    if not isinstance(resumed, list) or not all(isinstance(entry, dict) for entry in resumed):
        raise ValueError(f"it says that it was resumed {resumed!r}")
    if row is header:
        return
    index, seconds = row.get("index"), row.get("seconds")
    if not _count(index) or index >= samples or "id" not in row:
        raise ValueError(f"its index is {index!r} of {samples} samples, its id {row.get('id')!r}")
    if not isinstance(row.get("row"), dict) and not isinstance(row.get("error"), str):
        raise ValueError("it has neither a row nor an error")
    if not isinstance(seconds, dict) or not all(
        isinstance(taken, int | float) and math.isfinite(taken) for taken in seconds.values()
    ):
        raise ValueError(f"its seconds are {seconds!r}")


def _count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def resume(path: Path, header: Header) -> tuple[Header, dict[int, Row]]:
    """The run's header and the rows to go on from; the file then holds just these.

    A batch with a row missing or with an error is left out whole, so that it is computed in the
    same company as in an unbroken run: answers are equal bit for bit only where the batch is.

    Raises ValueError where the file belongs to another run. Warns where device, batch size or
    versions are others than those before; the header keeps both.
    """
    old, found = read_rows(path) if path.exists() else ({}, {})
    count, size = header["samples"], header["batch_size"]
    batches = [range(start, min(start + size, count)) for start in range(0, count, size)]
    done = {
        index: found[index]
        for batch in batches
        if all("row" in found.get(index, {}) for index in batch)
        for index in batch
    }
    # A run that scored nothing, such as one with a mistake in its pipeline, binds nobody.
    if any("row" in row for row in found.values()):
        _refuse_other_run(path, old, header)
        header = old if len(done) == count else _note_changes(path, old, header)
    write_atomically(path, "".join(map(as_line, (header, *done.values()))))
    return header, done


def _refuse_other_run(path: Path, old: Header, new: Header) -> None:
    different = [name for name in IDENTITY if old.get(name) != new[name]]
    if different:
        both = [f"\n  {n} there: {old.get(n)!r}\n  {n} here:  {new[n]!r}" for n in different]
        raise ValueError(
            f"{path} holds the rows of another run; they differ in {', '.join(different)}:"
            f"{''.join(both)}\nGive another `out`, or delete that file to start anew."
        )


def _note_changes(path: Path, old: Header, new: Header) -> Header:
    before: list[Header] = old.get("resumed", [])
    last = [old, *before][-1]
    changed = {name: new[name] for name in CIRCUMSTANCES if last.get(name) != new[name]}
    if not changed:
        return old
    told = [f"{name} was {last.get(name)!r}, is {value!r}" for name, value in changed.items()]
    warnings.warn(f"{path} is resumed, but {'; '.join(told)}", stacklevel=4)
    now = {name: new[name] for name in CIRCUMSTANCES}
    return {**old, "resumed": [*before, now]}
