"""Files that are known by their size and sha256, and the note that they were checked."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Remote:
    """A file on the net and what it must be: its size in bytes and its sha256.

    Both are None where nobody published them; then any file that came whole is taken.
    """

    address: str
    size: int | None = None
    sha256: str | None = None

    @property
    def name(self) -> str:
        return self.address.rpartition("/")[2]


def mismatch(remote: Remote, file: Path) -> str:
    """What tells this file from the one it must be, in words; empty where nothing does."""
    size = file.stat().st_size
    if remote.size not in (None, size):
        return f"it has {size:,} bytes instead of {remote.size:,}"
    if remote.sha256 is not None and (found := sha256(file)) != remote.sha256:
        return f"its sha256 is {found} instead of {remote.sha256}"
    return ""


def sha256(file: Path) -> str:
    """The sha256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def is_remembered(remote: Remote, path: Path) -> bool:
    """Whether the file is there and was found to be what it must be, unchanged since."""
    try:
        return beside(path, "verified").read_text() == _memory(remote, path)
    except FileNotFoundError:
        return False


def remember(remote: Remote, path: Path) -> None:
    """Notes beside the file that it is what it must be: hashing gigabytes once is enough."""
    beside(path, "verified").write_text(_memory(remote, path))


def _memory(remote: Remote, path: Path) -> str:
    stat = path.stat()
    return f"{remote.sha256} {stat.st_size} {stat.st_mtime_ns}\n"


def beside(path: Path, suffix: str) -> Path:
    """NAME.suffix beside NAME."""
    return path.with_name(f"{path.name}.{suffix}")
