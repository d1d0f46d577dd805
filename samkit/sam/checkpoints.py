"""Weights: by name or from a file, tensors only, under the official names."""

import shutil
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from samkit.ops.devices import find_device
from samkit.ops.fingerprint import fingerprint
from samkit.ops.memory import keep_some_freed_memory
from samkit.ops.shipped import WEIGHTS
from samkit.sam.config import CONFIGS, read_config
from samkit.sam.download import fetch
from samkit.sam.hub import official_names
from samkit.sam.model import Sam
from samkit.sam.remote import Remote

ADDRESS = "https://dl.fbaipublicfiles.com/segment_anything/"
# Meta publishes no hashes but the first six digits of the md5 in each name; sizes and sha256 are
# those that several independent public projects record alike.
OFFICIAL = {
    "vit_b": Remote(
        f"{ADDRESS}sam_vit_b_01ec64.pth",
        375_042_383,
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    ),
    "vit_l": Remote(
        f"{ADDRESS}sam_vit_l_0b3195.pth",
        1_249_524_607,
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    "vit_h": Remote(
        f"{ADDRESS}sam_vit_h_4b8939.pth",
        2_564_550_879,
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
}
_OFFICIAL_FILES = {remote.name: name for name, remote in OFFICIAL.items()}
# Of the image encoder and of the rest.
DTYPES = {
    "float32": (torch.float32, torch.float32),
    "mixed": (torch.bfloat16, torch.float32),
    "bfloat16": (torch.bfloat16, torch.bfloat16),
    "float16": (torch.float16, torch.float16),
}
COMPILERS = ("c++", "g++", "clang++", "cl")
Tensors = dict[str, torch.Tensor]


def load_sam(
    name_or_path: str | Path = "tiny",
    device: str = "auto",
    dtype: str = "float32",
    compile: bool = False,
) -> Sam:
    """A SAM, ready to use.

    name_or_path: "tiny", which samkit ships; "vit_b", "vit_l" or "vit_h", downloaded once from the
        official address into `samkit.sam.cache.cache_folder()` and checked against its sha256; or a
        .pth or .safetensors file with the official tensor names or those of the transformers
        library. Sizes are read off the tensors, so any size of SAM loads.
    device: "cpu", "cuda", "cuda:1", "mps" (Apple's GPUs), or "auto": the first there is of cuda, mps,
        cpu. Where torch says that MPS lacks an operation, set PYTORCH_ENABLE_MPS_FALLBACK=1 in the
        environment: that operation then runs on the CPU, more slowly.
    dtype: "float32" (exact); "mixed", the image encoder in bfloat16 and the rest in float32; "bfloat16"
        or "float16". How alike the masks are: docs/performance.md.
    compile: the image encoder goes through torch.compile at its first picture, which takes minutes
        and a C++ compiler. It pays for thousands of pictures; answers move by rounding.

    Raises RuntimeError where compile finds no compiler; OSError or ValueError that say what to do: a
    file that is not there, damaged, no SAM or a SAM of another size than named, a download that gives
    out. No pickled code is ever run.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype is one of {', '.join(DTYPES)}, got {dtype!r}")
    if compile and not any(map(shutil.which, COMPILERS)):
        raise RuntimeError(f"compile=True wants one of {', '.join(COMPILERS)}, none is on the PATH")
    place = find_device(device)
    keep_some_freed_memory()
    path = _locate(name_or_path)
    sam = build_sam(official_names(read_tensors(path)), str(path))
    known = name_or_path if name_or_path in OFFICIAL else _OFFICIAL_FILES.get(path.name)
    if known:
        require_size(sam, str(known), path)
    label = name_or_path if name_or_path in OFFICIAL else path.stem
    sam.name = f"{label}-{fingerprint(sam.state_dict())}-{dtype}-samkit"
    sam = cast(sam, *DTYPES[dtype]).to(place).eval()
    if compile:
        sam.name += "-compiled"
        sam.image_encoder.compile()
    return sam


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
    problems += [
        f"{name} holds {tensor.dtype} ({tensor.layout}), not plain floats"
        for name, tensor in tensors.items()
        if not tensor.is_floating_point() or tensor.layout != torch.strided
    ]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ValueError(f"{source} does not fit a SAM: {'; '.join(problems[:5])}{more}")
    sam.load_state_dict(tensors, strict=True, assign=True)
    return sam


def require_size(sam: Sam, name: str, source: str | Path) -> None:
    """Raises ValueError that tells the differences where a SAM is not of the size of `name`."""
    got, expected = asdict(sam.config), asdict(CONFIGS[name])
    differences = [f"{k} is {got[k]}, expected {expected[k]}" for k in got if got[k] != expected[k]]
    if differences:
        raise ValueError(f"{source} is a SAM but no {name}: {'; '.join(differences)}")


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
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # torch raises what the bytes lead it to, from KeyError to TypeError
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise ValueError(f"{path} is no file of tensors, or a damaged one: {reason}") from error
    if not isinstance(loaded, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in loaded.items()
    ):
        raise ValueError(f"{path} holds something else than tensors by name")
    return loaded


def cast(sam: Sam, encoder: torch.dtype, rest: torch.dtype | None = None) -> Sam:
    """The model with the image encoder, and the rest where that is to be another, in other dtypes.

    Places are always worked out in float32.
    """
    positions = sam.prompt_encoder.pe_layer
    matrix = positions.positional_encoding_gaussian_matrix.float()
    sam.to(rest or encoder).image_encoder.to(encoder)
    positions.positional_encoding_gaussian_matrix = matrix
    return sam


def _locate(name_or_path: str | Path) -> Path:
    if name_or_path == "tiny":
        return WEIGHTS / "tiny.safetensors"
    if name_or_path in OFFICIAL:
        return fetch(OFFICIAL[str(name_or_path)])
    path = Path(name_or_path)
    if not path.is_file():
        names = ", ".join(["tiny", *OFFICIAL])
        raise FileNotFoundError(
            f"no weights at {path}; give a .pth or .safetensors file, or {names}"
        )
    return path
