"""The peers of the speed benchmark: each encodes an image and answers points, with the same weights."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from samkit import Prompts, load_sam
from samkit.ops.optional import require
from samkit.sam.checkpoints import DTYPES, cast
from samkit.sam.config import CONFIGS
from samkit.sam.hub import hub_names
from samkit.sam.hub_model import hub_model
from samkit.sam.model import Sam
from samkit.sam.official import OfficialSam
from samkit.sam.preprocess import preprocess

Image = NDArray[np.uint8]
# Prompts that a peer gets in one call: the official generator's. Their decoders hold one copy of the
# image for each, so a thousand at once would take tens of gigabytes.
AT_ONCE = 64


class Peer(Protocol):
    """encode: images to embeddings, as its library has them. decode: one image's embedding and (n, 2)
    points in its pixels to (n, 3, h, w) low-resolution logits."""

    name: str

    def encode(self, images: list[Image]) -> list[Any]: ...
    def embedding(self, encoded: Any) -> torch.Tensor: ...
    def decode(self, encoded: Any, xy: NDArray[np.float32]) -> torch.Tensor: ...


def find_peers(sam: Sam, names: list[str], dtype: str) -> list[Peer]:
    """samkit first, then those of `names`. Raises ImportError or ValueError for one that cannot be."""
    makers: dict[str, Callable[[], Peer]] = {
        "official": lambda: Official(sam),
        "transformers": lambda: Transformers(sam),
        "ultralytics": lambda: Ultralytics(sam),
    }
    peers = [makers[name]() for name in names]
    return [Samkit(sam if dtype == "float32" else cast(sam, *DTYPES[dtype])), *peers]


def make_sam(name: str, device: str) -> Sam:
    """tiny or a file with its weights; an official size with random ones: the time is the same."""
    if name not in CONFIGS:
        return load_sam(name, device=device)
    torch.manual_seed(0)
    sam = Sam(CONFIGS[name], f"{name}-random-float32-samkit")
    for tensor_name, tensor in sam.state_dict().items():
        if "pos" in tensor_name and "gaussian" not in tensor_name:
            tensor.normal_(std=0.1)  # they start as zeros, which would hide mistakes
    return sam.to(device).eval()


class Samkit:
    name = "samkit"

    def __init__(self, sam: Sam) -> None:
        self.sam = sam

    def encode(self, images: list[Image]) -> list[Any]:
        return self.sam.encode(images)

    def embedding(self, encoded: Any) -> torch.Tensor:
        tensor: torch.Tensor = encoded["image_embedding"]
        return tensor

    def decode(self, encoded: Any, xy: NDArray[np.float32]) -> torch.Tensor:
        [masks] = self.sam.decode([encoded], [Prompts.from_points(xy)])
        assert masks.logits is not None
        return masks.logits.unflatten(0, (len(xy), -1))


class Official:
    """segment-anything-py by its predictor; prompts by `predict_torch`'s own two calls."""

    name = "official"

    def __init__(self, sam: Sam) -> None:
        self.twin = OfficialSam.twin_of(sam)
        self.model = self.twin.model.to(sam.device)

    def encode(self, images: list[Image]) -> list[Any]:
        return self.twin.encode(images)

    def embedding(self, encoded: Any) -> torch.Tensor:
        tensor: torch.Tensor = encoded["image_embedding"]
        return tensor

    @torch.no_grad()
    def decode(self, encoded: Any, xy: NDArray[np.float32]) -> torch.Tensor:
        points = torch.from_numpy(encoded.frame.to_model(xy[:, None]))
        return ask(self.model, self.embedding(encoded), points)


class Ultralytics:
    """ultralytics' SAM classes, for the official sizes only; it gets our preprocessed pixels."""

    name = "ultralytics"

    def __init__(self, sam: Sam) -> None:
        build = require("ultralytics.models.sam.build", extra="yolo")
        sizes = {CONFIGS[size]: size for size in CONFIGS}
        if sam.config not in sizes:
            raise ValueError("ultralytics builds SAMs of the official sizes only: --sam vit_b")
        self.config = sam.config
        self.model = getattr(build, f"build_sam_{sizes[sam.config]}")()
        self.model.load_state_dict(sam.state_dict(), strict=True)
        self.model.to(sam.device).eval()

    @torch.no_grad()
    def encode(self, images: list[Image]) -> list[Any]:
        encoded = []
        for image in images:
            pixels, frame = preprocess(image, self.config.image_size)
            encoded.append(
                (self.model.image_encoder(on_device(pixels[None], self.model))[0], frame)
            )
        return encoded

    def embedding(self, encoded: Any) -> torch.Tensor:
        tensor: torch.Tensor = encoded[0]
        return tensor

    @torch.no_grad()
    def decode(self, encoded: Any, xy: NDArray[np.float32]) -> torch.Tensor:
        embedding, frame = encoded
        return ask(self.model, embedding, torch.from_numpy(frame.to_model(xy[:, None])))


class Transformers:
    """transformers' SamModel; it gets our preprocessed pixels."""

    name = "transformers"

    def __init__(self, sam: Sam) -> None:
        self.config = sam.config
        self.model = hub_model(sam.config)
        self.model.load_state_dict(hub_names(sam.state_dict()), strict=True)
        self.model.to(sam.device)

    @torch.no_grad()
    def encode(self, images: list[Image]) -> list[Any]:
        inputs = [preprocess(image, self.config.image_size) for image in images]
        pixels = on_device(torch.stack([pixels for pixels, _ in inputs]), self.model)
        embeddings = self.model.get_image_embeddings(pixels)
        return [(e, frame) for e, (_, frame) in zip(embeddings, inputs, strict=True)]

    def embedding(self, encoded: Any) -> torch.Tensor:
        tensor: torch.Tensor = encoded[0]
        return tensor

    @torch.no_grad()
    def decode(self, encoded: Any, xy: NDArray[np.float32]) -> torch.Tensor:
        embedding, frame = encoded
        points = on_device(torch.from_numpy(frame.to_model(xy[:, None]))[None], self.model)
        labels = torch.ones(points.shape[:3], dtype=torch.int64, device=points.device)
        answers = [
            self.model(
                image_embeddings=embedding[None].clone(),
                input_points=points[:, start : start + AT_ONCE],
                input_labels=labels[:, start : start + AT_ONCE],
            ).pred_masks[0]
            for start in range(0, len(xy), AT_ONCE)
        ]
        return torch.cat(answers)


def ask(model: Any, embedding: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """(n, 1, 2) points of the model's frame to logits, by modules that have the official names."""
    points = on_device(points, model)
    answers = []
    for some in points.split(AT_ONCE):
        labels = torch.ones(some.shape[:2], dtype=torch.int64, device=some.device)
        sparse, dense = model.prompt_encoder(points=(some, labels), boxes=None, masks=None)
        logits, _ = model.mask_decoder(
            image_embeddings=embedding[None],
            image_pe=model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        answers.append(logits)
    return torch.cat(answers)


def on_device(tensor: torch.Tensor, model: torch.nn.Module) -> torch.Tensor:
    return tensor.to(next(model.parameters()).device)
