"""Where a dataset lies: owners pack the same files into folders of many names."""

import re
from collections.abc import Mapping
from pathlib import Path

DEEPEST = 2


def dataset_folder(root: str | Path, name: str) -> Path:
    """The folder in `root` that has a dataset's name, or begins with it: bbbc038v1, LVIS_v0.5, ...

    Raises FileNotFoundError for none, ValueError that names them for several.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"no folder at {root}")
    plain = {folder: re.sub(r"[^a-z0-9]", "", folder.name.lower()) for folder in _folders(root)}
    for fits in (str.__eq__, str.startswith):
        found = [folder for folder, text in plain.items() if fits(text, name)]
        if len(found) > 1:
            raise ValueError(
                f"{' and '.join(map(str, found))} could both be {name}; call the right one {name}"
            )
        if found:
            return found[0]
    raise FileNotFoundError(f"no folder {name} in {root}")


def inside(path: Path, *relative: str) -> Path:
    """The first of the `relative` paths that is there: in `path`, or up to two folders further down.

    Raises FileNotFoundError for none, ValueError where two folders have it.
    """
    level = [path]
    for _ in range(DEEPEST + 1):
        for wanted in relative:
            found = [folder / wanted for folder in level if (folder / wanted).exists()]
            if len(found) > 1:
                raise ValueError(f"{found[0]} and {found[1]} are both there; give one's folder")
            if found:
                return found[0]
        level = [inner for folder in level for inner in _folders(folder)]
    raise FileNotFoundError(f"no {' or '.join(relative)} in {path}")


def split_folder(parent: Path, split: str) -> Path:
    """A split's folder. Raises FileNotFoundError that names the splits that are there instead."""
    if not (parent / split).is_dir():
        there = ", ".join(folder.name for folder in _folders(parent)) or "none"
        raise FileNotFoundError(f"no split {split} in {parent}; there: {there}")
    return parent / split


def parents_of(path: Path, relative: str) -> list[Path]:
    """All folders that hold `relative`, next to each other: in `path`, or up to two further down.

    Raises FileNotFoundError for none.
    """
    level = [path]
    for _ in range(DEEPEST + 1):
        found = [folder for folder in level if (folder / relative).is_dir()]
        if found:
            return found
        level = [inner for folder in level for inner in _folders(folder)]
    raise FileNotFoundError(f"no */{relative} in {path}")


def files_by_id(root: Path, pattern: str) -> Mapping[str, Path]:
    """Files under `root` by their path relative to it, in order; hidden ones are left out.

    Raises FileNotFoundError where there are none.
    """
    files = {
        file.relative_to(root).as_posix(): file
        for file in sorted(root.glob(pattern))
        if not file.name.startswith(".")
    }
    if not files:
        raise FileNotFoundError(f"no {pattern} in {root}")
    return files


def _folders(path: Path) -> list[Path]:
    return sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith("."))
