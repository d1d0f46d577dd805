"""The weights that come inside the package, by the name "tiny", and files of one's own in their place."""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

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


def save_half(
    module: torch.nn.Module, path: str | Path, kind: str, about: Mapping[str, Any]
) -> None:
    """Writes a .safetensors file in half precision. kind: under which name JSON about it lies in the file."""
    tensors = {n: t.detach().cpu() for n, t in module.state_dict().items()}
    half = {n: (t.half() if t.is_floating_point() else t).contiguous() for n, t in tensors.items()}
    save_file(half, path, metadata={kind: json.dumps(about)})


def read_half(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What `save_half` wrote: about it, and tensors. Raises SafetensorError, KeyError or ValueError for others."""
    with safe_open(path, framework="pt") as file:
        about = json.loads((file.metadata() or {})[kind])
        return about, {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
