"""JSON as files hold it."""

import json
from pathlib import Path
from typing import Any


def parse_json(content: str | bytes) -> Any:
    """What the text says. Raises ValueError, and nothing else, where it is no JSON that can be read.

    >>> parse_json(b"[1, 2]")
    [1, 2]
    """
    try:
        return json.loads(content)
    except RecursionError as error:  # brackets by the hundred thousand
        raise ValueError("it is nested too deeply") from error


def read_json_file(path: str | Path) -> Any:
    """What a JSON file holds. Raises ValueError that names it where it is none."""
    try:
        return parse_json(Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error
