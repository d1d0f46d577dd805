"""The weights that come inside the package, by the name "tiny", and files of one's own in their place."""

from importlib import resources
from pathlib import Path

WEIGHTS = Path(str(resources.files("samkit") / "weights"))


def shipped_or_given(name_or_path: str | Path, shipped: str, what: str, recipe: str) -> Path:
    """The shipped file's path for "tiny", else the path given.

    shipped: the file's name. what, recipe: what it is and which recipe writes one, for the error.
    Raises FileNotFoundError where there is no file.
    """
    path = WEIGHTS / shipped if name_or_path == "tiny" else Path(name_or_path)
    if not path.is_file():
        raise FileNotFoundError(f"no {what} at {path}; give tiny, or a file that {recipe} wrote")
    return path
