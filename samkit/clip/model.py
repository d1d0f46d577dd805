"""A CLIP of open_clip as two pure functions, `images` and `texts`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from samkit.clip.masked_attention import encode_inside, patch_grid
from samkit.clip.store import SUFFIX, Asked, looked_up
from samkit.ops.kept_files import KeptFiles

# How many go through a tower together. Fixed per kind of device, so that answers don't vary by machine.
AT_ONCE = {"cpu": 16, "cuda": 256, "mps": 64}
PLAIN = ("{}",)


class Clip:
    """Pictures and texts to embeddings in one space; the more alike, the larger their dot product.

    model: what `open_clip.create_model` gives, or anything with its `encode_image`, `encode_text`
        and `visual`. tokenizer: texts to (N, length) ids. name: identifies model and weights.
    files: where embeddings of images are kept; see `stored_clip`. texts_name: identifies the half that
        embeds texts, which what was taught to read them asks for; None is `name`.

    Stateless: safe to call from several threads. `load_clip` makes one by name.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Callable[[list[str]], torch.Tensor],
        name: str,
        files: KeptFiles | None = None,
        texts_name: str | None = None,
    ):
        # open_clip is there, since it made the model; yet it is not imported before it is needed.
        from open_clip.transform import PreprocessCfg, image_transform_v2

        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name = name
        self.texts_name = texts_name or name
        self.files = files
        side = model.visual.image_size
        self.image_size = int(side[0] if isinstance(side, tuple | list) else side)
        self._settings = PreprocessCfg(**model.visual.preprocess_cfg)
        self._to_input = image_transform_v2(self._settings, is_train=False)

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

    @property
    def patch_grid(self) -> int:
        """Patches along a side of an image. Raises ValueError for models without masked attention."""
        return patch_grid(self.model.visual)

    @property
    def sees_masks(self) -> bool:
        """Whether it can be shown which pixels are meant, as the shipped pair can (Alpha-CLIP)."""
        return bool(getattr(self.model.visual, "sees_masks", False))

    def images(
        self,
        images: Sequence[NDArray[np.uint8]],
        patches: Sequence[NDArray[np.bool_]] | None = None,
    ) -> torch.Tensor:
        """(N, D) float32 embeddings of length 1, on the CPU.

        images: (H, W, 3) uint8 RGB, of any sizes together; resized and cut to the middle square as
        this CLIP was trained. Square crops lose nothing. Where it `sees_masks` also (H, W, 4), the last
        255 where pixels are meant; without it all are.
        patches: masked attention (SAM's paper, app. D.5): for each image, which must be square, the
        (patch_grid, patch_grid) bool patches that the output token sees in the last layer, such as
        `covered_cells` tells. None for all.

        Raises ValueError for patches of another shape or number, for models without masked attention, and
        for four channels where three are seen.
        """
        if not self.sees_masks and (masked := [i.shape for i in images if i.shape[2:] == (4,)]):
            raise ValueError(
                f"{self.name} does not see masks: give RGB pictures (H, W, 3), got {masked[0]}"
            )
        if patches is not None:
            self._check(images, patches)
        shown = [None] * len(images) if patches is None else patches
        asked: list[Asked] = list(zip(images, shown, strict=True))
        if self.files is None or not asked:
            return self._seen(asked)
        return looked_up(self.files, self.name, asked, self._seen)

    def _check(
        self, images: Sequence[NDArray[np.uint8]], patches: Sequence[NDArray[np.bool_]]
    ) -> None:
        shape = (self.patch_grid,) * 2
        shapes = {np.shape(one) for one in patches} - {shape}
        if len(patches) != len(images) or shapes:
            raise ValueError(
                f"patches are one array of {shape} for each of {len(images)} images, got "
                f"{len(patches)} of {sorted(shapes) or shape}"
            )
        if wide := [image.shape for image in images if image.shape[0] != image.shape[1]]:
            raise ValueError(f"masked attention wants square images, got {wide[0]}")

    @torch.no_grad()
    def _seen(self, asked: Sequence[Asked]) -> torch.Tensor:
        parts = []
        for some in _batches(asked, self.device):
            inputs = torch.stack([self._input(image) for image, _ in some])
            inputs = inputs.to(self.device, self.dtype)
            inside = [torch.from_numpy(np.array(p, dtype=bool)) for _, p in some if p is not None]
            if inside:
                shown = torch.stack(inside).to(self.device)
                features = encode_inside(self.model.visual, inputs, shown)
            else:
                features = self.model.encode_image(inputs)
            parts.append(F.normalize(features.float(), dim=-1).cpu())
        return torch.cat(parts) if parts else torch.zeros(0, self.width)

    def _input(self, image: NDArray[np.uint8]) -> torch.Tensor:
        """(3, side, side), or with the mask (4, side, side)."""
        picture: torch.Tensor = self._to_input(
            Image.fromarray(np.ascontiguousarray(image[..., :3]))
        )
        if not self.sees_masks:
            return picture
        meant = image[..., 3] if image.shape[2] == 4 else np.full(image.shape[:2], 255, np.uint8)
        # The mask goes the picture's way, and is then taken back to 0 to 1.
        moved = self._to_input(Image.fromarray(np.repeat(meant[..., None], 3, axis=2)))[:1]
        mask = moved * self._settings.std[0] + self._settings.mean[0]
        return torch.cat([picture, mask.clamp(0, 1)])

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


def stored_clip(clip: Clip, dir: str | Path, max_bytes: int | None = None) -> Clip:
    """The CLIP with its embeddings of images kept in a folder, as `samkit.stored` does it for a SAM.

    dir, max_bytes: as `samkit.stored` has them; the folder may be the same. An embedding is found by
    `clip.name` and the pixels given, and kept as it is, in float32: answers do not move.

    A damaged file is computed anew. Weights that change under one name, as in training, must not be
    stored. Raises ValueError as `samkit.stored` does.

    >>> import tempfile
    >>> from samkit.clip import load_clip
    >>> clip = stored_clip(load_clip("tiny"), tempfile.mkdtemp(), max_bytes=2**30)
    >>> clip.images([np.zeros((64, 64, 3), np.uint8)]).shape
    torch.Size([1, 128])
    """
    if not clip.name:
        raise ValueError(
            "a store knows embeddings by the model's name, and this one has none: load it by "
            "load_clip, or give Clip a name that no other weights have"
        )
    files = KeptFiles(Path(dir), SUFFIX, max_bytes)
    files.open()
    return Clip(clip.model, clip.tokenizer, clip.name, files, clip.texts_name)


def _batches(items: Sequence[Any], device: torch.device) -> list[Sequence[Any]]:
    step = AT_ONCE.get(device.type, 16)
    return [items[start : start + step] for start in range(0, len(items), step)]
