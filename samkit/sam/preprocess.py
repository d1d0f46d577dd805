"""Pictures to the network's input, exactly as the official predictor."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from samkit.types import Frame

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


def preprocess(image: NDArray[np.uint8], model_size: int) -> tuple[torch.Tensor, Frame]:
    """(H, W, 3) uint8 RGB to (3, model_size, model_size) float32 and the frame that tells how.

    Pillow's antialiased bilinear resize to the longest side, normalisation, then zero padding at the
    right and bottom.
    """
    frame = Frame.fit((image.shape[0], image.shape[1]), model_size)
    height, width = frame.resized_size
    if (height, width) != image.shape[:2]:
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        image = np.asarray(resized)
    # A mirror image may be a view with negative strides, which torch does not take.
    pixels = torch.tensor(np.ascontiguousarray(image)).permute(2, 0, 1).float()
    mean, std = (torch.tensor(values)[:, None, None] for values in (PIXEL_MEAN, PIXEL_STD))
    normalised = (pixels - mean) / std
    return F.pad(normalised, (0, model_size - width, 0, model_size - height)), frame
