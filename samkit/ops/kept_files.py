"""Computed things kept as small files in a folder that any number of processes share."""

import contextlib
import os
import time
import uuid
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Half-written files of killed processes are removed once no living one can still be at them.
SECONDS_TO_WRITE = 3600


@dataclass(frozen=True)
class KeptFiles:
    """Files by the key of what they hold, of which those not used for longest make room for others.

    folder: made where it is not there. suffix: of its own, so that eviction in a folder with other
    things can never remove somebody's weights. max_bytes: what the files there may take together;
    None for no bound.

    A file is written beside its place and moved there whole. Whether its content is whole and the
    key's own is for the reader to find out: what it holds should tell. Raises ValueError for a
    `max_bytes` that is no positive number.
    """

    folder: Path
    suffix: str
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.max_bytes is not None and self.max_bytes < 1:
            raise ValueError(
                f"max_bytes is a positive number, or None for no bound; got {self.max_bytes}"
            )

    def open(self) -> None:
        """Makes the folder fit for use. Raises ValueError where it cannot be written to."""
        trial = self._temporary("trial")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            trial.touch()
            trial.unlink()
            self._remove_leftovers()
            self._evict()
        except OSError as error:
            raise ValueError(
                f"embeddings cannot be stored in {self.folder}: {error.strerror}; "
                "give a folder that can be written to"
            ) from error

    def path(self, key: str) -> Path:
        """Where the file of a key is, if it is there."""
        return self.folder / f"{key}{self.suffix}"

    def was_used(self, key: str) -> None:
        """Notes that the file was read just now, so that others make room before it."""
        # Removed by another process a moment ago, or another user's: it has been read all the same.
        with contextlib.suppress(OSError):
            os.utime(self.path(key))

    def keep(self, contents: Iterable[tuple[str, bytes]]) -> None:
        """Writes files, given as key and content, and then makes room.

        A failure, such as a full disk, is only warned about, where the caller was called. Raises
        ValueError for a file that alone is larger than `max_bytes`.
        """
        try:
            for key, content in contents:
                self._write(key, content)
            self._evict()
        except OSError as error:
            # The same text every time: Python then shows it once.
            warnings.warn(
                f"embeddings are not kept in {self.folder}: {error.strerror}; the run goes on, and "
                "its answers are the same",
                stacklevel=3,
            )

    def _temporary(self, key: str) -> Path:
        return self.folder / f"{key}{self.suffix}.{uuid.uuid4().hex}.tmp"

    def _write(self, key: str, content: bytes) -> None:
        if self.max_bytes is not None and len(content) > self.max_bytes:
            raise ValueError(
                f"one embedding takes {len(content)} bytes, more than max_bytes={self.max_bytes}; "
                "give a store room for many"
            )
        temporary = self._temporary(key)
        try:
            temporary.write_bytes(content)
            os.replace(temporary, self.path(key))
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def _evict(self) -> None:
        """Removes what was not used for longest until the rest is within the bound."""
        if self.max_bytes is None:
            return
        files = []
        with os.scandir(self.folder) as entries:  # `Path.glob` takes several times as long
            for entry in entries:
                if entry.name.endswith(self.suffix):
                    with contextlib.suppress(FileNotFoundError):  # other processes evict too
                        status = entry.stat()
                        files.append((status.st_mtime_ns, status.st_size, entry.path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self.max_bytes:
                return
            Path(path).unlink(missing_ok=True)
            total -= size

    def _remove_leftovers(self) -> None:
        for path in self.folder.glob(f"*{self.suffix}.*.tmp"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > SECONDS_TO_WRITE:
                    path.unlink()
