"""An image embedding as a file: half-precision tensors, their frame, and a checksum over both."""

import dataclasses
import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from samkit.types import Frame, ImageEmbedding

# Part of every key, so that files of another format are never asked for.
FORMAT = "samkit embedding 1"
# Embeddings end in a layer norm, so they are of the order of 1: float16's range is wide enough, and
# its error is an eighth of bfloat16's.
STORED_DTYPE = torch.float16


class DamagedFileError(Exception):
    """A file that does not hold the embedding it should."""


def rounded(embedding: ImageEmbedding) -> ImageEmbedding:
    """The embedding as a file gives it back: each value rounded to float16, in its own dtype again.

    Raises ValueError for values beyond float16's range (65,504).
    """
    tensors = {name: _to_half(tensor) for name, tensor in embedding.tensors.items()}
    for name, half in tensors.items():
        if not torch.equal(half.isfinite(), embedding[name].isfinite()):
            largest = embedding[name].abs().max().item()
            raise ValueError(
                f"tensor {name!r} has values up to {largest:.4g}, and a store keeps float16, which "
                "ends at 65504; use this model without a store"
            )
    return dataclasses.replace(
        embedding, tensors={n: half.to(embedding[n].dtype) for n, half in tensors.items()}
    )


def to_bytes(embedding: ImageEmbedding, key: str) -> bytes:
    """A safetensors file with the embedding that `rounded` gives; `key` tells whose it is."""
    tensors = {
        name: _to_half(tensor).detach().cpu().contiguous()
        for name, tensor in embedding.tensors.items()
    }
    dtypes = {name: str(t.dtype).removeprefix("torch.") for name, t in embedding.tensors.items()}
    frame = dataclasses.asdict(embedding.frame)
    about = json.dumps({"key": key, "frame": frame, "dtypes": dtypes})
    return save(tensors, {"about": about, "checksum": _checksum(about, tensors)})


def read(path: Path, key: str, device: torch.device | str) -> ImageEmbedding:
    """The embedding of `key` that the file holds, in its own dtypes, on the device.

    Raises FileNotFoundError for no file, DamagedFileError for one that is cut, changed in any byte
    that matters, or another key's.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, RuntimeError) as error:
        # The library opens a file twice, and another process may have removed it in between.
        if not path.exists():
            raise FileNotFoundError(f"{path} went while it was read") from error
        raise DamagedFileError(f"{path}: {error}") from error
    text = metadata.get("about", "")
    if metadata.get("checksum") != _checksum(text, tensors):
        raise DamagedFileError(f"{path} does not have the checksum it states")
    try:
        about = json.loads(text)
        frame = _frame(about["frame"])
        dtypes = {name: _dtype(about["dtypes"][name]) for name in tensors}
        its_key = about["key"]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        # The checksum is right, so it was written so: by another program than this one.
        raise DamagedFileError(f"{path} tells nothing of its embedding: {error}") from error
    if its_key != key:
        raise DamagedFileError(f"{path} holds another embedding than its name says")
    # Copied, so that nothing goes on living in the memory-mapped file.
    back = {n: tensor.to(device, dtypes[n], copy=True) for n, tensor in tensors.items()}
    return ImageEmbedding(back, frame)


def _to_half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(STORED_DTYPE) if tensor.is_floating_point() else tensor


def _checksum(about: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """Safetensors has none: a disk that gives back zeros of the right number would pass."""
    total = zlib.crc32(about.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        total = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), total)
        total = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, total)
    return f"{total:08x}"


def _dtype(name: str) -> torch.dtype:
    dtype = getattr(torch, name)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{name} is no dtype")
    return dtype


def _frame(fields: Mapping[str, list[int] | int | None]) -> Frame:
    lengths = {"original_size": 2, "resized_size": 2, "model_size": 1, "crop_box": 4}
    if fields.keys() != lengths.keys():
        raise ValueError(f"a frame has {', '.join(lengths)}")
    for name, length in lengths.items():
        value = fields[name]
        numbers = value if isinstance(value, list) else [value]
        least = 0 if name == "crop_box" else 1
        whole = all(type(n) is int and least <= n < 2**31 for n in numbers)
        if (not whole or len(numbers) != length) and not (name == "crop_box" and value is None):
            raise ValueError(f"a frame's {name} is {length} whole numbers, got {value!r}")
    # JSON knows no tuples.
    return Frame(**{n: tuple(v) if isinstance(v, list) else v for n, v in fields.items()})  # type: ignore[arg-type]
