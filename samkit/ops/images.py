"""Picture files to pixels.

What a file may hold is turned into RGB by these rules, so that a picture gives the same pixels here
as in the official examples:

- Upright, as its EXIF orientation says. Of several frames (GIF, TIFF) the first.
- Transparency is dropped, the colours under it stay as stored (as OpenCV's IMREAD_COLOR and Pillow's
  `convert("RGB")`); nothing is laid over white.
- 16 bits a channel keep their high byte: 65,535 is white, whatever the picture's own maximum.
- 32-bit integers and floats have no white that could be known, and are refused.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
# Only these decoders ever see a file: Pillow's others start programs (EPS) or do what few need.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
# Where Pillow itself begins to warn; decoding and turning such a picture takes just under 1 GB.
MAX_PIXELS = 89_478_485

_PILLOWS_LIMIT = threading.Lock()


def read_image(path: str | Path, max_pixels: int | None = None) -> NDArray[np.uint8]:
    """A picture file - JPEG, PNG, WebP, TIFF, BMP, GIF, PPM - as (H, W, 3) uint8 RGB.

    max_pixels: what has more (height * width) is refused before it is decoded, for a small file can
        hold a picture that fills the memory. Where not given, the environment's SAMKIT_MAX_PIXELS,
        else 89,478,485.

    Raises FileNotFoundError, and ValueError that names the file where it is no readable picture.
    """
    with open_picture(path, max_pixels) as picture:
        return _rgb(picture)


@contextlib.contextmanager
def open_picture(path: str | Path, max_pixels: int | None = None) -> Iterator[Image.Image]:
    """A file's picture as Pillow has it, decoded and upright; `max_pixels` as for `read_image`.

    What goes wrong inside the `with` is told as the file's fault, so do only the decoding there.
    """
    limit = pixel_limit() if max_pixels is None else max_pixels
    try:
        with _opened(path, limit) as picture:
            if picture.width * picture.height > limit:
                raise Image.DecompressionBombError(f"it has {picture.width} x {picture.height}")
            # In place: a copy would be made even of an upright picture.
            ImageOps.exif_transpose(picture, in_place=True)
            yield picture
    except FileNotFoundError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"{path} has more than {limit} pixels ({error}); if you trust it, allow more by "
            "max_pixels= or the environment variable SAMKIT_MAX_PIXELS"
        ) from error
    except Exception as error:  # Decoders stumble over damaged files in any way they like.
        reason: object = error
        # The second is what comes of it where ultralytics has put its own function in Pillow's place.
        if UnidentifiedImageError in (type(error), type(error.__context__)):
            reason = f"it is none of {', '.join(FORMATS)}"
        raise ValueError(f"cannot read {path} as a picture: {reason}") from error


def pixel_limit() -> int:
    """The pixels that a picture may have: SAMKIT_MAX_PIXELS, or 89,478,485.

    Raises ValueError where the variable is no whole number.
    """
    text = os.environ.get("SAMKIT_MAX_PIXELS", str(MAX_PIXELS))
    if not text.isdecimal():
        raise ValueError(f"SAMKIT_MAX_PIXELS is a number of pixels, got {text!r}")
    return int(text)


def _opened(path: str | Path, limit: int) -> Image.Image:
    if limit <= MAX_PIXELS:
        return Image.open(path, formats=FORMATS)
    # Pillow has one limit for the whole process, looked at while a header is read.
    with _PILLOWS_LIMIT:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path, formats=FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _rgb(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PNG"):
        # convert("RGB") would cut everything above 255 off.
        grey = (np.asarray(picture) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode in ("I", "F"):
        raise ValueError(
            "it has 32-bit values of unknown range; scale them to 0 to 255 and save them as 8-bit"
        )
    if picture.mode == "P" and picture.has_transparency_data:
        picture = picture.convert("RGBA")  # Pillow warns of going to RGB at once; same colours.
    return np.array(picture.convert("RGB"))
