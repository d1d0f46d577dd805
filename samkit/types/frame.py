"""Where a model's square input lies in the picture, and the embedding that carries it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

Size = tuple[int, int]


@dataclass(frozen=True)
class Frame:
    """The map between an original image and the square that a model sees.

    original_size: (height, width) of the whole image, pixels.
    resized_size: (height, width) that the image, or its crop, has inside the model's square,
        at its top left corner; the rest is padding.
    model_size: side of the model's square input, pixels.
    crop_box: (x0, y0, x1, y1), the part of the original that was resized; None is all of it.
    """

    original_size: Size
    resized_size: Size
    model_size: int
    crop_box: tuple[int, int, int, int] | None = None

    @classmethod
    def fit(cls, size: Size, model_size: int) -> "Frame":
        """The frame of a whole image of `size`, its longest side scaled to `model_size`.

        Rounds as the official `ResizeLongestSide`, but never down to zero.
        """
        scale = model_size * 1.0 / max(size)
        height, width = (max(1, int(side * scale + 0.5)) for side in size)
        return cls(size, (height, width), model_size)

    def cropped_from(self, original_size: Size, x0: int, y0: int) -> "Frame":
        """This frame, made for a crop, told where its crop lies in the whole image."""
        height, width = self.original_size
        return replace(
            self, original_size=original_size, crop_box=(x0, y0, x0 + width, y0 + height)
        )

    @property
    def crop_size(self) -> Size:
        """(height, width) of the part of the original that the model sees."""
        if self.crop_box is None:
            return self.original_size
        x0, y0, x1, y1 = self.crop_box
        return y1 - y0, x1 - x0

    def to_model(self, xy: ArrayLike) -> NDArray[np.float32]:
        """Points (..., 2) in original pixels to pixels of the model's square.

        Each axis has its own factor, that of the rounded size, without a half-pixel shift; computed
        in float64 as the official predictor does.
        """
        points = np.asarray(xy, dtype=np.float64)
        if self.crop_box is not None:
            points = points - self.crop_box[:2]
        height, width = self.crop_size
        factor = (self.resized_size[1] / width, self.resized_size[0] / height)
        return np.asarray(points * factor, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class ImageEmbedding:
    """What a SAM knows of one image: named tensors, without a batch dimension, and their frame.

    SAM itself has one, "image_embedding" of shape (channels, side / 16, side / 16).
    taught: what taught the SAM's image encoder anew, a text prompt's name; "" where nothing did. Such a
        SAM and the plain one cannot read each other's embeddings, though nothing in the shapes tells.
    """

    tensors: Mapping[str, torch.Tensor]
    frame: Frame
    taught: str = ""

    def __getitem__(self, name: str) -> torch.Tensor:
        return self.tensors[name]
