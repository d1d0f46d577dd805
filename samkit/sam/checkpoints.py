"""Weights: by name or from a file, tensors only, under the official names."""

import hashlib
import pickle
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from samkit.sam.config import CONFIGS, read_config
from samkit.sam.model import Sam

OFFICIAL_ADDRESS = "https://dl.fbaipublicfiles.com/segment_anything/"
OFFICIAL_FILES = {
    "vit_b": "sam_vit_b_01ec64.pth",
    "vit_l": "sam_vit_l_0b3195.pth",
    "vit_h": "sam_vit_h_4b8939.pth",
}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
Tensors = dict[str, torch.Tensor]


def load_sam(
    name_or_path: str | Path = "tiny", device: str = "auto", dtype: str = "float32"
) -> Sam:
    """A SAM, ready to use.

    name_or_path: "tiny", which samkit ships, or a .pth or .safetensors file with the official tensor
        names; the model's sizes are read off the tensors, so any size of SAM loads.
    device: "cpu", "cuda", "cuda:1", or "auto": cuda where there is one.
    dtype: "float32" (exact), "bfloat16" or "float16".

    Raises FileNotFoundError or ValueError that say what to do. No pickled code is ever run.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype is one of {', '.join(DTYPES)}, got {dtype!r}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    path = _locate(name_or_path)
    tensors = read_tensors(path)
    sam = build_sam(tensors, str(path))
    sam.name = f"{path.stem}-{fingerprint(tensors)}-{dtype}-samkit"
    return cast(sam, DTYPES[dtype]).to(device).eval()


def build_sam(tensors: Tensors, source: str = "the given tensors") -> Sam:
    """A SAM of these tensors, its sizes read off them; strict about names and shapes."""
    config = read_config(tensors)
    with torch.device("meta"):
        sam = Sam(config)
    expected = {name: tensor.shape for name, tensor in sam.state_dict().items()}
    problems = [f"{name} is missing" for name in expected if name not in tensors]
    problems += [f"{name} is not a SAM's" for name in tensors if name not in expected]
    problems += [
        f"{name} has shape {tuple(tensors[name].shape)}, expected {tuple(shape)}"
        for name, shape in expected.items()
        if name in tensors and tensors[name].shape != shape
    ]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ValueError(f"{source} does not fit a SAM: {'; '.join(problems[:5])}{more}")
    sam.load_state_dict(tensors, strict=True, assign=True)
    return sam


def save_sam(sam: Sam, path: str | Path) -> None:
    """Writes the weights under the official names: safetensors, or a .pth the official code loads.

    Raises ValueError for another suffix.
    """
    path = Path(path)
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in sam.state_dict().items()
    }
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    elif path.suffix == ".pth":
        torch.save(tensors, path)
    else:
        raise ValueError(f"weights are saved as .safetensors or .pth, got {path.name!r}")


def read_tensors(path: Path) -> Tensors:
    """The tensors of a .safetensors or .pth file, read without running anything in it.

    Raises ValueError naming the file where it is damaged or holds more than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} is no file of tensors, or a damaged one: {reason}") from error
    if not isinstance(loaded, dict) or not all(
        isinstance(t, torch.Tensor) for t in loaded.values()
    ):
        raise ValueError(f"{path} holds something else than tensors by name")
    return loaded


def fingerprint(tensors: Tensors) -> str:
    """Eight hexadecimal digits of the sha256 over names and values, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        raw = tensors[name].detach().cpu().contiguous().view(-1).view(torch.uint8)
        digest.update(raw.numpy().data)
    return digest.hexdigest()[:8]


def cast(sam: Sam, dtype: torch.dtype) -> Sam:
    """The model in another dtype, but places are always worked out in float32."""
    positions = sam.prompt_encoder.pe_layer
    matrix = positions.positional_encoding_gaussian_matrix.float()
    sam.to(dtype)
    positions.positional_encoding_gaussian_matrix = matrix
    return sam


def _locate(name_or_path: str | Path) -> Path:
    if name_or_path == "tiny":
        return Path(str(resources.files("samkit") / "weights" / "tiny.safetensors"))
    path = Path(name_or_path)
    if path.is_file():
        return path
    if name_or_path in OFFICIAL_FILES:
        file = OFFICIAL_FILES[str(name_or_path)]
        raise FileNotFoundError(
            f"{name_or_path} is not on this machine; fetch {OFFICIAL_ADDRESS}{file} and give its path"
        )
    names = ", ".join(["tiny", *CONFIGS])
    raise FileNotFoundError(
        f"no weights at {name_or_path}; give a .pth or .safetensors file, or {names}"
    )
