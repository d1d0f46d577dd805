"""`stored`: image embeddings kept on disk, so that the expensive half runs once per picture."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samkit.ops.kept_files import KeptFiles
from samkit.sam import embedding_file
from samkit.sam.embedding_file import DamagedFileError
from samkit.sam.family import SamModel
from samkit.types import ImageEmbedding, Masks, Prompts
from samkit.types.sample import Image, check_image

SUFFIX = ".embedding.safetensors"
# What a SAM may have beside `name`, `encode` and `decode`, and then has with a store too.
PASSED_ON = ("decode_chunks", "device", "dtype", "config")


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
    files = KeptFiles(Path(dir), SUFFIX, max_bytes)
    files.open()
    return StoredSam(sam, files)


@dataclass(frozen=True, eq=False)
class StoredSam:
    """What `stored` returns: a SAM itself; `decode` and what PASSED_ON names are the inner one's."""

    sam: SamModel
    files: KeptFiles

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
            self.files.keep((key, embedding_file.to_bytes(e, key)) for key, e in new.items())
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

    def _key(self, image: Image) -> str:
        about = f"{embedding_file.FORMAT}\n{self.sam.name}\n{image.shape}\n"
        digest = hashlib.sha256(about.encode())
        digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()

    def _read(self, key: str) -> ImageEmbedding | None:
        device = getattr(self.sam, "device", "cpu")
        try:
            embedding = embedding_file.read(self.files.path(key), key, device)
        except (OSError, DamagedFileError):
            return None
        self.files.was_used(key)
        # The key has the SAM's name, so the file holds what this very SAM made.
        return replace(embedding, taught=getattr(self.sam, "taught", ""))
