"""What turns a CLIP embedding into prompt tokens of a SAM: the part that the paper leaves open."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from samkit.ops.fingerprint import fingerprint
from samkit.ops.shipped import shipped_or_given

Tensors = dict[str, torch.Tensor]
DECODER, ENCODER = "mask_decoder.", "image_encoder."


class TextProjection(nn.Module):
    """CLIP embeddings (N, D) to prompt tokens (N, tokens, channels): two layers with a GELU between.

    The paper (app. D.5) gives the embedding to the decoder as it is, though CLIP's has 768 numbers
    and a prompt token 256; this is what lies between. Several tokens say more to a small decoder.

    clip_width: numbers of a CLIP embedding. channels: of the SAM's prompt tokens.
    clip_name, sam_name: for whom it was trained, told in errors. decoder: tensors of a mask decoder
    that was trained along ("mask_decoder." before each official name), or none. encoder: what the
    training changed in the image encoder ("image_encoder." before each name of `low_rank_change`).

    It is taught by embeddings of pictures and asked with those of texts, which lie elsewhere (V. W.
    Liang et al., Mind the gap, 2022): texts @ `bridge` + `gap` is where pictures of them are expected. The
    bridge is the identity where texts were not paired with pictures, the gap zeros where none were seen.
    """

    gap: torch.Tensor
    bridge: torch.Tensor

    def __init__(
        self,
        clip_width: int,
        channels: int,
        tokens: int = 4,
        hidden: int = 256,
        clip_name: str = "",
        sam_name: str = "",
        decoder: Tensors | None = None,
        encoder: Tensors | None = None,
    ) -> None:
        super().__init__()
        self.lin1 = nn.Linear(clip_width, hidden)
        self.lin2 = nn.Linear(hidden, tokens * channels)
        self.register_buffer("gap", torch.zeros(clip_width))
        self.register_buffer("bridge", torch.eye(clip_width))
        self.channels = channels
        self.clip_name, self.sam_name = clip_name, sam_name
        self.decoder, self.encoder = decoder or {}, encoder or {}

    def __repr__(self) -> str:
        return f"<TextProjection {self.name}>"

    @property
    def name(self) -> str:
        """By its weights, and those of its decoder and encoder."""
        tensors = {**self.state_dict(), **self.decoder, **self.encoder}
        return f"text-prompt-{fingerprint(tensors)}"

    @property
    def clip_width(self) -> int:
        """Numbers of the CLIP embeddings that it takes."""
        return self.lin1.in_features

    def read(self, texts: torch.Tensor) -> torch.Tensor:
        """Tokens (N, tokens, channels) of texts' embeddings (N, D), as of a picture that shows the same."""
        pictures = texts @ self.bridge + self.gap
        tokens: torch.Tensor = self(nn.functional.normalize(pictures, dim=-1))
        return tokens

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        # An embedding has length 1, so its numbers are small; a linear layer likes them around 1.
        scaled = embeddings * self.clip_width**0.5
        flat: torch.Tensor = self.lin2(nn.functional.gelu(self.lin1(scaled)))
        tokens: torch.Tensor = flat.unflatten(-1, (-1, self.channels))
        return tokens


def save_text_prompt(projection: TextProjection, path: str | Path) -> None:
    """Writes a .safetensors file in half precision, with what was trained along of a SAM."""
    tensors = {**projection.state_dict(), **projection.decoder, **projection.encoder}
    half = {name: t.detach().cpu().half().contiguous() for name, t in tensors.items()}
    about = {"clip": projection.clip_name, "sam": projection.sam_name}
    about |= {"channels": str(projection.channels)}
    save_file(half, path, metadata=about)


def load_text_prompt(name_or_path: str | Path = "tiny") -> TextProjection:
    """A projection, ready to use: "tiny", which samkit ships, or a file of `save_text_prompt`.

    Raises FileNotFoundError for no file, ValueError for a file that is none of these.
    """
    path = shipped_or_given(
        name_or_path, "tiny_text_prompt.safetensors", "text prompt", "recipes/train_text_prompt.py"
    )
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {n: file.get_tensor(n).float() for n in file.keys()}  # noqa: SIM118
        channels = int(about["channels"])
        width = tensors["lin1.weight"].shape[1]
        tensors.setdefault("gap", torch.zeros(width))
        tensors.setdefault("bridge", torch.eye(width))
        decoder, encoder = (
            {name: t for name, t in tensors.items() if name.startswith(part)}
            for part in (DECODER, ENCODER)
        )
        projection = TextProjection(
            width,
            channels,
            len(tensors["lin2.bias"]) // channels,
            len(tensors["lin1.bias"]),
            about.get("clip", ""),
            about.get("sam", ""),
            decoder,
            encoder,
        )
        along = {**decoder, **encoder}
        projection.load_state_dict({n: t for n, t in tensors.items() if n not in along})
    except (SafetensorError, KeyError, ValueError, ZeroDivisionError, RuntimeError) as error:
        raise ValueError(f"{path} is no text prompt, or a damaged one: {error}") from error
    return projection.eval().requires_grad_(False)
