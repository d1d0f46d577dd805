"""`stored`: image embeddings kept on disk, so that the expensive half runs once per picture."""

import contextlib
import hashlib
import os
import time
import uuid
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samkit.sam import embedding_file
from samkit.sam.embedding_file import DamagedFileError
from samkit.sam.family import SamModel
from samkit.types import ImageEmbedding, Masks, Prompts
from samkit.types.sample import Image, check_image

# Of its own, so that eviction in a folder with other things can never remove somebody's weights.
SUFFIX = ".embedding.safetensors"
# What a SAM may have beside `name`, `encode` and `decode`, and then has with a store too.
PASSED_ON = ("decode_chunks", "device", "dtype", "config")
# Half-written files of killed processes are removed once no living one can still be at them.
SECONDS_TO_WRITE = 3600


def stored(sam: SamModel, dir: str | Path, max_bytes: int | None = None) -> "StoredSam":
    """The SAM with its embeddings kept in a folder: what is there is read, the rest computed and kept.

    dir: made where it is not there; several processes and machines, and several SAMs, may share it.
    max_bytes: what the files there may take together; those not used for longest are removed.

    An embedding is found by `sam.name` and the pixels given: a crop or a mirror image has its own.
    Weights that change under one name, as in training, must not be stored. Values are rounded to
    float16 whether they were computed or read, so answers do not depend on what was there; `name`
    ends in "+stored-float16" to tell such a run apart. How far answers move: docs/store.md.

    A damaged file is computed anew. A write that fails later on, such as on a full disk, is warned
    about and the run goes on: its answers are the same. Raises ValueError for a folder that cannot be
    written to, a SAM without a name of its own, and a `max_bytes` that is no positive number.

    >>> import samkit, tempfile
    >>> sam = samkit.stored(samkit.load_sam("tiny"), tempfile.mkdtemp(), max_bytes=10 * 2**30)
    >>> [embedding] = sam.encode([np.zeros((48, 64, 3), np.uint8)])
    """
    if not sam.name or sam.name == "unnamed":
        raise ValueError(
            "a store knows embeddings by the model's name, and this one has none: load it by "
            "load_sam, or set its `name` to something that no other weights have"
        )
    if max_bytes is not None and max_bytes < 1:
        raise ValueError(f"max_bytes is a positive number, or None for no bound; got {max_bytes}")
    kept = StoredSam(sam, Path(dir), max_bytes)
    kept.open()
    return kept


@dataclass(frozen=True, eq=False)
class StoredSam:
    """What `stored` returns: a SAM itself; `decode` and what PASSED_ON names are the inner one's."""

    sam: SamModel
    folder: Path
    max_bytes: int | None = None

    @property
    def name(self) -> str:
        """The model's own name, and that its embeddings were rounded."""
        return f"{self.sam.name}+stored-float16"

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> list[ImageEmbedding]:
        """One embedding per image; those that are not there yet are computed together, in one call.

        images: (H, W, 3) uint8 RGB. Raises ValueError for anything else, and where `max_bytes` is
        less than one embedding.
        """
        pictures = [check_image(image) for image in images]
        keys = [self._key(picture) for picture in pictures]
        known: dict[str, ImageEmbedding] = {}
        missing: dict[str, Image] = {}
        for key, picture in dict(zip(keys, pictures, strict=True)).items():
            embedding = self._read(key)
            if embedding is None:
                missing[key] = picture
            else:
                known[key] = embedding
        if missing:
            computed = self.sam.encode(list(missing.values()))
            new = dict(zip(missing, map(embedding_file.rounded, computed), strict=True))
            self._keep(new)
            known |= new
        return [known[key] for key in keys]

    def decode(
        self,
        embeddings: Sequence[ImageEmbedding],
        prompts: Sequence[Prompts],
        multimask_output: bool = True,
    ) -> list[Masks]:
        """The model's own `decode`."""
        return self.sam.decode(embeddings, prompts, multimask_output)

    def __getattr__(self, name: str) -> Any:
        if name in PASSED_ON:
            return getattr(self.sam, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

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

    def _key(self, image: Image) -> str:
        about = f"{embedding_file.FORMAT}\n{self.sam.name}\n{image.shape}\n"
        digest = hashlib.sha256(about.encode())
        digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _temporary(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}.{uuid.uuid4().hex}.tmp"

    def _read(self, key: str) -> ImageEmbedding | None:
        path = self._path(key)
        try:
            embedding = embedding_file.read(path, key, getattr(self.sam, "device", "cpu"))
        except (OSError, DamagedFileError):
            return None
        # Removed by another process a moment ago, or another user's: it has been read all the same.
        with contextlib.suppress(OSError):
            os.utime(path)
        return embedding

    def _keep(self, embeddings: Mapping[str, ImageEmbedding]) -> None:
        try:
            for key, embedding in embeddings.items():
                self._write(key, embedding_file.to_bytes(embedding, key))
            self._evict()
        except OSError as error:
            # The same text every time: Python then shows it once.
            warnings.warn(
                f"embeddings are not kept in {self.folder}: {error.strerror}; the run goes on, and "
                "its answers are the same",
                stacklevel=3,
            )

    def _write(self, key: str, content: bytes) -> None:
        if self.max_bytes is not None and len(content) > self.max_bytes:
            raise ValueError(
                f"one embedding takes {len(content)} bytes, more than max_bytes={self.max_bytes}; "
                "give a store room for many"
            )
        temporary = self._temporary(key)
        try:
            temporary.write_bytes(content)
            os.replace(temporary, self._path(key))
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
                if entry.name.endswith(SUFFIX):
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
        for path in self.folder.glob(f"*{SUFFIX}.*.tmp"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > SECONDS_TO_WRITE:
                    path.unlink()
