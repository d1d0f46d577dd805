"""Embeddings of crops as files, found by pixels and the CLIP's name."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from samkit.ops.kept_files import KeptFiles

SUFFIX = ".clip_embedding"
# Part of every key, so that files of another format are never asked for.
FORMAT = "samkit clip 1"
CHECKSUM_BYTES = hashlib.sha256().digest_size
# Pixels, and the patches that masked attention is restricted to.
Asked = tuple[NDArray[np.uint8], NDArray[np.bool_] | None]


def looked_up(
    files: KeptFiles,
    name: str,
    asked: Sequence[Asked],
    embed: Callable[[Sequence[Asked]], torch.Tensor],
) -> torch.Tensor:
    """(N, D) float32: what is kept of these images is read, the rest embedded in one call and kept.

    name: of the CLIP. asked: one or more. embed: makes (N, D) float32 of them, on the CPU.
    """
    keys = [_key(name, *one) for one in asked]
    known: dict[str, torch.Tensor] = {}
    missing: dict[str, Asked] = {}
    for key, one in zip(keys, asked, strict=True):
        vector = _read(files, key)
        if vector is None:
            missing[key] = one
        else:
            known[key] = vector
    if missing:
        new = dict(zip(missing, embed(list(missing.values())), strict=True))
        files.keep((key, _to_bytes(vector, key)) for key, vector in new.items())
        known |= new
    return torch.stack([known[key] for key in keys])


def _key(name: str, image: NDArray[np.uint8], patches: NDArray[np.bool_] | None) -> str:
    digest = hashlib.sha256(f"{FORMAT}\n{name}\n{image.shape}\n".encode())
    digest.update(np.ascontiguousarray(image).data)
    if patches is not None:
        digest.update(b"patches" + np.asarray(patches, dtype=bool).tobytes())
    return digest.hexdigest()


def _to_bytes(vector: torch.Tensor, key: str) -> bytes:
    """A checksum over key and numbers, then the numbers as they are: a whole file is one disk block."""
    numbers = vector.numpy().astype("<f4").tobytes()
    return _checksum(key, numbers) + numbers


def _read(files: KeptFiles, key: str) -> torch.Tensor | None:
    try:
        content = files.path(key).read_bytes()
    except OSError:
        return None
    checksum, numbers = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
    if checksum != _checksum(key, numbers):  # cut, changed, or another image's
        return None
    files.was_used(key)
    return torch.from_numpy(np.frombuffer(numbers, dtype="<f4").astype(np.float32))


def _checksum(key: str, numbers: bytes) -> bytes:
    return hashlib.sha256(key.encode() + numbers).digest()
