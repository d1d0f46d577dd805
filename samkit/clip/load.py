"""CLIP models by name, from files, or the small pair that samkit ships."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from samkit.clip.mask_tower import MaskTower
from samkit.clip.model import Clip
from samkit.clip.words import Words
from samkit.ops.devices import find_device
from samkit.ops.fingerprint import fingerprint
from samkit.ops.huggingface import from_hub
from samkit.ops.optional import require
from samkit.ops.shipped import WEIGHTS

DTYPES = {
    "float32": torch.float32,
    "mixed": torch.bfloat16,  # of a SAM it leaves the decoder at float32; a CLIP has none
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
PAPER = "ViT-L-14-336"
TINY = ("tiny_clip.json", "tiny_clip.safetensors")


def load_clip(
    name: str = PAPER,
    weights: str | Path | None = None,
    device: str = "auto",
    dtype: str = "float32",
) -> Clip:
    """A CLIP, ready to use.

    name: "tiny", the pair that samkit ships; a model of open_clip such as "ViT-L-14-336" (the
        paper's) or "ViT-B-32"; or a folder with open_clip_config.json and the weights, or with what
        recipes/train_clip.py writes.
    weights: one of open_clip's tags for that model, such as "openai" or "laion2b_s34b_b79k", which
        is downloaded once; or a local file. None takes "openai" where there is one, else the
        model's first.
    device: as `load_sam` has it. dtype: the same, "mixed" being bfloat16.

    Raises ImportError without open_clip; ValueError that names what there is for a name, tag or
    file that does not fit; OSError that says what to do where weights cannot be downloaded.

    >>> load_clip("tiny", device="cpu").texts(["a red disc"]).shape
    torch.Size([1, 128])
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype is one of {', '.join(DTYPES)}, got {dtype!r}")
    place = find_device(device)
    open_clip = require("open_clip", extra="clip")
    if name == "tiny" or (Path(name) / TINY[0]).is_file():
        model, tokenizer = _tiny(*(tiny_files() if name == "tiny" else tiny_files(Path(name))))
    elif Path(name).is_dir():
        model = _made(open_clip, f"local-dir:{name}", None)
        tokenizer = open_clip.get_tokenizer(f"local-dir:{name}")
    else:
        model, tokenizer = _by_name(open_clip, name, weights)
    label = name if weights is None else f"{name}-{Path(weights).stem}"
    tensors = model.state_dict()
    kind = f"{dtype}-open_clip"
    full = f"{Path(label).name}-{fingerprint(tensors)}-{kind}"
    texts = f"texts-{fingerprint(_of_texts(tensors))}-{kind}"
    return Clip(model.to(place, DTYPES[dtype]), tokenizer, full, texts_name=texts)


def _of_texts(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What embeddings of texts are made by."""
    others = ("visual.", "logit_")
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(others)}


def tiny_files(folder: Path | None = None) -> tuple[Path, Path]:
    """Where a small pair's configuration and weights are; None is the shipped one's folder."""
    folder = folder or WEIGHTS
    return folder / TINY[0], folder / TINY[1]


def build_tiny(config: dict[str, Any]) -> tuple[Any, Words]:
    """A pair of this configuration, untrained, and its tokenizer.

    config: {"model": open_clip's own, "preprocess": likewise, "words": the vocabulary}, and with
    "mask_tower" the settings of a `MaskTower` that takes the image tower's place.
    """
    open_clip = require("open_clip", extra="clip")
    words = Words(config["words"], config["model"]["text_cfg"]["context_length"])
    settings = json.loads(json.dumps(config["model"]))  # a copy: what follows changes it
    settings["text_cfg"]["vocab_size"] = len(words)
    model = open_clip.CLIP(**settings)
    if "mask_tower" in config:
        model.visual = MaskTower(settings["embed_dim"], **config["mask_tower"])
    open_clip.model.set_model_preprocess_cfg(model, config["preprocess"])
    return model, words


def save_tiny(model: Any, config: dict[str, Any], folder: Path) -> None:
    """Writes a small pair for `load_clip(folder)`: its configuration, and half-precision weights."""
    tensors = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    about, weights = tiny_files(folder)
    save_file(tensors, weights)
    about.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def _tiny(about: Path, weights: Path) -> tuple[Any, Words]:
    model, words = build_tiny(json.loads(about.read_text(encoding="utf-8")))
    model.load_state_dict({name: tensor.float() for name, tensor in load_file(weights).items()})
    return model, words


def _by_name(open_clip: Any, name: str, weights: str | Path | None) -> tuple[Any, Any]:
    if name not in open_clip.list_models():
        raise ValueError(
            f"open_clip has no model {name!r}, and there is no such folder; give tiny, a folder, or "
            f"one of {', '.join(open_clip.list_models()[:12])}, ... (open_clip.list_models())"
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if weights is None:
        weights = "openai" if "openai" in tags else next(iter(tags), None)
    if weights is None or not (str(weights) in tags or Path(weights).is_file()):
        raise ValueError(
            f"no weights {str(weights)!r} for {name}: give a file, or one of {', '.join(tags)}"
        )
    if str(weights) in tags:
        what = f"the weights {weights} of {name}"
        model = from_hub(lambda: _made(open_clip, name, str(weights)), what)
    else:
        model = _made(open_clip, name, str(weights))
    return model, open_clip.get_tokenizer(name)


def _made(open_clip: Any, name: str, weights: str | None) -> Any:
    about = open_clip.get_pretrained_cfg(name, weights) if weights else {}
    try:
        return open_clip.create_model(
            name,
            weights,
            # Weights of OpenAI were trained with another form of GELU than open_clip's own.
            force_quick_gelu=bool(about.get("quick_gelu")),
            pretrained_text=False,
            require_pretrained=True,
        )
    except (RuntimeError, ValueError, KeyError) as error:
        raise ValueError(f"open_clip cannot load {name} from {weights}: {error}") from error
