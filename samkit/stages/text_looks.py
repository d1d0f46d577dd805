"""What stages share that let a `TextFinder` look for phrases: at the picture, and at crops of it."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np
import torch

from samkit.clip.finder import TextFinder
from samkit.clip.model import Clip
from samkit.ops.grids import Box, crop_boxes
from samkit.ops.square_crops import square_crop
from samkit.pipeline import Stage
from samkit.stages.asked import ask_for
from samkit.types import Sample


class Looks(NamedTuple):
    """Of P phrases and B squares around crops, the whole picture first: logits (P, B, S / 2, S / 2), IoUs (P, B)."""

    boxes: list[Box]
    logits: torch.Tensor
    ious: torch.Tensor


@dataclass(frozen=True, repr=False)
class LooksForText(Stage):
    """A finder, the CLIP whose phrases it was taught, and where they look.

    Raises ValueError for a finder that was not taught this CLIP's phrases, and negative layers.
    """

    finder: TextFinder
    clip: Clip
    phrases: Sequence[str] | None = None
    _: KW_ONLY
    crop_n_layers: int = 1
    crop_overlap_ratio: float = 512 / 1500
    mirrored: bool = False

    def __post_init__(self) -> None:
        ask_for(self, self.phrases, self.reads, "masks")
        self.finder.check_reads(self.clip.name, self.clip.texts_name)
        if self.crop_n_layers < 0:
            raise ValueError(f"crop_n_layers is 0 or more, got {self.crop_n_layers}")

    def looks(self, sample: Sample, phrases: Sequence[str]) -> Looks:
        """What the finder sees of one phrase or more."""
        size = (sample.image.shape[0], sample.image.shape[1])
        boxes = [box for box, _ in crop_boxes(size, self.crop_n_layers, self.crop_overlap_ratio)]
        side, device = self.finder.side, self.finder.device
        squares = np.stack([square_crop(sample.image, box, side) for box in boxes])
        shown = torch.from_numpy(squares).to(device).permute(0, 3, 1, 2) / 255
        texts = self.clip.texts(phrases).to(device)
        return Looks(boxes, *self.finder.look(shown, texts, self.mirrored))
