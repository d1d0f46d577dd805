"""The readers of tensors under fuzzing: checkpoints of three formats, and files of a store."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from samkit import load_sam
from samkit.sam import embedding_file
from samkit.sam.config import SamConfig
from samkit.sam.embedding_file import DamagedFileError
from samkit.sam.hub import hub_names
from samkit.sam.model import Sam
from samkit.types import Frame, ImageEmbedding
from tests.fuzz.mutate import STRANGE, mutated_bytes, mutated_structure

# A whole SAM, as small as one can be: files are to be read ten thousand times.
SMALLEST = SamConfig(
    width=8,
    depth=1,
    num_heads=1,
    global_blocks=(0,),
    mlp_dim=8,
    image_size=32,
    window_size=2,
    channels=8,
    mask_channels=4,
    decoder_mlp_dim=8,
    decoder_attention_width=8,
    iou_head_hidden=8,
)


def fuzz_checkpoints(folder: Path) -> Callable[[random.Random], Any]:
    """Weights under official and hub names, as .safetensors and both kinds of .pth."""
    torch.manual_seed(0)
    official = Sam(SMALLEST).state_dict()
    contents = [official, hub_names(official)]
    files = {
        (suffix, zipped, number): _written(content, suffix, zipped)
        for number, content in enumerate(contents)
        for suffix, zipped in ((".safetensors", True), (".pth", True), (".pth", False))
    }

    def read(path: Path) -> None:
        sam = load_sam(path, device="cpu")
        assert sam.name.startswith("weights-")
        # A file without a layer of the IoU head, say, is a whole SAM of another size.
        assert sam.config != SMALLEST or sam.state_dict().keys() == official.keys()
        assert sam.state_dict().keys() == Sam(sam.config).state_dict().keys()

    for (suffix, _, _), data in files.items():  # whole they load, and torch has made itself ready
        (folder / f"weights{suffix}").write_bytes(data)
        read(folder / f"weights{suffix}")

    def case(rng: random.Random) -> Any:
        suffix, zipped, number = rng.choice(list(files))
        kind = rng.randrange(4)
        if kind == 0:
            data = _written(_mutated_tensors(contents[number], rng), suffix, zipped)
        elif kind == 1 and suffix == ".safetensors":
            data = _mutated_header(files[suffix, zipped, number], rng)
        else:
            data = _mutated_ends(files[suffix, zipped, number], rng)
        path = folder / f"weights{suffix}"
        path.write_bytes(data)
        read(path)

    return case


def fuzz_embeddings(folder: Path) -> Callable[[random.Random], Any]:
    """Files of a store, damaged, or made to mislead with a checksum that is right."""
    tensors = {"image_embedding": torch.arange(24.0).view(2, 3, 4), "index": torch.arange(3)}
    frame = Frame((6, 8), (12, 16), 16, (1, 2, 7, 8))
    whole = embedding_file.to_bytes(ImageEmbedding(tensors, frame), "a key")
    halves = load(whole)
    length = int.from_bytes(whole[:8], "little")
    about = json.loads(json.loads(whole[8 : 8 + length])["__metadata__"]["about"])
    path = folder / "a.embedding.safetensors"

    def case(rng: random.Random) -> Any:
        kind = rng.randrange(3)
        if kind == 0:
            text = json.dumps(mutated_structure(about, rng))
            metadata = {"about": text, "checksum": embedding_file._checksum(text, halves)}
            path.write_bytes(save(halves, metadata))
        else:
            path.write_bytes(
                _mutated_header(whole, rng) if kind == 1 else mutated_bytes(whole, rng)
            )
        try:
            embedding = embedding_file.read(path, "a key", "cpu")
        except DamagedFileError:
            return
        assert isinstance(embedding.frame, Frame) and min(embedding.frame.original_size) > 0

    return case


def _written(content: dict[str, Any], suffix: str, zipped: bool) -> bytes:
    if suffix == ".safetensors":
        return save({k: v for k, v in content.items() if isinstance(v, torch.Tensor)})
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def _mutated_tensors(content: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Some tensors gone, of another shape or dtype, of another name, or no tensors at all."""
    content = dict(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        name = rng.choice(list(content))
        tensor = content.pop(name)
        if not isinstance(tensor, torch.Tensor):
            continue
        changed: list[Callable[[], Any]] = [
            lambda t=tensor: torch.zeros(rng.choices((0, 1, 2, 7, 8), k=rng.randrange(5))),
            lambda t=tensor: t.to(rng.choice((torch.int64, torch.float16, torch.bool))),
            lambda t=tensor: t.to(torch.complex64),
            lambda t=tensor: t.flatten(),
            lambda t=tensor: t[:1].clone(),
            lambda t=tensor: torch.full_like(t, float("nan")),
            lambda t=tensor: t.reshape(-1)[:1].expand(10**6),  # a view that tells of more
            lambda t=tensor: t.to_sparse(),
            lambda t=tensor: rng.choice(STRANGE),
        ]
        action = rng.randrange(len(changed) + 2)
        if action == len(changed):
            content[rng.choice((name[1:], name.upper(), "", "a.b", name + ".0"))] = tensor
        elif action < len(changed):
            value = changed[action]()
            whole = isinstance(value, torch.Tensor) and value.layout == torch.strided
            content[name] = value.contiguous() if whole and rng.random() < 0.9 else value
    return content


def _mutated_header(data: bytes, rng: random.Random) -> bytes:
    """A safetensors file with another header before the same tensors."""
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(mutated_structure(json.loads(data[8 : 8 + length]), rng)).encode()
    told = len(header) if rng.random() < 0.9 else rng.choice((0, 2**40, 2**63, len(header) - 1))
    return told.to_bytes(8, "little") + header + data[8 + length :]


def _mutated_ends(data: bytes, rng: random.Random) -> bytes:
    """Bytes changed mostly where names, sizes and places are told: at the file's two ends."""
    if rng.random() < 0.2:
        return mutated_bytes(data, rng)
    size = rng.choice((64, 512, 8192))
    if rng.random() < 0.5:
        return mutated_bytes(data[:size], rng) + data[size:]
    return data[:-size] + mutated_bytes(data[-size:], rng)
