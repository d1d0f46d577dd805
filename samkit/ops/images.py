"""Picture files to pixels."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """A picture file as (H, W, 3) uint8 RGB, turned upright as its EXIF orientation says.

    Raises ValueError that names the file where it is no readable picture.
    """
    try:
        with Image.open(path) as picture:
            return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot read {path} as a picture: {error}") from error
