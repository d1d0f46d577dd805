"""A CLIP of open_clip as two pure functions, `images` and `texts`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

# How many go through a tower together. Fixed per kind of device, so that answers don't vary by machine.
AT_ONCE = {"cpu": 16, "cuda": 256, "mps": 64}
PLAIN = ("{}",)


class Clip:
    """Pictures and texts to embeddings in one space; the more alike, the larger their dot product.

    model: what `open_clip.create_model` gives, or anything with its `encode_image`, `encode_text`
        and `visual`. tokenizer: texts to (N, length) ids. name: identifies model and weights.

    Stateless: safe to call from several threads. `load_clip` makes one by name.
    """

    def __init__(self, model: Any, tokenizer: Callable[[list[str]], torch.Tensor], name: str):
        # open_clip is there, since it made the model; yet it is not imported before it is needed.
        from open_clip.transform import PreprocessCfg, image_transform_v2

        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name = name
        side = model.visual.image_size
        self.image_size = int(side[0] if isinstance(side, tuple | list) else side)
        settings = PreprocessCfg(**model.visual.preprocess_cfg)
        self._to_input = image_transform_v2(settings, is_train=False)

    def __repr__(self) -> str:
        return f"<Clip {self.name}>"

    @property
    def device(self) -> torch.device:
        device: torch.device = next(iter(self.model.parameters())).device
        return device

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = next(iter(self.model.parameters())).dtype
        return dtype

    @property
    def width(self) -> int:
        """How many numbers an embedding has."""
        return int(self.texts(["a"]).shape[1])

    @property
    def temperature(self) -> float:
        """What a dot product is divided by before the softmax over texts, as CLIP was trained."""
        return float(1 / self.model.logit_scale.exp())

    @torch.no_grad()
    def images(self, images: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        """(N, D) float32 embeddings of length 1, on the CPU.

        images: (H, W, 3) uint8 RGB, of any sizes together; resized and cut to the middle square as
        this CLIP was trained. Square crops lose nothing.
        """
        parts = []
        for some in _batches(images, self.device):
            inputs = torch.stack([self._to_input(Image.fromarray(image)) for image in some])
            features = self.model.encode_image(inputs.to(self.device, self.dtype))
            parts.append(F.normalize(features.float(), dim=-1).cpu())
        return torch.cat(parts) if parts else torch.zeros(0, self.width)

    @torch.no_grad()
    def texts(self, texts: Sequence[str], templates: Sequence[str] = PLAIN) -> torch.Tensor:
        """(N, D) float32 embeddings of length 1, on the CPU.

        templates: sentences with {} where the text goes; a text's embedding is the mean over them,
        made of length 1 again (A. Radford et al., CLIP, sec. 3.1.4).

        Raises ValueError for an empty text, and templates without a place for it.
        """
        for text in texts:
            if not isinstance(text, str) or not text.strip():
                raise ValueError(f"a phrase is a text with at least one word, got {text!r}")
        if not templates or any("{}" not in template for template in templates):
            raise ValueError(f"a template has {{}} where the phrase goes, got {list(templates)}")
        sentences = [template.replace("{}", text) for text in texts for template in templates]
        parts = []
        for some in _batches(sentences, self.device):
            features = self.model.encode_text(self.tokenizer(list(some)).to(self.device))
            parts.append(F.normalize(features.float(), dim=-1).cpu())
        if not parts:
            return torch.zeros(0, 0)
        means = torch.cat(parts).unflatten(0, (len(texts), len(templates))).mean(dim=1)
        return F.normalize(means, dim=-1)


def _batches(items: Sequence[Any], device: torch.device) -> list[Sequence[Any]]:
    step = AT_ONCE.get(device.type, 16)
    return [items[start : start + step] for start in range(0, len(items), step)]
