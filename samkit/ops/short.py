"""Values inside error messages."""

from typing import Any


def short(value: Any) -> str:
    """A value as an error message shows it: its `repr`, cut at 80 characters.

    >>> short("7")
    "'7'"
    """
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
